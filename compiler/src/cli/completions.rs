//! The command `strassenc completions`.

use super::{Cli, output};
use clap::{Command, CommandFactory};
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
    let mut program = Cli::command();
    generate(args.shell, &mut program, "strassenc", &mut script);
    let script = String::from_utf8_lossy(&script);
    match args.shell {
        Shell::Bash => output::write(with_lists(&script, &lists(&program))),
        _ => output::write(script),
    }
}

/// The options that take several of their words, with commas between them.
fn lists(program: &Command) -> Vec<String> {
    let all = program.get_subcommands().flat_map(Command::get_arguments);
    let lists = all.filter(|option| {
        option.get_value_delimiter().is_some() && !option.get_possible_values().is_empty()
    });
    lists.filter_map(|option| Some(format!("--{}", option.get_long()?))).collect()
}

/// The script for bash, which completes what stands behind the last comma of a list, too.
fn with_lists(script: &str, lists: &[String]) -> String {
    const NAME: &str = "complete -F _strassenc ";
    let (functions, registered) = script.split_at(script.rfind("\nif [[").unwrap_or(script.len()));
    let of_lists = format!(
        "
_strassenc_lists() {{
    local head=\"\"
    case \"$3\" in
        {})
            case \"$2\" in *,*) head=\"${{2%,*}},\" ;; esac
            ;;
    esac
    COMP_WORDS[COMP_CWORD]=\"${{2#\"$head\"}}\"
    _strassenc \"$1\" \"${{2#\"$head\"}}\" \"$3\"
    COMPREPLY=(\"${{COMPREPLY[@]/#/$head}}\")
}}
",
        lists.join("|")
    );
    let registered = registered.replace(NAME, "complete -F _strassenc_lists ");
    format!("{functions}{of_lists}{registered}")
}
