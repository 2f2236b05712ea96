//! A program that is asked again and again.

use super::Tools;
use super::process::{GRACE, Group, Pipe, complaint, shown, within};
use std::io::{self, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use strassenc_runtime::{Error, Result};

/// A program that answers each frame on its standard input by one on its standard output. A frame
/// is a length of eight bytes, the lowest first, and so many bytes. It ends with this.
pub struct Dialogue {
    group: Group,
    input: ChildStdin,
    output: ChildStdout,
    errors: Pipe,
}

impl Tools {
    /// Starts a program to be asked.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn converse(&self, command: &mut Command) -> Result<Dialogue> {
        self.check_interrupted()?;
        (self.told.0)(&shown(command));
        let mut group = Group::start(command.stdin(Stdio::piped()))?;
        let errors = Pipe::new(group.leader.stderr.take());
        let (input, output) = (group.leader.stdin.take(), group.leader.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(Error::internal(&group.name, "has no pipes"));
        };
        Ok(Dialogue { group, input, output, errors })
    }
}

impl Dialogue {
    /// What the program answers.
    ///
    /// # Errors
    /// Where it has ended: with what it said.
    pub fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>> {
        self.exchange(question).map_err(|_| {
            // It has closed a pipe, and is about to end; it may have something to say.
            within(GRACE, || self.group.has_ended());
            self.group.end();
            within(GRACE, || self.errors.is_closed());
            let said = complaint(&self.errors.text());
            let said = said.map_or("has ended".into(), |said| format!("failed: {said}"));
            Error::tool(&self.group.name, said)
        })
    }

    fn exchange(&mut self, question: &[u8]) -> io::Result<Vec<u8>> {
        self.input.write_all(&(question.len() as u64).to_le_bytes())?;
        self.input.write_all(question)?;
        self.input.flush()?;
        let mut length = [0; 8];
        self.output.read_exact(&mut length)?;
        let (length, mut answer) = (u64::from_le_bytes(length), vec![]);
        let read = self.output.by_ref().take(length).read_to_end(&mut answer)?;
        if read as u64 == length { Ok(answer) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.group.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_any_length_are_answered() {
        let mut echo = Tools::new("/nonexistent").converse(&mut Command::new("cat")).unwrap();
        for length in [0, 1, 8, 40_000] {
            let question = vec![length as u8; length];
            assert_eq!(echo.ask(&question).unwrap(), question);
        }
    }

    #[test]
    fn a_program_that_ends_is_an_error_with_what_it_said() {
        let tools = Tools::new("/nonexistent");
        for (script, told) in [
            ("read -r _; echo error: bad >&2; exit 3", "error[tool]: sh: failed: error: bad"),
            ("exit 0", "error[tool]: sh: has ended"),
            // Half an answer is none.
            ("head -c 9 >&1; printf 1234", "error[tool]: sh: has ended"),
        ] {
            let mut program = tools.converse(Command::new("sh").args(["-c", script])).unwrap();
            for _ in 0..2 {
                assert_eq!(program.ask(&[b'\n'; 9]).unwrap_err().to_string(), told, "{script}");
            }
        }
    }
}
