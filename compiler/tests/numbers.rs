//! Numbers that no option can mean are refused at once, with the option and what it takes.

use std::process::Command;

/// Commands, and values of their options that are out of range.
const REFUSED: [(&str, &str, &[&str]); 30] = [
    ("train digits", "--threads", &["0", "1025", "100000", "18446744073709551616"]),
    ("train digits", "--checkpoint-every", &["-1", "nan", "inf", "1e300"]),
    ("train digits", "--seed", &["-1", "9223372036854775808", "18446744073709551615"]),
    ("train digits", "--epochs", &["1,2,100001", "18446744073709551615,1,1"]),
    ("train digits", "--ratio", &["0", "-1", "nan", "inf", "1e300", "1/0", "1/", "one"]),
    ("train digits", "--adder-penalty", &["-1", "nan", "1e9", "1e300"]),
    ("sweep digits", "--adder-penalty", &["-1", "1e300"]),
    // Nothing of vectors takes them.
    ("train digits", "--p", &["2"]),
    ("train digits", "--groups", &["2"]),
    ("train lenet --data digits", "--p", &["0", "18446744073709551615"]),
    ("train lenet --data digits", "--groups", &["0", "18446744073709551615"]),
    ("sweep digits", "--ratio", &["0", "1/0", "nan"]),
    ("sweep digits", "--p", &["0", "4294967295"]),
    ("sweep digits", "--threads", &["100000"]),
    ("random digits", "--samples", &["0", "1000000000000", "18446744073709551615"]),
    ("random st-resnet18", "--samples", &["100000"]),
    ("random digits", "--density", &["0", "1.1", "nan", "inf"]),
    ("generate model", "--characters", &["18446744073709551615"]),
    ("generate model", "--temperature", &["-1", "nan", "inf"]),
    ("eval model", "--samples", &["0", "18446744073709551615"]),
    ("verilog model", "--time-limit", &["0", "-1", "nan", "inf", "1e300"]),
    ("verilog model", "--max-depth", &["49", "4294967295"]),
    ("verilog model", "--adders-per-stage", &["0", "4294967295"]),
    ("simulate build", "--random", &["0", "18446744073709551615"]),
    ("simulate build", "--threads", &["0", "1000000"]),
    ("check build", "--random", &["18446744073709551615"]),
    ("matrix w.npy", "--extra-depth", &["4294967295"]),
    ("discover 2x2x2", "--threads", &["0", "1000000"]),
    ("discover 2x2x2", "--time-limit", &["0", "-1", "nan", "inf", "1e300"]),
    ("discover 2x2x2", "--seeds", &["0", "18446744073709551615"]),
];

#[test]
fn no_number_fills_the_memory_or_panics() {
    let folder = tempfile::tempdir().unwrap();
    for (command, option, values) in REFUSED {
        for value in values {
            let output = Command::new(env!("CARGO_BIN_EXE_strassenc"))
                .current_dir(folder.path())
                .env("STRASSENC_HOME", folder.path().join("home"))
                .args(command.split(' '))
                .arg(format!("{option}={value}"))
                .output()
                .unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{command} {option} {value}: {error}");
            let names = error.contains(option) || error.contains(&option[2..].replace('-', "_"));
            assert!(names && error.starts_with("error"), "{command} {option} {value}: {error}");
            assert!(error.lines().all(|line| line.len() < 200), "hundreds of digits: {error}");
        }
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is written");
}
