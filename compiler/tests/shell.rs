//! What makes the program at home in a shell: completions, manual pages, how much it tells, colours
//! and the configuration file.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The program in a folder, whose `home` it takes for its own, without what the user's environment
/// says of tools and colours.
fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).args(arguments.split(' '));
    command.env("STRASSENC_HOME", folder.join("home"));
    for name in ["CXX", "STRASSENC_TOOL_LIMIT", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

/// The names of all commands, as the program lists them.
fn commands(folder: &Path) -> Vec<String> {
    let [help, _] = told(&mut command(folder, "--help"), 0);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let names = listed.lines().take_while(|line| line.starts_with("  "));
    let names = names.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<String> =
        names.filter(|name| !["", "help"].contains(name)).map(String::from).collect();
    assert!(names.iter().any(|name| name == "verilog"), "{help}");
    names
}

/// Standard output and standard error of what ends with `status`.
fn told(command: &mut Command, status: i32) -> [String; 2] {
    let Output { status: ended, stdout, stderr } = command.output().unwrap();
    let told = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(ended.code(), Some(status), "{command:?}: {}", told[1]);
    told
}

/// A folder with a small description.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let net = "name = \"little\"\ninput = { shape = [8, 8], bits = 5, frac = 4 }\nlayers = \
               [{ dense = { units = 10, r = 16 } }]\n";
    fs::write(folder.path().join("net.toml"), net).unwrap();
    folder
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = folder();
    let [script, _] = told(&mut command(folder.path(), "completions bash"), 0);
    fs::write(folder.path().join("strassenc.bash"), script).unwrap();
    // What bash offers for the last of the words.
    let offered = |words: &str| {
        let ask = "source ./strassenc.bash; COMP_WORDS=($0); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); \
                   _strassenc_lists strassenc \"${COMP_WORDS[COMP_CWORD]}\" \
                   \"${COMP_WORDS[COMP_CWORD - 1]}\"; echo \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        let [offered, _] = told(bash.current_dir(folder.path()).args(["-c", ask, words]), 0);
        offered.trim().to_string()
    };
    assert_eq!(offered("strassenc ver"), "verilog");
    assert_eq!(offered("strassenc verilog --target"), "--target-fps");
    assert_eq!(offered("strassenc simulate --qui"), "--quiet");
    assert_eq!(offered("strassenc verilog --multipliers shift"), "shift-add");
    assert_eq!(offered("strassenc verilog --project vivado,li"), "vivado,litex");
    assert!(offered("strassenc verilog --project vivado,").starts_with("vivado,fusesoc vivado,"));
}

#[test]
fn every_shell_is_told_of_every_command() {
    let folder = folder();
    for (shell, list) in [
        ("bash", "--project)"),
        ("zsh", "_sequence compadd - fusesoc vivado quartus "),
        ("fish", "(__fish_append , fusesoc\\t'"),
    ] {
        let [script, _] = told(&mut command(folder.path(), &format!("completions {shell}")), 0);
        // Values of an option that takes several of them.
        assert!(script.contains(list), "{shell}");
        for name in commands(folder.path()) {
            assert!(script.contains(&name), "{shell}: {name}");
        }
        // Its own parser takes it, where the shell is there.
        let path = folder.path().join(shell);
        fs::write(&path, script).unwrap();
        match Command::new(shell).arg("-n").arg(&path).output() {
            Ok(parsed) => assert!(parsed.status.success(), "{shell}: {parsed:?}"),
            Err(_) => eprintln!("skipped: {shell} is not installed"),
        }
    }
}

#[test]
fn the_guide_lists_every_command_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = page.join("../docs/guide/src/reference/commands.md");
    let page = fs::read_to_string(page).unwrap();
    let (table, _) = page.split_once("\n## ").unwrap();
    let named = |row: &str| row.strip_prefix("| `")?.split([' ', '`']).next().map(String::from);
    let mut listed: Vec<String> = table.lines().filter_map(named).collect();
    let mut all = commands(folder().path());
    listed.sort();
    // A command may have a row for each of its uses.
    listed.dedup();
    all.sort();
    assert_eq!(listed, all);
}

