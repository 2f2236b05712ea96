//! Running an external program: its output captured, its end awaited, killed when the user interrupts.

use super::Tools;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strassenc_runtime::{Error, Kind, Result};

/// A program that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Wall-clock time it took.
    pub elapsed: Duration,
}

impl Finished {
    /// The lines that say most: those with "error", else the last ones; standard error before standard output.
    pub fn complaint(&self) -> String {
        let text = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
        let errors: Vec<&str> = lines.iter().copied().filter(|l| l.to_lowercase().contains("error")).take(4).collect();
        let chosen = if errors.is_empty() { lines[lines.len().saturating_sub(4)..].to_vec() } else { errors };
        let text = chosen.join("\n");
        if text.is_empty() { format!("it ended with {} and said nothing", self.status) } else { text }
    }
}

impl Tools {
    /// Runs `command` to its end, whatever its exit status.
    ///
    /// # Errors
    /// Where it cannot be started, or the user interrupts: then it is killed.
    pub fn run(&self, command: &mut Command) -> Result<Finished> {
        let name = command.get_program().to_string_lossy().into_owned();
        self.check_interrupted()?;
        let start = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Error::tool(&name, format_args!("cannot be started: {e}")))?;
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let status = self.wait(&mut child, &name)?;
        let text =
            |reader: JoinHandle<Vec<u8>>| String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned();
        Ok(Finished { status, stdout: text(stdout), stderr: text(stderr), elapsed: start.elapsed() })
    }

    /// Runs `command`, which must succeed.
    ///
    /// # Errors
    /// As [`run`](Self::run), and where it ends with another status than 0: then with what it said.
    pub fn run_ok(&self, command: &mut Command) -> Result<Finished> {
        let finished = self.run(command)?;
        if finished.status.success() {
            return Ok(finished);
        }
        // A child that the terminal's Ctrl-C reached first must not be reported as a failure.
        self.check_interrupted()?;
        let name = std::path::Path::new(command.get_program());
        let name = name.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
        Err(Error::tool(name, format_args!("failed: {}", finished.complaint())))
    }

    fn wait(&self, child: &mut Child, name: &str) -> Result<ExitStatus> {
        let fail = |e: std::io::Error| Error::tool(name, format_args!("cannot be awaited: {e}"));
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = child.try_wait().map_err(fail)? {
                return Ok(status);
            }
            if let Err(interrupted) = self.check_interrupted() {
                debug_assert_eq!(interrupted.kind(), Kind::Interrupted);
                let _ = child.kill();
                let _ = child.wait();
                return Err(interrupted);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// Reads a pipe to its end on a thread of its own, so that the child never waits for a reader.
fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn output_larger_than_a_pipe_arrives_whole() {
        let tools = Tools::new("/nonexistent");
        let finished = tools.run_ok(Command::new("head").args(["-c", "300000", "/dev/zero"])).unwrap();
        assert_eq!(finished.stdout.len(), 300_000);
    }

    #[test]
    fn a_failure_tells_what_the_program_said() {
        let tools = Tools::new("/nonexistent");
        let error =
            tools.run_ok(Command::new("sh").args(["-c", "echo fine; echo error: bad >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "error[tool]: sh: failed: error: bad");
        let error = tools.run_ok(&mut Command::new("/nonexistent/tool")).unwrap_err();
        assert!(error.cause().starts_with("cannot be started"), "{error}");
    }

    #[test]
    fn an_interrupt_ends_a_running_program() {
        static FLAG: AtomicBool = AtomicBool::new(false);
        let tools = Tools::new("/nonexistent").interrupted_by(&FLAG);
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            FLAG.store(true, Ordering::SeqCst);
        });
        let error = tools.run(Command::new("sleep").arg("600")).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
    }
}
