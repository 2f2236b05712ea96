//! Running an external program: its output captured, its end awaited, and no longer than its limit.
//!
//! A program and all that it starts are a process group of their own. At the limit, by the wall
//! clock, and where the user interrupts, the group is asked to end, and killed where it does not.

use super::Tools;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strassenc_runtime::{Error, Result};

/// How long any program may run, unless [`Tools::with_limit`] says otherwise.
pub(super) const LIMIT: Duration = Duration::from_secs(3600);
/// What a group has to end after it was asked to, and its pipes to close after it has ended.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// The variable of a command that names the tool which an interpreter runs in it.
pub(super) const TOOL: &str = "STRASSENC_TOOL";
/// The longest pause between two looks at a program.
const PAUSE: Duration = Duration::from_millis(50);

/// The groups that are running, by the number of their leader.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A program that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The status that the program ended with.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Wall-clock time it took.
    pub elapsed: Duration,
}

impl Finished {
    /// The lines that say most: those with "error", else the last ones; standard error before
    /// standard output.
    pub fn complaint(&self) -> String {
        complaint(if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr })
            .unwrap_or_else(|| format!("it ended with {} and said nothing", self.status))
    }
}

/// Of what a program said the lines that say most; none where it said nothing.
pub(super) fn complaint(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    let errors: Vec<&str> =
        lines.iter().copied().filter(|l| l.to_lowercase().contains("error")).take(4).collect();
    let chosen =
        if errors.is_empty() { lines[lines.len().saturating_sub(4)..].to_vec() } else { errors };
    (!chosen.is_empty()).then(|| chosen.join("\n"))
}

impl Tools {
    /// Runs `command` to its end, whatever its exit status.
    ///
    /// # Errors
    /// Where it cannot be started, runs for longer than the limit, or the user interrupts: then it
    /// is killed with all that it started.
    pub fn run(&self, command: &mut Command) -> Result<Finished> {
        self.run_within(command, self.limit)?.ok_or_else(|| {
            let seconds = self.limit.as_secs_f64();
            Error::tool(name(command), format_args!("was ended: not done within {seconds} s")).help(
                "give it more time: set STRASSENC_TOOL_LIMIT to the seconds that a tool may take",
            )
        })
    }

    /// Runs as [`run`](Self::run) does, with a limit of its own where that is shorter; none where
    /// it was reached.
    ///
    /// # Errors
    /// Where it cannot be started, or the user interrupts: then it is killed with all that it
    /// started.
    pub fn run_within(&self, command: &mut Command, limit: Duration) -> Result<Option<Finished>> {
        self.check_interrupted()?;
        let limit = limit.min(self.limit);
        let start = Instant::now();
        (self.told.0)(&shown(command));
        let mut group = Group::start(command.stdin(Stdio::null()))?;
        let [stdout, stderr] =
            [Pipe::new(group.leader.stdout.take()), Pipe::new(group.leader.stderr.take())];
        let mut pause = Duration::from_millis(1);
        while !group.has_ended() {
            let interrupted = self.check_interrupted();
            let left = limit.saturating_sub(start.elapsed());
            if interrupted.is_err() || left.is_zero() {
                group.end();
                return interrupted.map(|()| None);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(PAUSE);
        }
        // What the program has left running must not keep us waiting for the end of a pipe.
        let closed = || [&stdout, &stderr].iter().all(|pipe| pipe.is_closed());
        if !within(GRACE, closed) {
            group.signal(Signal::KILL);
            within(GRACE, closed);
        }
        let status = group.reap()?;
        let [stdout, stderr] = [stdout, stderr].map(|pipe| pipe.text());
        let seconds = start.elapsed().as_secs_f64();
        (self.told.0)(&format_args!("  {}: {status}, {seconds:.1} s", name(command)));
        Ok(Some(Finished { status, stdout, stderr, elapsed: start.elapsed() }))
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
        Err(Error::tool(name(command), format_args!("failed: {}", finished.complaint())))
    }
}

/// Kills every program that is running, with all that they have started: the process is about to
/// end.
pub fn kill_all() {
    for number in running().iter() {
        let _ = Pid::from_raw(*number).map(|group| kill_process_group(group, Signal::KILL));
    }
}

fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a command runs: what [`TOOL`] says, else the program, without its folder.
fn name(command: &Command) -> String {
    let told = command.get_envs().find_map(|(key, value)| value.filter(|_| key == TOOL));
    let program = std::path::Path::new(told.unwrap_or(command.get_program()));
    program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()
}

/// A command as a shell would take it, for people: with its folder, without its environment.
pub(super) fn shown(command: &Command) -> String {
    let quoted = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:,@%".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let words = [command.get_program()].into_iter().chain(command.get_args()).map(quoted);
    let words = words.collect::<Vec<_>>().join(" ");
    match command.get_current_dir() {
        Some(folder) => format!("$ cd {} && {words}", quoted(folder.as_os_str())),
        None => format!("$ {words}"),
    }
}

/// Waits for `done`, for so long; whether it came.
pub(super) fn within(limit: Duration, done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// A program and all that it starts. The leader is reaped last, so that its number cannot mean
/// another group.
pub(super) struct Group {
    pub leader: Child,
    pub name: String,
}

impl Group {
    /// Starts a command, whose standard input is set.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = name(command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // Locked meanwhile, so that `kill_all` cannot miss one.
        let mut running = running();
        match command.spawn() {
            Ok(leader) => {
                running.insert(leader.id().cast_signed());
                Ok(Group { leader, name })
            }
            Err(e) => Err(Error::tool(
                command.get_program().display(),
                format_args!("cannot be started: {e}"),
            )),
        }
    }

    fn number(&self) -> Pid {
        Pid::from_child(&self.leader)
    }

    /// Whether the leader has ended; it stays to be reaped.
    pub fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // One that cannot be looked at has ended: `reap` says what is wrong.
        waitid(WaitId::Pid(self.number()), look).map_or(true, |status| status.is_some())
    }

