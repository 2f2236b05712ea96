//! Equivalence of a small layer: its emitted text against its definition, proved by Yosys.
//!
//! The pipeline feeds forward, so with its registers read as wires it is a function from one vector to one vector. That
//! function, as Yosys reads it from the emitted text, is proved equal to the layer's definition written out from the model,
//! for every input at once. That the registers delay all paths alike is the schedule's own proof and the simulation's.

use crate::emit::signature;
use crate::tools::Tools;
use askama::Template;
use ndarray::ArrayView1;
use std::path::Path;
use std::time::Duration;
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::model::{Output, Spn};
use strassenc_runtime::{Error, Format, Model, Result};

/// What came of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Equivalence {
    /// The text equals the definition for every input.
    Proved,
    /// It does not; Yosys has a counterexample.
    Refuted(String),
    /// The layer is not tried: why.
    OutOfReach(String),
    /// Yosys was ended after so long, without an answer.
    NotAnswered(Duration),
}

/// Layers with more input bits than this are not tried.
const MOST_INPUT_BITS: u32 = 32;
/// What Yosys has for a layer, by the wall clock: its own limit is not looked at before the solver begins, nor
/// by every step of it.
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
    /// Lowest bit in the result, and the value that it starts with.
    results: Vec<(u32, String)>,
    result_bits: u32,
}

#[derive(Template)]
#[template(path = "equivalence.ys", ext = "ys")]
struct Script<'a> {
    files: &'a [String],
}

/// Proves that layer `number` of the build in `folder` equals its definition.
///
/// # Errors
/// Where Yosys is missing or fails, or a file cannot be read.
pub fn equivalence(
    folder: &Path,
    signature: &signature::Signature,
    model: &Model,
    number: usize,
    tools: &Tools,
) -> Result<Equivalence> {
    let Some(layer) = model.layers[number].spn() else {
        return Ok(Equivalence::OutOfReach("it works on images".into()));
    };
    let promised = &signature.layers[number];
    let bits = promised.input.elements as u32 * promised.input.format.bits;
    if bits > MOST_INPUT_BITS {
        return Ok(Equivalence::OutOfReach(format!("{bits} input bits, at most {MOST_INPUT_BITS} are tried")));
    }
    if promised.input.elements != layer.inputs() || promised.output.elements != layer.outputs() {
        return Ok(Equivalence::OutOfReach("dead elements were removed".into()));
    }
    let miter = Miter::new(layer, promised);
    let miter = miter.render().map_err(|e| Error::internal("miter.v", e))?;
    let script = Script { files: &signature.files };
    let script = script.render().map_err(|e| Error::internal("equivalence.ys", e))?;
    let yosys = tools.yosys()?;
    let work = WorkFolder::new()?;
    for name in &signature.files {
        files::write(&work.path().join(name), &files::read(&folder.join(name))?)?;
    }
    files::write(&work.path().join("miter.v"), miter.as_bytes())?;
    files::write(&work.path().join("wires.v"), include_bytes!("../../../templates/register_wires.v"))?;
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
        Ok(Equivalence::Refuted(format!("module `{}` differs from its definition", promised.module)))
    } else {
        Err(Error::tool("yosys", run.complaint()))
    }
}

