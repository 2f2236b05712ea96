//! The command `strassenc man`.

use super::{Cli, output};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::path::PathBuf;
use strassenc_runtime::error::suggest;
use strassenc_runtime::{Error, Result, files};

/// Print the manual page of a command, or write those of all commands into a folder
///
/// The pages say what --help says.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc man | man -l -                             the page of strassenc itself
  strassenc man verilog | man -l -                     that of a command
  strassenc man -o ~/.local/share/man/man1             all of them, for man strassenc-verilog")]
pub struct Args {
    /// The command; without it strassenc itself
    #[arg(value_name = "COMMAND", conflicts_with = "output")]
    command: Option<String>,
    /// Write the pages of all commands into this folder
    #[arg(short, long, value_name = "FOLDER", value_parser = super::written_folder())]
    output: Option<PathBuf>,
    /// Replace pages that are there
    #[arg(long, requires = "output")]
    overwrite: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let pages: Vec<&Command> = [&program].into_iter().chain(program.get_subcommands()).collect();
    let Some(folder) = &args.output else {
        // `strassenc help` tells of strassenc itself, too.
        let name = args.command.as_deref().filter(|name| *name != "help");
        let name = name.unwrap_or(program.get_name());
        let command = pages.iter().find(|page| page.get_name() == name).ok_or_else(|| {
            let known = program.get_subcommands().map(Command::get_name);
            Error::input("COMMAND", format_args!("unknown command `{name}`"))
                .help(suggest(name, known))
        })?;
        return output::write(page(command)?);
    };
    files::check_folder(folder)?;
    let paths: Vec<PathBuf> =
        pages.iter().map(|page| folder.join(Man::new((*page).clone()).get_filename())).collect();
    if let Some(there) = paths.iter().find(|path| !args.overwrite && path.exists()) {
        return Err(Error::io(there, "exists, so it is left alone")
            .help("--overwrite replaces it; or name another folder"));
    }
    std::fs::create_dir_all(folder).map_err(|e| files::unwritable(folder, &e))?;
    for (command, path) in pages.iter().zip(&paths) {
        files::write(path, page(command)?.as_bytes())?;
    }
    output::line(format_args!("{} pages in {}", paths.len(), folder.display()))
}

/// The page of a command, in roff.
fn page(command: &Command) -> Result<String> {
    // Examples are lines, which clap_mangen would fill as it does sentences.
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.clone())
        .source(concat!("strassenc ", env!("CARGO_PKG_VERSION")))
        .manual("strassenc");
    let mut page = Vec::new();
    let mut roff = Roff::default();
    roff.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in examples.strip_prefix("Examples:\n").unwrap_or_default().lines() {
        roff.text([roman(line.trim_start())]);
    }
    roff.control("fi", []);
    let has_subcommands = command.has_subcommands();
    let written = (|| {
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        if has_subcommands {
            man.render_subcommands_section(&mut page)?;
        }
        if examples.is_empty() { Ok(()) } else { roff.to_writer(&mut page) }
    })();
    written.map_err(|e| Error::internal("manual page", e))?;
    String::from_utf8(page).map_err(|e| Error::internal("manual page", e))
}
