//! Ctrl-C while a wide layer is compiled: whatever step is at hand, the program ends at once and
//! leaves nothing.
#![cfg(unix)]

use rustix::process::{Pid, Signal, kill_process};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const NET: &str = r#"
name = "wide"
input = { shape = [4000], bits = 8, frac = 8 }
layers = [{ dense = { units = 10, r = 64 } }]
"#;

#[test]
fn ctrl_c_ends_a_compile_at_once_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
        command.current_dir(path).env("STRASSENC_HOME", path.join("home")).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    std::fs::write(path.join("net.toml"), NET).unwrap();
    assert!(
        command(&["random", "net.toml", "-o", "run", "--samples", "4"]).status().unwrap().success()
    );

    // Sharing, then whatever comes after it.
    for (effort, wait) in [("3", 700), ("1", 700), ("0", 300), ("0", 2000)] {
        let mut child =
            command(&["verilog", "run", "-o", "core", "--effort", effort]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let asked = Instant::now();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let status = child.wait().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(5), "effort {effort}: {:?}", asked.elapsed());
        if status.code() != Some(0) {
            assert_eq!(status.code(), Some(130), "effort {effort}");
            assert!(!path.join("core").exists(), "effort {effort}");
        }
        let _ = std::fs::remove_dir_all(path.join("core"));
    }
}
