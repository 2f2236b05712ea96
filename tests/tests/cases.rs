//! What each pass makes of a small text, or why it refuses it: the files of `tests/cases/PASS/`.
//!
//! A file begins with `pass: NAME`; then come the pass's inputs and, after a last line `----`, what
//! it answers. Inputs are kept apart by such a line too. `STRASSENC_BLESS=1` accepts new answers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use strassenc::adder_graph::{self, AdderGraph, Matrix};
use strassenc::circuit::{self, Circuit};
use strassenc::compile::{LayerGraph, Options, Pass, Problem, from_plan};
use strassenc::engine::Engines;
use strassenc::folded::{self, Folded};
use strassenc::ir::{self, Chain, Dataflow};
use strassenc::lower;
use strassenc::multipliers::Multipliers;
use strassenc::schedule::{self, Pipeline};
use strassenc::stream::{self, Graph};
use strassenc::text::all;
use strassenc_runtime::{Error, Result};

/// What the pass with this name makes of its inputs.
fn answer(pass: &str, inputs: &[&str]) -> Result<String> {
    match (pass, inputs) {
        ("read", [dataflow]) => Ok(dataflow.parse::<Dataflow>()?.to_string()),
        ("verify", [dataflow]) => ir::verify(&dataflow.parse()?).map(|()| "ok\n".into()),
        ("prune", [dataflow]) => {
            let mut dataflow: Dataflow = dataflow.parse()?;
            ir::verify(&dataflow)?;
            lower::prune(&mut dataflow, &|_| true);
            ir::verify(&dataflow)?;
            Ok(dataflow.to_string())
        }
        ("build", [dataflow]) => {
            let dataflow: Dataflow = dataflow.parse()?;
            ir::verify(&dataflow)?;
            let chain = chain(&dataflow)?;
            let share = |linear: ir::Linear| {
                let (matrix, _) = linear.with_constants();
                adder_graph::share(&matrix, &adder_graph::Options::default()).graph
            };
            let graphs: Vec<_> = chain.linear().map(share).collect();
            built(chain, &graphs.iter().collect::<Vec<_>>())
        }
        ("build", [dataflow, graphs]) => {
            let dataflow: Dataflow = dataflow.parse()?;
            ir::verify(&dataflow)?;
            let graphs = all::<LayerGraph>(graphs)?;
            built(chain(&dataflow)?, &graphs.iter().map(|g| &g.graph).collect::<Vec<_>>())
        }
        ("verify_circuit", [circuit]) => circuit::verify(&circuit.parse()?).map(|()| "ok\n".into()),
        ("prove", [dataflow, circuit]) => {
            let (dataflow, circuit): (Dataflow, Circuit) = (dataflow.parse()?, circuit.parse()?);
            circuit::prove(&circuit, chain(&dataflow)?).map(|()| "ok\n".into())
        }
        ("schedule", [circuit]) => {
            let circuit: Circuit = circuit.parse()?;
            circuit::verify(&circuit)?;
            let options = schedule::Options::default();
            let pipeline = schedule::schedule(&circuit, &options)?;
            schedule::verify(&circuit, &pipeline, &options)?;
            Ok(pipeline.text(&circuit).to_string())
        }
        ("read_pipeline", [circuit, pipeline]) => {
            let circuit: Circuit = circuit.parse()?;
            let read = Pipeline::read(pipeline, &[&circuit])?;
            Ok(read.iter().map(|pipeline| pipeline.text(&circuit).to_string()).collect())
        }
        ("verify_pipeline", [circuit, pipeline]) => {
            let circuit: Circuit = circuit.parse()?;
            circuit::verify(&circuit)?;
            for pipeline in Pipeline::read(pipeline, &[&circuit])? {
                schedule::verify(&circuit, &pipeline, &schedule::Options::default())?;
            }
            Ok("ok\n".into())
        }
        ("read_streams", [streams]) => Ok(streams.parse::<Graph>()?.to_string()),
        ("verify_streams", [streams]) => stream::verify(&streams.parse()?).map(|()| "ok\n".into()),
        ("read_adder_graphs", [graphs]) => {
            Ok(all::<LayerGraph>(graphs)?.iter().map(LayerGraph::to_string).collect())
        }
        ("prove_adder_graph", [matrix, graph]) => {
            let matrix = matrix_of(matrix)?;
            for LayerGraph { graph, .. } in all::<LayerGraph>(graph)? {
                adder_graph::prove(&graph, &matrix)?;
            }
            Ok("ok\n".into())
        }
        ("read_folded", [folded]) => Ok(folded.parse::<Folded>()?.to_string()),
        ("prove_folded", [dataflow, folded]) => {
            let (dataflow, folded): (Dataflow, Folded) = (dataflow.parse()?, folded.parse()?);
            ir::verify(&dataflow)?;
            folded::prove(&folded, &dataflow.layers[0]).map(|()| "ok\n".into())
        }
        ("share" | "fold" | "multiply" | "assemble" | "time", [dataflow, engines]) => {
            let passes = [Pass::Share, Pass::Fold, Pass::Multiply, Pass::Assemble, Pass::Time];
            let pass = passes.into_iter().find(|last| last.to_string() == pass);
            let pass = pass.ok_or_else(|| Error::input("case", "is of no pass"))?;
            let plan: (Dataflow, _) = (dataflow.parse()?, Engines::parse(engines, "engines")?);
            ir::verify(&plan.0)?;
            let effort = adder_graph::Options::default();
            let share = |problem: Problem| adder_graph::share(problem.matrix, &effort);
            let multipliers =
                if pass == Pass::Multiply { Multipliers::ShiftAdd } else { Multipliers::Dsp };
            let options = Options { multipliers, ..Options::default() };
            let levels = from_plan(pass, plan, &options, &share, &|_| {}, &|| false)?;
            Ok(levels.text(pass.level()).unwrap_or_default())
        }
        _ => Err(Error::input(
            format_args!("pass `{pass}`"),
            format_args!("takes other than {} inputs", inputs.len()),
        )),
    }
}

