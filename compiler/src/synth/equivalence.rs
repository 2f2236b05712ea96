//! Equivalence of a small pipeline: its emitted text against its definition, proved by Yosys.
//!
//! The pipeline feeds forward, so with its registers read as wires it is a function from one vector
//! to one vector. That function, as Yosys reads it from the emitted text, is proved equal to the
//! chain of the dataflow IR, written out as it stands, for every input within its intervals at
//! once. That the registers delay all paths alike is the schedule's own proof and the simulation's.

use crate::emit::signature;
use crate::interval::Interval;
use crate::ir::{Chain, OpKind};
use crate::tools::Tools;
use askama::Template;
use ndarray::ArrayView1;
use std::path::Path;
use std::time::Duration;
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::{Error, Result};

/// What came of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Equivalence {
    /// The text equals the definition for every input.
    Proved,
    /// The text does not equal the definition; Yosys has a counterexample.
    Refuted(String),
    /// The layer is not tried: why.
    OutOfReach(String),
    /// Yosys was ended after so long, without an answer.
    NotAnswered(Duration),
}

/// Layers with more input bits than this are not tried.
const MOST_INPUT_BITS: u32 = 32;
/// What Yosys has for a layer, by the wall clock: its own limit is not looked at before the solver
/// begins, nor by every step of it.
const TIME_LIMIT: Duration = Duration::from_secs(120);

#[derive(Template)]
#[template(path = "miter.v")]
struct Miter<'a> {
    module: &'a str,
    input_bits: u32,
    output_bits: u32,
    /// Bits of every value of the definition.
    width: u32,
    /// The definition, a signed value after the other: name and expression.
    values: Vec<(String, String)>,
    /// Whether every input is within its interval.
    inside: String,
    /// Lowest bit in the result, and the value that it starts with.
    results: Vec<(u32, String)>,
    result_bits: u32,
}

#[derive(Template)]
#[template(path = "equivalence.ys", ext = "ys")]
struct Script<'a> {
    files: &'a [String],
}

/// Proves that the pipeline in `module` of the build in `folder` computes this chain.
///
/// # Errors
/// Where Yosys is missing or fails, or a file cannot be read.
pub fn equivalence(
    folder: &Path,
    signature: &signature::Signature,
    module: &str,
    chain: &Chain,
    tools: &Tools,
) -> Result<Equivalence> {
    if chain.loaded.is_some() {
        return Ok(Equivalence::OutOfReach("its parameters are loaded at run time".into()));
    }
    let bits = chain.x.len() as u32 * chain.input.bits;
    if bits > MOST_INPUT_BITS {
        return Ok(Equivalence::OutOfReach(format!(
            "{bits} input bits, at most {MOST_INPUT_BITS} are tried"
        )));
    }
    let miter = Miter::new(chain, module);
    let miter = miter.render().map_err(|e| Error::internal("miter.v", e))?;
    let script = Script { files: &signature.files };
    let script = script.render().map_err(|e| Error::internal("equivalence.ys", e))?;
    let yosys = tools.yosys()?;
    let work = WorkFolder::new()?;
    for name in &signature.files {
        files::write(&work.path().join(name), &files::read(&folder.join(name))?)?;
    }
    files::write(&work.path().join("miter.v"), miter.as_bytes())?;
    files::write(
        &work.path().join("wires.v"),
        include_bytes!("../../../templates/register_wires.v"),
    )?;
    files::write(&work.path().join("equivalence.ys"), script.as_bytes())?;
    let mut command = yosys.command();
    command.current_dir(work.path()).args(["-s", "equivalence.ys"]);
    let limit = TIME_LIMIT.min(tools.limit());
    let Some(run) = tools.run_within(&mut command, limit)? else {
        return Ok(Equivalence::NotAnswered(limit));
    };
    let proof = std::fs::read_to_string(work.path().join("proof.txt")).unwrap_or_default();
    let said = |text: &str| proof.contains(text);
    if said("SAT proof finished - no model found: SUCCESS!") {
        Ok(Equivalence::Proved)
    } else if said("model found: FAIL!") {
        Ok(Equivalence::Refuted(format!("module `{module}` differs from its definition")))
    } else {
        Err(Error::tool("yosys", run.complaint()))
    }
}