    fn signal(&self, signal: Signal) {
        // Only a group that is gone already cannot be told.
        let _ = kill_process_group(self.number(), signal);
    }

    /// Asks the group to end, kills what is left of it soon after, and reaps the leader, where
    /// that has not been done.
    pub fn end(&mut self) {
        if !running().contains(&self.leader.id().cast_signed()) {
            return;
        }
        self.signal(Signal::TERM);
        within(GRACE, || self.has_ended());
        self.signal(Signal::KILL);
        let _ = self.reap();
    }

    fn reap(&mut self) -> Result<ExitStatus> {
        running().remove(&self.leader.id().cast_signed());
        self.leader
            .wait()
            .map_err(|e| Error::tool(&self.name, format_args!("cannot be awaited: {e}")))
    }
}

/// A pipe that is read by a thread of its own, so that the program never waits for a reader, nor we
/// for its end.
pub(super) struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Pipe {
    pub fn new(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = bytes.clone();
        let reader = std::thread::spawn(move || {
            let Some(mut pipe) = pipe else { return };
            let mut part = vec![0; 1 << 16];
            while let Ok(n @ 1..) = pipe.read(&mut part) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&part[..n]);
            }
        });
        Pipe { bytes, reader }
    }

    /// Whether nothing more comes.
    pub fn is_closed(&self) -> bool {
        self.reader.is_finished()
    }

    /// What has come so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use strassenc_runtime::Kind;

    #[test]
    fn output_larger_than_a_pipe_arrives_whole() {
        let tools = Tools::new("/nonexistent");
        let finished =
            tools.run_ok(Command::new("head").args(["-c", "300000", "/dev/zero"])).unwrap();
        assert_eq!(finished.stdout.len(), 300_000);
    }

    #[test]
    fn a_failure_tells_what_the_program_said() {
        let tools = Tools::new("/nonexistent");
        let error = tools
            .run_ok(Command::new("sh").args(["-c", "echo fine; echo error: bad >&2; exit 3"]))
            .unwrap_err();
        assert_eq!(error.to_string(), "error[tool]: sh: failed: error: bad");
        let mut of_interpreter = Command::new("sh");
        of_interpreter.env(TOOL, "yosys").args(["-c", "exit 1"]);
        let error = tools.run_ok(&mut of_interpreter).unwrap_err();
        assert!(error.to_string().starts_with("error[tool]: yosys: failed"), "{error}");
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
        let start = Instant::now();
        let error = tools.run(&mut stubborn("600")).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }

    /// A program that, like its child, does not end when it is asked to.
    fn stubborn(seconds: &str) -> Command {
        let mut command = Command::new("sh");
        let script = r#"trap "" TERM; sleep $0 & echo $!; wait; sleep $0"#;
        command.args(["-c", script, seconds]);
        command
    }

    /// Whether a process of this number is there, and not only to be reaped.
    fn lives(number: &str) -> bool {
        let status =
            std::fs::read_to_string(format!("/proc/{}/stat", number.trim())).unwrap_or_default();
        status.rsplit(')').next().is_some_and(|s| !s.is_empty() && !s.starts_with(" Z"))
    }

    #[test]
    fn the_limit_ends_a_program_that_does_not_listen_and_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::new("/nonexistent");
        let start = Instant::now();
        let mut command = Command::new("sh");
        let script = r#"trap "" TERM; sleep 600 & echo $! > child; sleep 600"#;
        command.args(["-c", script]).current_dir(folder.path());
        assert!(tools.run_within(&mut command, Duration::from_millis(700)).unwrap().is_none());
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        let child = std::fs::read_to_string(folder.path().join("child")).unwrap();
        assert!(within(Duration::from_secs(5), || !lives(&child)), "child {child} lives on");
    }

    #[test]
    fn a_tool_beyond_its_limit_is_an_error_that_says_so() {
        let tools = Tools::new("/nonexistent").with_limit(Duration::from_millis(300));
        let error = tools.run_ok(&mut stubborn("600")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "error[tool]: sh: was ended: not done within 0.3 s\n  \
             help: give it more time: set STRASSENC_TOOL_LIMIT to the seconds that a tool may take"
        );
    }

    #[test]
    fn a_pipe_that_is_held_open_does_not_outlive_its_program() {
        let tools = Tools::new("/nonexistent");
        let start = Instant::now();
        // In the group, and out of it, where no signal of ours arrives.
        for script in ["echo here; sleep 30 &", "echo here; setsid sleep 30 &"] {
            let finished = tools.run_ok(Command::new("sh").args(["-c", script])).unwrap();
            assert_eq!(finished.stdout, "here\n", "{script}");
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    }
}