impl<'a> Miter<'a> {
    fn new(layer: Spn, promised: &'a signature::Layer) -> Self {
        let width = width(layer, promised.input.format);
        let (input, output) = (promised.input.format, promised.output.format);
        let mut values = vec![];
        for j in 0..layer.inputs() {
            let element = format!("data[{} +: {}]", j as u32 * input.bits, input.bits);
            values.push((format!("x_{j}"), if input.signed { format!("$signed({element})") } else { element }));
        }
        match layer {
            Spn::Dense(layer) => {
                for (i, row) in layer.w_b.outer_iter().enumerate() {
                    values.push((format!("u_{i}"), format!("0{}", terms(row, "x", 0))));
                    values.push((format!("p_{i}"), format!("u_{i} * ({})", layer.coefficients[i])));
                    values.push((format!("m_{i}"), round_shift(&format!("p_{i}"), layer.coefficient_shifts[i], width)));
                }
            }
            Spn::Bilinear(layer) => {
                for (i, (a, b)) in layer.w_a.outer_iter().zip(layer.w_b.outer_iter()).enumerate() {
                    values.push((format!("u_{i}"), format!("0{}", terms(a, "x", 0))));
                    values.push((format!("v_{i}"), format!("0{}", terms(b, "x", layer.inputs_a()))));
                    values.push((format!("m_{i}"), format!("u_{i} * v_{i}")));
                }
            }
        }
        for (c, row) in layer.w_c().outer_iter().enumerate() {
            values.push((format!("y_{c}"), format!("{}{}", layer.bias(c), terms(row, "m", 0))));
            match layer.output() {
                Output::Raw => values.push((format!("z_{c}"), format!("y_{c}"))),
                Output::Requantised { shifts, format } => {
                    values.push((format!("r_{c}"), round_shift(&format!("y_{c}"), shifts[c], width)));
                    let (lo, hi) = (format.min(), format.max());
                    let clamp = format!("r_{c} < ({lo}) ? ({lo}) : r_{c} > ({hi}) ? ({hi}) : r_{c}");
                    values.push((format!("z_{c}"), clamp));
                }
            }
        }
        Miter {
            module: &promised.module,
            input_bits: promised.input.elements as u32 * input.bits,
            output_bits: promised.output.elements as u32 * output.bits,
            width,
            values,
            results: (0..layer.outputs()).map(|c| (c as u32 * output.bits, format!("z_{c}"))).collect(),
            result_bits: output.bits,
        }
    }
}

/// Bits that hold every value of the definition, by the triangle inequality: a narrow solver is a quick one.
fn width(layer: Spn, input: Format) -> u32 {
    let reach = |row: ArrayView1<i8>, of: &[u64]| -> u64 {
        row.iter().zip(of).filter(|(v, _)| **v != 0).map(|(_, reach)| *reach).sum()
    };
    let shifted = |reach: u64, shift: i32| if shift < 0 { reach << -shift } else { reach };
    let half = |shift: i32| if shift > 0 { 1u64 << (shift - 1) } else { 0 };
    let x = vec![input.max().unsigned_abs().max(input.min().unsigned_abs()); layer.inputs()];
    let mut most = x[0];
    let mut m = vec![];
    match layer {
        Spn::Dense(layer) => {
            for (i, row) in layer.w_b.outer_iter().enumerate() {
                let (product, t) =
                    (reach(row, &x) * u64::from(layer.coefficients[i].unsigned_abs()), layer.coefficient_shifts[i]);
                let rounded = if t > 0 { (product >> t) + 1 } else { shifted(product, t) };
                most = most.max(product + half(t)).max(rounded);
                m.push(rounded);
            }
        }
        Spn::Bilinear(layer) => {
            for (a, b) in layer.w_a.outer_iter().zip(layer.w_b.outer_iter()) {
                m.push(reach(a, &x) * reach(b, &x));
            }
            most = m.iter().copied().fold(most, u64::max);
        }
    }
    for (c, row) in layer.w_c().outer_iter().enumerate() {
        let y = reach(row, &m) + layer.bias(c).unsigned_abs();
        most = most.max(y);
        if let Output::Requantised { shifts, format } = layer.output() {
            most = most.max(shifted(y, shifts[c]) + half(shifts[c])).max(format.max().unsigned_abs() + 1);
        }
    }
    // A sign, and one bit more for the subtractions on the way.
    64 - most.leading_zeros() + 2
}

/// The signed terms of a ternary row over `name_first` and those after it.
fn terms(row: ArrayView1<i8>, name: &str, first: usize) -> String {
    let live = row.iter().enumerate().filter(|(_, v)| **v != 0);
    live.map(|(i, v)| format!(" {} {name}_{}", if *v > 0 { '+' } else { '-' }, first + i)).collect()
}

/// round(value · 2^-shift), half up.
fn round_shift(value: &str, shift: i32, width: u32) -> String {
    match shift {
        0 => value.into(),
        1.. => format!("({value} + ({width}'sd1 <<< {})) >>> {shift}", shift - 1),
        _ => format!("{value} <<< {}", -shift),
    }
}
