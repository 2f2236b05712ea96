//! `strassenc demo`.

use super::{Cli, home, output};
use clap::Parser;
use std::path::PathBuf;
use std::time::Instant;
use strassenc_runtime::Result;

/// Train, compile, simulate and report a small network on real handwritten digits
///
/// Runs the commands that it prints, one after the other: any of them can be repeated by hand. Verilator is installed first
/// where none fits. A few minutes in all.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc demo
  strassenc demo -o /tmp/demo")]
pub struct Args {
    /// Where the run, the build and the report go; an earlier demo there is replaced
    #[arg(short, long, value_name = "FOLDER", default_value = "strassenc-demo")]
    output: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    let began = Instant::now();
    let tools = home::tools()?;
    let verilator = tools.verilator_or_install()?;
    output::line(format_args!("Verilator {} in {}\n", verilator.version, verilator.program.display()))?;
    let folder = args.output.display().to_string();
    let script = [
        "train digits --overwrite -o @/run",
        "eval @/run",
        "verilog @/run -o @/build",
        "simulate @/build",
        "simulate @/build --gaps --backpressure",
        "report @/build --html @/report.html",
    ];
    for line in script {
        let words: Vec<String> = line.split(' ').map(|word| word.replacen('@', &folder, 1)).collect();
        output::line(format_args!("$ strassenc {}", words.join(" ")))?;
        let cli = Cli::parse_from([String::from("strassenc")].into_iter().chain(words));
        super::run(cli.command)?;
        output::line("")?;
    }
    output::line(format_args!(
        "The network, its curves, the Verilog and the report are in {folder}. {:.0} s.",
        began.elapsed().as_secs_f64()
    ))?;
    output::line(format_args!(
        "Next: strassenc check {folder}/build, and strassenc train mnist (see `strassenc doctor`)."
    ))?;
    Ok(())
}
