//! Ends a stack when the tests' own process ends, however that happens.
//!
//! A stack that several tests share lives in a `static`, which is never dropped. So a small shell
//! process waits for the end of a pipe that only this process holds, and then does what dropping
//! would have done.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

/// Ends `$1`, gives it ten seconds, and removes `$2`.
const SCRIPT: &str = r#"
trap '' INT
cat > /dev/null
kill -TERM "$1"
tries=0
while kill -0 "$1" && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -KILL "$1"
rm -rf "$2"
"#;

/// Watches over one process and its folder until it is dropped.
pub(crate) struct Watchdog(Child);

impl Watchdog {
    pub(crate) fn over(pid: u32, folder: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(pid.to_string()).arg(folder);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().expect("there is a shell to watch over the stack"))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Killed before its pipe ends, or it would take this for the end of the tests.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