impl<'a> Miter<'a> {
    fn new(chain: &Chain, module: &'a str) -> Self {
        let width = width(chain);
        let (input, output) = (chain.input, chain.output);
        let mut values = vec![];
        let mut inside = vec![];
        for (j, x) in chain.x.intervals.iter().enumerate() {
            let element = format!("data[{} +: {}]", j as u32 * input.bits, input.bits);
            values.push((
                format!("x_{j}"),
                if input.signed { format!("$signed({element})") } else { element },
            ));
            if (x.lo, x.hi) != (input.min(), input.max()) {
                inside.push(format!("x_{j} >= ({}) & x_{j} <= ({})", x.lo, x.hi));
            }
        }
        // Each operation reads the values of the one before it, by its letter.
        let mut read = 'x';
        for (op, letter) in chain.ops.iter().zip('a'..) {
            let own = |i: usize| format!("{letter}_{i}");
            for i in 0..op.result.len() {
                let expression = match &op.kind {
                    OpKind::Linear { matrix, .. } => format!("0{}", terms(matrix.row(i), read)),
                    OpKind::Multiply { coefficients, shifts, .. } => {
                        values.push((
                            format!("{letter}p_{i}"),
                            format!("{read}_{i} * ({})", coefficients[i]),
                        ));
                        round_shift(&format!("{letter}p_{i}"), shifts[i], width)
                    }
                    OpKind::Product => format!("{read}_{i} * {read}_{}", i + op.result.len()),
                    OpKind::Offset { constants } => format!("{read}_{i} + ({})", constants[i]),
                    OpKind::Requantise { constants, shifts, format } => {
                        let (sum, rounded) = (format!("{letter}s_{i}"), format!("{letter}r_{i}"));
                        values.push((sum.clone(), format!("{read}_{i} + ({})", constants[i])));
                        values.push((rounded.clone(), round_shift(&sum, shifts[i], width)));
                        let (lo, hi) = (format.min(), format.max());
                        format!(
                            "{rounded} < ({lo}) ? ({lo}) : {rounded} > ({hi}) ? ({hi}) : {rounded}"
                        )
                    }
                };
                values.push((own(i), expression));
            }
            read = letter;
        }
        let n_out = chain.result().len() as u32;
        Miter {
            module,
            input_bits: chain.x.len() as u32 * input.bits,
            output_bits: n_out * output.bits,
            width,
            values,
            inside: if inside.is_empty() { "1'b1".into() } else { inside.join(" & ") },
            results: (0..n_out).map(|c| (c * output.bits, format!("{read}_{c}"))).collect(),
            result_bits: output.bits,
        }
    }
}

/// Bits that hold every value of the definition: a narrow solver is a quick one. Sums may wrap on
/// the way to a result that fits.
fn width(chain: &Chain) -> u32 {
    let reach = |v: &Interval| v.lo.unsigned_abs().max(v.hi.unsigned_abs());
    let shifted = |reach: u64, shift: i32| if shift < 0 { reach << -shift } else { reach };
    let half = |shift: i32| if shift > 0 { 1u64 << (shift - 1) } else { 0 };
    let mut most = chain.input.max().unsigned_abs().max(chain.input.min().unsigned_abs());
    let mut x = &chain.x;
    for op in &chain.ops {
        for (i, v) in op.result.intervals.iter().enumerate() {
            let on_the_way = match &op.kind {
                OpKind::Multiply { coefficients, shifts, .. } => {
                    let product = reach(&x.intervals[i]) * coefficients[i].unsigned_abs();
                    shifted(product, shifts[i]) + half(shifts[i])
                }
                OpKind::Requantise { constants, shifts, format } => {
                    let sum = reach(&x.intervals[i]) + constants[i].unsigned_abs();
                    (shifted(sum, shifts[i]) + half(shifts[i])).max(format.max().unsigned_abs() + 1)
                }
                OpKind::Offset { constants } => {
                    reach(&x.intervals[i]) + constants[i].unsigned_abs()
                }
                OpKind::Linear { .. } | OpKind::Product => 0,
            };
            most = most.max(on_the_way).max(reach(v));
        }
        x = &op.result;
    }
    // A sign, and one bit more for the subtractions on the way.
    64 - most.leading_zeros() + 2
}

/// The terms of a row over `letter_0` and those after it.
fn terms(row: ArrayView1<i32>, letter: char) -> String {
    let live = row.iter().enumerate().filter(|(_, v)| **v != 0);
    live.map(|(i, v)| match v {
        1 => format!(" + {letter}_{i}"),
        -1 => format!(" - {letter}_{i}"),
        _ => format!(" + {letter}_{i} * ({v})"),
    })
    .collect()
}

/// round(value · 2^-shift), half up.
fn round_shift(value: &str, shift: i32, width: u32) -> String {
    match shift {
        0 => value.into(),
        1.. => format!("({value} + ({width}'sd1 <<< {})) >>> {shift}", shift - 1),
        _ => format!("{value} <<< {}", -shift),
    }
}
