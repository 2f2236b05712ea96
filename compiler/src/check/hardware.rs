//! The rungs between golden and the emitted text, with other people's tools.

use super::{Stop, Vectors, same};
use crate::build::Build;
use crate::compile::Compiled;
use crate::simulate::{self, Simulator, Sources};
use crate::synth::{self, Equivalence};
use crate::tools::Tools;
use crate::witness::Witness;
use ndarray::Array2;
use strassenc_runtime::{Error, Kind, files};

type Counts = std::result::Result<String, Stop>;

/// Icarus is hundreds of times slower than Verilator: cores with more additions than this are left
/// to Verilator.
const MOST_ADDERS_FOR_ICARUS: usize = 4000;
/// Frames of more clocks are left to Verilator too.
const MOST_CLOCKS_FOR_ICARUS: u32 = 5000;
/// Vectors for the witnesses, which are started anew for each check.
const MOST_WITNESS_VECTORS: usize = 2000;

/// A missing tool skips a rung; everything else fails it.
fn needs<T>(found: Result<T, Error>) -> Result<T, Stop> {
    found
        .map_err(|e| if e.kind() == Kind::Tool { Stop::Skip(e.to_string()) } else { Stop::Fail(e) })
}

/// `verilator --lint-only -Wall`.
pub fn lint(build: &Build, tools: &Tools) -> Counts {
    needs(tools.verilator())?;
    simulate::lint(&Sources::read(&build.folder, &build.signature)?, tools)?;
    Ok(format!("{} files without a warning", build.signature.files.len()))
}

/// The core in Verilator, built.
pub fn simulator(build: &Build, tools: &Tools) -> Result<Simulator, Stop> {
    needs(tools.verilator())?;
    Ok(Simulator::build(
        &Sources::read(&build.folder, &build.signature)?,
        &build.signature,
        false,
        tools,
    )?)
}

/// The core in Verilator at full rate, its promised latency and II included.
pub fn full_rate(simulator: &Simulator, vectors: &Vectors) -> Counts {
    let run = verilator(simulator, vectors, &simulate::Options::default())?;
    run.check_promises(simulator.signature())?;
    let ii = run.ii.map_or_else(String::new, |ii| format!(", II {ii}"));
    Ok(format!("{}, latency {}{ii}", vectors.counts(), run.latency))
}

/// The core in Verilator with random gaps in its input and random back pressure.
pub fn back_pressure(simulator: &Simulator, vectors: &Vectors, seed: u64) -> Counts {
    let options = simulate::Options {
        seed,
        gaps: true,
        backpressure: true,
        pauses: true,
        ..simulate::Options::default()
    };
    let run = verilator(simulator, vectors, &options)?;
    Ok(format!("{} in {} clocks", vectors.counts(), run.clocks))
}

fn verilator(
    simulator: &Simulator,
    vectors: &Vectors,
    options: &simulate::Options,
) -> Result<simulate::Run, Stop> {
    let run = simulator.run(&vectors.inputs, options).map_err(Error::from)?;
    for (number, (output, due)) in run.outputs.iter().zip(&vectors.due).enumerate() {
        same(number, "the core", Some(output), Some(due))?;
    }
    Ok(run)
}

/// The emitted testbench in Icarus: golden's answers, pauses, wrong frames, a reset in mid-frame.
pub fn icarus(build: &Build, tools: &Tools) -> Counts {
    if build.signature.ii > MOST_CLOCKS_FOR_ICARUS {
        let ii = build.signature.ii;
        return Err(Stop::Skip(format!(
            "{ii} clocks a frame; Icarus is tried up to {MOST_CLOCKS_FOR_ICARUS}"
        )));
    }
    let adders = build.record.figures.total.adders;
    if adders > MOST_ADDERS_FOR_ICARUS {
        return Err(Stop::Skip(format!(
            "{adders} adders; Icarus is tried up to {MOST_ADDERS_FOR_ICARUS}"
        )));
    }
    let icarus = needs(tools.icarus())?;
    let work = files::WorkFolder::new()?;
    let program = work.path().join("testbench.vvp");
    let bench = format!("{}.v", build.signature.testbench);
    let mut compile = icarus.compile();
    compile
        .current_dir(&build.folder)
        .args(["-g2005", "-Wall", "-s", &build.signature.testbench, "-o"])
        .arg(&program);
    compile.args(&build.signature.files).arg(&bench);
    tools.run_ok(&mut compile)?;
    let finished =
        tools.run(icarus.simulate().current_dir(&build.folder).arg("-n").arg(&program))?;
    tools.check_interrupted()?;
    match finished.stdout.lines().find_map(|line| line.strip_prefix("PASS ")) {
        Some(said) => Ok(said.split_once(": ").map_or(said, |(_, counts)| counts).into()),
        None => Err(Error::mismatch(bench, finished.complaint()).into()),
    }
}

/// The text of every small pipeline against its definition, proved for all inputs.
pub fn equivalence(build: &Build, compiled: &Compiled, tools: &Tools) -> Counts {
    let mut proved = 0;
    let mut open = vec![];
    let layers = compiled.dataflow.layers.iter().zip(&compiled.layers);
    for ((layer, engine), promised) in layers.zip(&build.signature.layers) {
        let name = &layer.name;
        let (Some(kernel), Some(module)) = (layer.kernel(), &promised.kernel) else {
            open.push(format!("layer `{name}`: has no pipeline"));
            continue;
        };
        // What passes digit by digit is no function of one word, with its registers as wires.
        if engine.serial().is_some() {
            open.push(format!("layer `{name}`: is in digits"));
            continue;
        }
        let result =
            synth::equivalence(&build.folder, &build.signature, module, &kernel.chain, tools);
        match needs(result)? {
            Equivalence::Proved => proved += 1,
            Equivalence::Refuted(how) => {
                return Err(Error::mismatch(format_args!("layer `{name}`"), how).into());
            }
            Equivalence::OutOfReach(reason) => open.push(format!("layer `{name}`: {reason}")),
            Equivalence::NotAnswered(limit) => {
                open.push(format!("layer `{name}`: not answered within {} s", limit.as_secs()));
            }
        }
    }
    let open = open.join("; ");
    match proved {
        0 => Err(Stop::Skip(open)),
        n if open.is_empty() => Ok(format!("{n} of {n} layers for all inputs")),
        n => Ok(format!("{n} of {} layers for all inputs; {open}", build.signature.layers.len())),
    }
}

/// Another program, not ours, that recomputes the outputs from the model.
pub fn witness(witness: Witness, build: &Build, vectors: &Vectors, tools: &Tools) -> Counts {
    let count = vectors.inputs.len().min(MOST_WITNESS_VECTORS);
    // From the end: real data first, then random vectors; those of a sequence from its start.
    let first = if build.model.is_recurrent() { 0 } else { vectors.inputs.len() - count };
    let n = build.model.elements();
    let inputs = Array2::from_shape_fn((count, n), |(i, j)| vectors.inputs[first + i][j]);
    let outputs = needs(witness.outputs(tools, &build.model, inputs.view()))?;
    let golden = &vectors.outputs()[first..first + count];
    for (i, (output, golden)) in outputs.outer_iter().zip(golden).enumerate() {
        same(first + i, witness.name(), Some(&output.to_vec()), Some(&golden.to_vec()))?;
    }
    Ok(format!("{count} vectors"))
}
