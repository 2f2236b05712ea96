//! The command `strassenc completions`.

use super::{Cli, output};
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use std::collections::BTreeSet;
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
    let lists = lists(&program);
    match args.shell {
        Shell::Bash => output::write(of_bash(&script, &lists)),
        Shell::Zsh => output::write(lists.iter().fold(script.into_owned(), of_zsh)),
        Shell::Fish => output::write(lists.iter().fold(script.into_owned(), of_fish)),
        _ => output::write(script),
    }
}

/// The options that take several of their words, with commas between them.
fn lists(program: &Command) -> Vec<String> {
    let all = program.get_subcommands().flat_map(Command::get_arguments);
    let lists = all.filter(|option| {
        option.get_value_delimiter().is_some() && !option.get_possible_values().is_empty()
    });
    let names = lists.filter_map(|option| option.get_long().map(String::from));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The script for zsh, where the words of a list may follow one another.
fn of_zsh(script: String, list: &String) -> String {
    let option = format!("'*--{list}=[");
    let mut parts = script.split(&option);
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let words = part.split_once(":((").and_then(|(before, rest)| {
            let (words, behind) = rest.split_once("))'")?;
            let words: Vec<&str> =
                words.lines().filter_map(|word| word.split("\\:").next()).collect();
            Some(format!("{before}:_sequence compadd - {}'{behind}", words.join(" ")))
        });
        text += &option;
        text += words.as_deref().unwrap_or(part);
    }
    text
}

/// The script for fish, likewise.
fn of_fish(script: String, list: &String) -> String {
    let option = format!(" -l {list} ");
    let mut parts = script.split(&option);
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let words = part.split_once(" -a \"").and_then(|(before, rest)| {
            let (words, behind) = rest.split_once("\"\n")?;
            let words = words.replace('\n', " ");
            Some(format!("{before} -a \"(__fish_append , {words})\"\n{behind}"))
        });
        text += &option;
        text += words.as_deref().unwrap_or(part);
    }
    text
}

/// The script for bash, which completes what stands behind the last comma of a list, too.
fn of_bash(script: &str, lists: &[String]) -> String {
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
        lists.iter().map(|list| format!("--{list}")).collect::<Vec<_>>().join("|")
    );
    let registered = registered.replace(NAME, "complete -F _strassenc_lists ");
    format!("{functions}{of_lists}{registered}")
}