#[test]
fn every_command_has_a_manual_page_with_its_options_and_examples() {
    let folder = folder();
    let write = "man -o pages";
    told(&mut command(folder.path(), write), 0);
    let mut names: Vec<String> =
        commands(folder.path()).iter().map(|name| format!("strassenc-{name}")).collect();
    names.push("strassenc".into());
    for name in &names {
        let path = folder.path().join("pages").join(format!("{name}.1"));
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.contains(&format!("{} \\- ", name.replace('-', "\\-"))), "{page}");
        assert!(page.contains("\\-\\-quiet"), "{page}");
        assert_eq!(page.contains(".SH EXAMPLES"), name != "strassenc", "{page}");
        match Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(&path).output() {
            Ok(lint) => assert!(lint.status.success(), "{name}: {lint:?}"),
            Err(_) => eprintln!("skipped: mandoc is not installed"),
        }
    }
    assert_eq!(fs::read_dir(folder.path().join("pages")).unwrap().count(), names.len());
    let [page, _] = told(&mut command(folder.path(), "man verilog"), 0);
    let written = fs::read_to_string(folder.path().join("pages/strassenc-verilog.1")).unwrap();
    assert_eq!(page, written);
    // An example is a line of its own, as --help shows it.
    assert!(page.lines().any(|line| line.starts_with("strassenc verilog runs/digits  ")), "{page}");

    let [_, error] = told(&mut command(folder.path(), write), 3);
    assert!(error.contains("strassenc.1: exists, so it is left alone"), "{error}");
    told(&mut command(folder.path(), "man -o pages --overwrite"), 0);
    let [_, error] = told(&mut command(folder.path(), "man verilogg"), 2);
    assert!(error.contains("did you mean `verilog`?"), "{error}");
}

#[test]
fn quiet_tells_nothing_but_errors_and_verbose_what_is_done() {
    let folder = folder();
    let verilog = |volume: &str, name: &str| {
        let arguments =
            format!("{volume}train net.toml --data digits --epochs 1,1,1 -o {name}-run");
        let [_, trained] = told(&mut command(folder.path(), &arguments), 0);
        let arguments = format!("verilog {name}-run -o {name}-core --json {volume}");
        let [out, compiled] = told(&mut command(folder.path(), arguments.trim()), 0);
        // Times differ from run to run, and the folders do.
        let out = out.lines().filter(|line| !line.contains("second") && !line.contains(name));
        (out.collect::<Vec<_>>().join("\n"), trained + &compiled)
    };
    let (plain, notes) = verilog("", "plain");
    let (quiet, nothing) = verilog("--quiet ", "quiet");
    let (verbose, steps) = verilog("--verbose ", "verbose");
    assert_eq!([&quiet, &verbose], [&plain, &plain]);
    assert_eq!(nothing, "");
    assert!(notes.contains("ternary   1  training"), "{notes}");
    assert!(!notes.contains("dense_0: share"), "{notes}");
    assert!(steps.contains("dense_0: share"), "{steps}");

    let [_, error] = told(&mut command(folder.path(), "verilog nowhere -o core -q"), 3);
    assert!(error.starts_with("error[io]: nowhere"), "{error}");
    let [_, programs] = told(&mut command(folder.path(), "doctor --verbose"), 4);
    assert!(programs.contains(" --version\n"), "{programs}");
    for arguments in ["-q doctor -v", "doctor -q -v", "-qv doctor"] {
        let [_, error] = told(&mut command(folder.path(), arguments), 2);
        assert!(error.contains("--quiet: cannot be used with --verbose"), "{error}");
    }
}