/// A row a line, integers with blanks between them.
fn matrix_of(text: &str) -> Result<Matrix> {
    let row = |line: &str| line.split(' ').map(|w| w.parse().ok()).collect::<Option<Vec<i32>>>();
    let rows: Option<Vec<_>> = text.lines().map(row).collect();
    let columns = text.lines().next().map_or(0, |line| line.split(' ').count());
    rows.and_then(|rows| Matrix::from_shape_vec((rows.len(), columns), rows.concat()).ok())
        .ok_or_else(|| Error::input("case", "has no matrix"))
}

/// The chain of the first layer.
fn chain(dataflow: &Dataflow) -> Result<&Chain> {
    let kernel = dataflow.layers.first().and_then(|layer| layer.kernel());
    kernel
        .map(|kernel| &kernel.chain)
        .ok_or_else(|| Error::input("case", "has no chain in its first layer"))
}

/// The text of the circuit of a chain, which is verified and proved.
fn built(chain: &Chain, graphs: &[&AdderGraph]) -> Result<String> {
    let circuit = circuit::build(chain, graphs, &BTreeSet::new())?;
    circuit::verify(&circuit)?;
    circuit::prove(&circuit, chain)?;
    Ok(circuit.to_string())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What is told where the file does not say what its pass answers; blessed, it does from now on.
fn difference(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    let pass =
        first.strip_prefix("pass: ").unwrap_or_else(|| panic!("{} names no pass", file.display()));
    assert!(
        file.parent().unwrap().ends_with(pass),
        "{} is in another pass's folder",
        file.display()
    );
    let (inputs, expected) =
        rest.rsplit_once("----\n").unwrap_or_else(|| panic!("{} lacks ----", file.display()));
    let inputs: Vec<&str> = inputs.split("----\n").collect();
    let answer = answer(pass, &inputs).unwrap_or_else(|error| format!("{error}\n"));
    if std::env::var_os("STRASSENC_BLESS").is_some() {
        let inputs = inputs.join("----\n");
        std::fs::write(file, format!("{first}\n{inputs}----\n{answer}")).unwrap();
        return None;
    }
    (answer != expected)
        .then(|| format!("{}: expected\n{expected}\nbut it is\n{answer}", file.display()))
}

#[test]
fn every_pass_answers_as_its_cases_say_and_refuses_those_whose_names_say_so() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let files: Vec<PathBuf> = files(&cases).iter().flat_map(|folder| files(folder)).collect();
    assert!(files.len() >= 100, "{} cases", files.len());
    let failed: Vec<String> = files.iter().filter_map(|file| difference(file)).collect();
    assert!(failed.is_empty(), "{}\nSTRASSENC_BLESS=1 accepts new answers", failed.join("\n"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_refused = text.rsplit_once("----\n").unwrap().1.starts_with("error[");
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(is_refused, name.starts_with("refused_"), "{name}");
    }
}
