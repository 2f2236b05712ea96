//! The command `strassenc import`.

use super::{INTERRUPTED, at_once, numbers, output, parsed};
use indicatif::ProgressBar;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;
use strassenc::progress;
use strassenc::report::table;
use strassenc_runtime::onnx::{self, Fate, Imported, Options};
use strassenc_runtime::train::{self, Start};
use strassenc_runtime::{Error, Kind, Result, data};

/// Make a run of a network that was trained elsewhere, from ONNX
///
/// Each linear layer becomes a sum-product network that begins as factors of its weights, exactly
/// where r reaches their rank and p is 1. Batch norms go into the layers before them. The ordinary
/// network is the run's teacher: `strassenc train RUN/network.toml --resume -o RUN --data …` goes
/// on with it, distilled, in phase 1.
///
/// Images are [batch, channels, height, width] in ONNX and [height, width, channels] here, as
/// --data has them. Whatever is not understood is named with its place, and nothing is written
/// then.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc import net.onnx -o run                       r = outputs of each layer
  strassenc import net.onnx -o run --ratio 2 --data fashion-mnist
  strassenc train run/network.toml --resume -o run       goes on with it; --epochs 4,8,2
  strassenc import net.onnx -o run --bits 8 --frac 6 --signed    inputs from -2 to 1.98
  strassenc train net.toml --from run/teacher.safetensors --teacher run/teacher.safetensors

From PyTorch: torch.onnx.export(net.eval(), (x,), 'net.onnx', opset_version=18), opsets 13 to 22;
the .data file that it may write has to lie beside the .onnx file.")]
pub struct Args {
    /// The ONNX file
    #[arg(value_name = "NET.onnx")]
    network: PathBuf,
    /// The run folder [default: runs/NAME]
    #[arg(short, long, value_name = "RUN", value_parser = super::written_folder())]
    output: Option<PathBuf>,
    /// Name of the network [default: that of the file]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// r over the outputs of each linear layer: 0.5, 1/2; the last one keeps at least as many as it
    /// has outputs
    #[arg(
        long,
        visible_alias = "r",
        value_name = "R/C_OUT",
        default_value = "1",
        value_parser = numbers::fraction,
    )]
    ratio: f64,
    /// Output patches of P×P pixels, for convolutions
    #[arg(long, value_name = "P", default_value_t = 1)]
    p: usize,
    /// Bits of the input
    #[arg(long, value_name = "BITS", default_value_t = 8, value_parser = numbers::whole(1..=16))]
    bits: u32,
    /// Fractional bits of the input: real value = integer · 2^-FRAC
    #[arg(
        long,
        value_name = "FRAC",
        default_value_t = 8,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-32..=32),
    )]
    frac: i32,
    /// The input has a sign
    #[arg(long)]
    signed: bool,
    /// The data that the run will be trained on, so that training need not name them
    #[arg(long, value_name = "SPEC")]
    data: Option<String>,
    /// Begin again in a folder that holds a run
    #[arg(long)]
    overwrite: bool,
    /// Print what became of each node as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    run: PathBuf,
    name: String,
    input: Vec<usize>,
    outputs: usize,
    multiplications: u64,
    dense_multiplications: u64,
    nodes: Vec<Fate>,
}

pub fn run(args: Args) -> Result<()> {
    let json = args.json;
    let report = import(args)?;
    if json { output::json(&report) } else { output::line(render(&report)) }
}

/// Writes a run, as these words behind `strassenc import` say, and yields what became of the
/// network, as JSON.
///
/// # Errors
/// As there.
pub fn import_onnx(words: impl IntoIterator<Item = OsString>) -> Result<String> {
    let report = import(parsed(words)?)?;
    serde_json::to_string(&report).map_err(|e| Error::internal("import", e))
}

fn import(args: Args) -> Result<Report> {
    let options = Options {
        name: args.name.unwrap_or_else(|| name_of(&args.network)),
        bits: args.bits,
        frac: args.frac,
        signed: args.signed,
        ratio: args.ratio,
        p: args.p,
    };
    let folder = args.output.unwrap_or_else(|| Path::new("runs").join(&options.name));
    let Imported { mut network, weights, nodes, .. } = onnx::import(&args.network, &options)?;
    network.train.data = args.data.as_deref().map(data::absolute).transpose()?;
    let start = if args.overwrite { Start::Overwrite } else { Start::New };
    let bar = ProgressBar::with_draw_target(Some(weights.len() as u64), progress::target())
        .with_style(progress::style("{spinner} factors of the matrices: {steps} layers{left}"));
    bar.enable_steady_tick(Duration::from_millis(100));
    let written = at_once(|| {
        let done = |layers| {
            bar.set_position(layers as u64);
            if INTERRUPTED.load(Ordering::SeqCst) {
                return Err(Error::new(Kind::Interrupted, "import", "interrupted by the user"));
            }
            Ok(())
        };
        train::import(&network, &weights, &folder, start, done)
    });
    bar.finish_and_clear();
    written?;
    Ok(Report {
        run: folder,
        outputs: network.outputs(),
        multiplications: network.plan()?.iter().map(|step| step.multiplications()).sum(),
        dense_multiplications: network.dense_multiplications(),
        name: network.name,
        input: network.input.shape,
        nodes,
    })
}

/// A name that descriptions take, from that of a file.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = stem.unwrap_or_default().chars().map(fits).take(60).collect();
    let name = name.trim_matches('_');
    match name.chars().next() {
        None => "net".into(),
        Some('a'..='z') => name.into(),
        Some(_) => format!("net_{name}"),
    }
}

fn render(report: &Report) -> String {
    let mut nodes = table(&["node", "operator", "became"]);
    for Fate { node, operator, output, became } in &report.nodes {
        let name = if node.is_empty() { output } else { node };
        nodes.add_row([name, operator, became]);
    }
    let Report { run, name, input, outputs, multiplications, dense_multiplications, .. } = report;
    let run = run.display();
    format!(
        "{nodes}\n\
         {name}: {input:?} to {outputs}, {multiplications} multiplications against \
         {dense_multiplications} of a dense network\n\
         {run}: go on with it by `strassenc train {run}/network.toml --resume -o {run}`"
    )
}
