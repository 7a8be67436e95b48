//! Running the binary.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Long enough for a loaded machine.
const PLENTY: Duration = Duration::from_mins(1);

/// The binary with these arguments, run in `directory`.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthaste"));
    command
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .env_remove("POSTHASTE_OPERATOR_KEY");
    command
}

/// What a run that fails at once says: its exit code and stderr.
pub(crate) fn failure(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// A running `posthaste --aws-only`, killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) ready: Value,
}

impl Running {
    /// Starts it with a template of one table and one queue, and waits until it is ready.
    pub(crate) fn aws_only(directory: &Path) -> Self {
        std::fs::write(directory.join("template.yaml"), super::aws_only::TEMPLATE).unwrap();
        let ready_file = directory.join("ready.json");
        let arguments = ["--aws-only", "--aws-listen", "127.0.0.1:0", "--ready-file", "ready.json"];
        let mut child = command(directory, &arguments).stdout(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        loop {
            // The file of an earlier, killed run may still be there.
            let ready = std::fs::read_to_string(&ready_file)
                .ok()
                .and_then(|text| serde_json::from_str::<Value>(&text).ok());
            if let Some(ready) = ready.filter(|ready| ready["pid"] == child.id()) {
                return Self { child, ready };
            }
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            assert!(started.elapsed() < PLENTY, "it isn't ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal and waits for the end; returns the exit code, if it wasn't killed.
    pub(crate) fn end(mut self, signal: Signal) -> Option<i32> {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
