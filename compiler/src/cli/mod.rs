//! The command line, one file per command, and what of it the Python package calls.

mod check;
mod choices;
mod completions;
mod config;
mod consent;
mod curves;
mod data;
mod demo;
mod discover;
mod doctor;
mod eval;
mod export;
mod generate;
mod home;
mod import;
mod man;
mod matrix;
mod numbers;
mod output;
mod projects;
mod random;
mod reload;
mod report;
mod simulate;
mod sweep;
mod train;
mod verilog;

use clap::builder::TypedValueParser;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use strassenc_runtime::{Error, Kind, Result, files};

/// Set once by Ctrl-C; long work polls it, leaves a resumable state and returns
/// [`Kind::Interrupted`].
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C ends the program at once.
static AT_ONCE: AtomicBool = AtomicBool::new(false);

/// Does work of which nothing is worth keeping before it is done, so that Ctrl-C ends the program
/// at once: no step of it need look whether it was interrupted.
fn at_once<T>(work: impl FnOnce() -> T) -> T {
    AT_ONCE.store(true, Ordering::SeqCst);
    let done = work();
    AT_ONCE.store(false, Ordering::SeqCst);
    done
}

/// The option of commands that write files which a user names: what is there already is the
/// user's.
#[derive(clap::Args)]
struct Overwrite {
    /// Replace the file, where there is one
    #[arg(long)]
    overwrite: bool,
}

impl Overwrite {
    /// Fails where there is a file at `path` that may not be replaced, so that long work need not
    /// begin.
    fn check(&self, path: &Path) -> Result<()> {
        if path.is_dir() {
            return Err(Error::io(path, "is a folder, not a file").help("name a file in it"));
        }
        if output::is_taken_by(path) || self.overwrite || !path.exists() || files::is_device(path) {
            return Ok(());
        }
        Err(Error::io(path, "exists, so it is left alone")
            .help("--overwrite replaces it; or name another file"))
    }

    /// As [`Self::check`], of several files by their options; fails also where two are one.
    fn check_all(&self, outputs: &[(&str, Option<&Path>)]) -> Result<()> {
        let mut seen: Vec<(&str, PathBuf)> = vec![];
        for (option, path) in outputs.iter().filter_map(|(option, path)| Some((*option, (*path)?)))
        {
            self.check(path)?;
            if files::is_device(path) && !output::is_taken_by(path) {
                continue;
            }
            let file = files::whole(path);
            if let Some((other, _)) = seen.iter().find(|(_, earlier)| *earlier == file) {
                let cause = format_args!("is given for {other} and for {option}");
                return Err(Error::input(path.display(), cause).help("name a file for each"));
            }
            seen.push((option, file));
        }
        Ok(())
    }
}

/// Reads the name of a file that a command writes.
fn written() -> impl TypedValueParser<Value = PathBuf> {
    clap::builder::PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some("-") => Err("for a file of this name write ./-, for standard output /dev/stdout"),
        _ => Ok(path),
    })
}

/// Reads the name of a folder that a command writes.
fn written_folder() -> impl TypedValueParser<Value = PathBuf> {
    clap::builder::PathBufValueParser::new().try_map(|path| match path.to_str() {
        Some("-") => Err("it is a folder that is written: for one of this name write ./-"),
        _ => Ok(path),
    })
}

/// Takes a neural network down to a multiplication budget and then down to gates.
#[derive(Parser)]
#[command(name = "strassenc", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    volume: output::Volume,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Import(import::Args),
    Train(train::Args),
    Curves(curves::Args),
    Sweep(sweep::Args),
    Random(random::Args),
    Eval(eval::Args),
    Export(export::Args),
    Generate(generate::Args),
    Verilog(verilog::Args),
    Reload(reload::Args),
    Simulate(simulate::Args),
    Report(report::Args),
    Check(check::Args),
    Matrix(matrix::Args),
    Discover(discover::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
}

pub use discover::discover;
pub use eval::golden_outputs;
pub use home::tools;
pub use import::import_onnx;
pub use matrix::{Shared, matrix};
pub use train::{begin, go_on, text};
pub use verilog::{compile, load, options};

/// Arguments from words, as they stand on a command line behind the name of the command.
fn parsed<T: Args>(words: impl IntoIterator<Item = OsString>) -> Result<T> {
    let command = clap::Command::new("options").no_binary_name(true).disable_help_flag(true);
    let parsed = T::augment_args(command)
        .try_get_matches_from(words)
        .and_then(|matches| T::from_arg_matches(&matches));
    parsed.map_err(|told| {
        let text = told.to_string();
        let cause = text.split("\n\n").next().unwrap_or_default();
        Error::input("options", cause.trim_start_matches("error: "))
    })
}

/// Interrupts all long work of the process, as Ctrl-C does; or, with `false`, lets it begin again.
pub fn interrupt(now: bool) {
    INTERRUPTED.store(now, Ordering::SeqCst);
}

/// Runs the program with these arguments, its name first, and yields its exit status. Ctrl-C is the
/// program's from then on.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // Wrong arguments are told on standard error, --help and --version on standard output.
        Err(told) => {
            let printed = told.print().map_err(output::failed);
            let done = told.exit_code();
            return status(if told.use_stderr() { Ok(()) } else { printed }, done);
        }
    };
    // A second Ctrl-C ends the program at once, and the first one where nothing would be kept.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) || AT_ONCE.load(Ordering::SeqCst) {
            strassenc::tools::kill_all();
            output::error("\ninterrupted");
            std::process::exit(Kind::Interrupted.exit_status().into());
        }
        output::error("\ninterrupted: finishing the step at hand (Ctrl-C again to stop at once)");
    });
    status(cli.volume.set().and_then(|()| run(cli.command)), 0)
}

/// The exit status: `done` where all went well, else the error's, which is told where somebody
/// reads.
fn status(result: Result<()>, done: i32) -> u8 {
    let Err(error) = result else {
        return u8::try_from(done).unwrap_or(Kind::Internal.exit_status());
    };
    if error.kind() != Kind::Closed {
        output::error(&error);
    }
    error.kind().exit_status()
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Demo(args) => demo::run(args),
        Command::Import(args) => import::run(args),
        Command::Train(args) => train::run(args),
        Command::Curves(args) => curves::run(&args),
        Command::Sweep(args) => sweep::run(args),
        Command::Random(args) => random::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Export(args) => export::run(&args),
        Command::Generate(args) => generate::run(args),
        Command::Verilog(args) => verilog::run(args),
        Command::Reload(args) => reload::run(&args),
        Command::Simulate(args) => simulate::run(args),
        Command::Report(args) => report::run(args),
        Command::Check(args) => check::run(args),
        Command::Matrix(args) => matrix::run(args),
        Command::Discover(args) => discover::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