/// Each with its place, its cause and a way out; and nothing is written.
#[test]
fn what_cannot_be_done_is_told_with_a_way_out() {
    let folder = folder();
    fs::write(folder.path().join("bad.toml"), "layers = [\n").unwrap();
    let cases = [
        (
            "report nothing --graph core.svg",
            2,
            "error[input]: nothing: there is neither a build nor a network description of this \
             name\n  help: name a folder of",
        ),
        ("report resnet21 --svg net.svg", 2, "help: did you mean `resnet20`?"),
        (
            "report net.toml --html same --svg ./same",
            2,
            "error[input]: ./same: is given for --html and for --svg\n  help: name a file for each",
        ),
        ("report net.toml --svg -", 2, "for a file of this name write ./-, for standard output"),
        ("matrix W.npy -o -", 2, "it is a folder that is written: for one of this name write ./-"),
        (
            "report net.toml --svg /dev/full",
            3,
            "error[io]: /dev/full: cannot be written: No space left on device\n  help: make room",
        ),
        (
            "report net.toml --svg net.toml/net.svg",
            3,
            "net.toml/net.svg: cannot be written: a part of its path is a file\n  help: name another",
        ),
        ("matrix .", 3, "error[io]: .: is a folder, where a file is expected\n  help: name a file"),
        (
            "report bad.toml",
            2,
            "error[input]: bad.toml:1: unclosed array, expected `]`\n  help: https://toml.io says",
        ),
        ("matrix W.npy --project vivado", 2, "help: name a folder for it with -o"),
    ];
    let before = fs::read_dir(folder.path()).unwrap().count();
    for (arguments, status, due) in cases {
        let [_, error] = told(&mut command(folder.path(), arguments), status);
        assert!(error.contains(due) && !error.contains("os error"), "{arguments}: {error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before);
}

#[test]
fn colours_are_for_terminals_and_for_who_asks_for_them() {
    let folder = folder();
    let painted = |variables: &[(&str, &str)]| {
        let mut report = command(folder.path(), "report net.toml");
        let [out, _] = told(report.envs(variables.iter().copied()), 0);
        let mut wrong = command(folder.path(), "report nowhere.toml");
        let [_, error] = told(wrong.envs(variables.iter().copied()), 3);
        (out, error)
    };
    let (plain, error) = painted(&[]);
    assert!(!(plain.clone() + &error).contains('\u{1b}'), "{plain}{error}");
    let (colours, red) = painted(&[("CLICOLOR_FORCE", "1")]);
    assert!(colours.contains("\u{1b}[1m"), "{colours}");
    assert!(red.starts_with("\u{1b}[1m\u{1b}[31merror[io]:\u{1b}[0m "), "{red:?}");
    assert_eq!(painted(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), (plain, error));
}

#[test]
fn the_configuration_file_names_tools_and_doctor_says_so() {
    let folder = folder();
    let home = folder.path().join("home");
    let config = home.join("config.toml");
    let doctor = || -> serde_json::Value {
        let [out, _] = told(&mut command(folder.path(), "doctor --json"), 4);
        serde_json::from_str(&out).unwrap()
    };
    let of = |report: &serde_json::Value, name: &str| {
        let list = report["components"].as_array().unwrap().clone();
        list.into_iter().find(|component| component["name"] == name).unwrap()
    };
    let report = doctor();
    assert!(report["config"].is_null(), "{report}");
    assert_eq!(of(&report, "c++")["from"], "search path");

    // A program of the user's own, under any name.
    let compiler = folder.path().join("my-compiler");
    std::os::unix::fs::symlink(of(&report, "c++")["found"]["path"].as_str().unwrap(), &compiler)
        .unwrap();
    fs::create_dir(&home).unwrap();
    let text = format!(
        "tool_limit = 600\n[tools]\ncxx = \"{}\"\nverilator = \"/nowhere/verilator\"\n",
        compiler.display()
    );
    fs::write(&config, text).unwrap();
    let report = doctor();
    assert_eq!(report["config"], config.to_str().unwrap());
    let found = of(&report, "c++");
    assert_eq!(found["found"]["path"], compiler.to_str().unwrap());
    assert_eq!(found["from"], format!("{}:3", config.display()));
    // What is named is taken or refused, never silently replaced.
    let refused = of(&report, "verilator");
    assert!(refused["found"].is_null(), "{refused}");
    assert_eq!(refused["missing"], "verilator: /nowhere/verilator was not found");
    let way = format!("correct {}:4, or delete the line", config.display());
    assert!(refused["get"].as_str().unwrap().starts_with(&way), "{refused}");
    let [table, _] = told(&mut command(folder.path(), "doctor"), 4);
    assert!(table.contains(&format!("({}:3)", config.display())), "{table}");
    let [_, error] = told(&mut command(folder.path(), "demo"), 4);
    assert!(
        error.contains("config.toml:4: verilator: /nowhere/verilator was not found"),
        "{error}"
    );
    // The environment stands above the file.
    let mut with_variable = command(folder.path(), "doctor --json");
    let [out, _] = told(with_variable.env("CXX", "c++"), 4);
    assert_eq!(of(&serde_json::from_str(&out).unwrap(), "c++")["from"], "CXX");

    fs::write(&config, "[tools]\nverilater = \"/opt/v\"\n").unwrap();
    for arguments in ["doctor", "demo"] {
        let [_, error] = told(&mut command(folder.path(), arguments), 2);
        let expected = format!(
            "error[input]: {}:2: unknown key `verilater`\n  help: did you mean `verilator`?\n",
            config.display()
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn a_file_on_standard_output_is_alone_there() {
    let folder = folder();
    let [page, table] = told(&mut command(folder.path(), "report net.toml --html /dev/stdout"), 0);
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"), "{page}");
    assert!(table.contains("little"), "{table}");
    told(&mut command(folder.path(), "report net.toml --html page.html"), 0);
    assert_eq!(fs::read_to_string(folder.path().join("page.html")).unwrap(), page);

    let [picture, json] =
        told(&mut command(folder.path(), "report net.toml --svg /dev/stdout --json"), 0);
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"), "{picture}");
    assert!(json.starts_with('{'), "{json}");
    let [_, both] = told(
        &mut command(folder.path(), "report net.toml --svg /dev/stdout --html /dev/stdout"),
        2,
    );
    assert!(both.contains("is given for --html and for --svg"), "{both}");

    let [_, advice] = told(&mut command(folder.path(), "random net.toml -o -"), 2);
    assert!(advice.contains("it is a folder that is written"), "{advice}");
    told(&mut command(folder.path(), "random net.toml -o run"), 0);
    let [_, advice] = told(&mut command(folder.path(), "export run -o -"), 2);
    assert!(advice.contains("for standard output /dev/stdout"), "{advice}");
    let [printed, _] = told(&mut command(folder.path(), "verilog run -o=-x --effort 0"), 0);
    assert!(printed.contains("to run a bench: sh ./-x/little_tb.sh icarus"), "{printed}");
}
