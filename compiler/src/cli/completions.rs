//! The command `strassenc completions`.

use super::{Cli, output};
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use strassenc_runtime::Result;

/// Print what makes a shell complete commands, options and their values at Tab
///
/// The script goes to standard output. Make it anew after an update of strassenc.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc completions bash > ~/.local/share/bash-completion/completions/strassenc
  strassenc completions zsh > ~/.zfunc/_strassenc      where ~/.zshrc has fpath+=~/.zfunc
  strassenc completions fish > ~/.config/fish/completions/strassenc.fish
  source <(strassenc completions bash)                 in this shell alone")]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub fn run(args: &Args) -> Result<()> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "strassenc", &mut script);
    output::write(String::from_utf8_lossy(&script))
}
