//! The command `strassenc demo`.

use super::{Cli, home, output};
use clap::Parser;
use std::path::{Path, PathBuf};
use std::time::Instant;
use strassenc_runtime::{Error, Result, network, train};

/// Train, compile, simulate and report a small network on real handwritten digits
///
/// Runs the commands that it prints, one after the other: any of them can be repeated by hand.
/// Verilator is installed first where none fits. A few minutes in all.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc demo
  strassenc demo -o /tmp/demo")]
pub struct Args {
    /// Where the run, the build and the report go; an earlier demo there is replaced
    #[arg(
        short,
        long,
        value_name = "FOLDER",
        default_value = "strassenc-demo",
        value_parser = super::written_folder(),
    )]
    output: PathBuf,
}

/// Fails where the folder holds anything but an earlier demo, which would come out the same again.
fn check(folder: &Path) -> Result<()> {
    let run = folder.join("run").join(train::NETWORK);
    let names = ["run", "build", "report.html"].map(|name| folder.join(name));
    let is_demo = std::fs::read_to_string(run)
        .is_ok_and(|text| network::find("digits").is_ok_and(|n| n.to_toml() == text));
    match names.iter().find(|path| path.exists()) {
        Some(path) if !is_demo => {
            Err(Error::io(path, "is not of an earlier demo, so it is left alone")
                .help("name another folder with -o"))
        }
        _ => Ok(()),
    }
}

pub fn run(args: Args) -> Result<()> {
    let began = Instant::now();
    check(&args.output)?;
    let tools = home::tools()?;
    let verilator = tools.verilator_or_install()?;
    output::line(format_args!(
        "Verilator {} in {}\n",
        verilator.version,
        verilator.program.display()
    ))?;
    let folder = args.output.display().to_string();
    let script = [
        "train digits --overwrite -o @/run",
        "eval @/run",
        "verilog @/run -o @/build",
        "simulate @/build",
        "simulate @/build --gaps --backpressure",
        "report @/build --html @/report.html --overwrite",
    ];
    for line in script {
        let words: Vec<String> =
            line.split(' ').map(|word| word.replacen('@', &folder, 1)).collect();
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
