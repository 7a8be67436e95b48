//! Which processes are there.

use std::process::Command;

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The processes that `parent` has started and that still run.
pub fn children_of(parent: u32) -> Vec<u32> {
    all()
        .into_iter()
        .filter(|process| process.parent == parent && !process.dead)
        .map(|process| process.id)
        .collect()
}

/// Those of them that run a program of this name.
pub fn children_named(parent: u32, name: &str) -> Vec<u32> {
    let mine =
        |process: &Process| process.parent == parent && !process.dead && process.name == name;
    all().into_iter().filter(mine).map(|process| process.id).collect()
}

/// A process's name and the most memory that it has held so far, in KiB. None where the system
/// doesn't tell.
pub fn peak_memory(id: u32) -> Option<(String, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    Some((field("Name")?.to_owned(), field("VmHWM")?.strip_suffix(" kB")?.parse().ok()?))
}

/// Whether a process runs. One that has ended but has not been waited for doesn't.
pub fn is_running(id: u32) -> bool {
    all().into_iter().any(|process| process.id == id && !process.dead)
}

/// Sends a signal; a process that is gone already is no fault.
pub fn signal(id: u32, signal: Signal) {
    let Ok(number) = i32::try_from(id) else { return };
    match kill(Pid::from_raw(number), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("can't send {signal} to process {id}: {error}"),
    }
}

struct Process {
    id: u32,
    parent: u32,
    dead: bool,
    /// The program's, as far as the system keeps it.
    name: String,
}

fn all() -> Vec<Process> {
    if cfg!(target_os = "linux") { from_proc() } else { from_ps() }
}

fn from_proc() -> Vec<Process> {
    let folders = std::fs::read_dir("/proc").expect("Linux has /proc").filter_map(Result::ok);
    let ids = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<u32>().ok());
    ids.filter_map(|id| {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The command's name is in parentheses and may hold anything.
        let (before, after) = text.rsplit_once(") ")?;
        let name = before.split_once('(')?.1.to_owned();
        let mut fields = after.split(' ');
        let dead = matches!(fields.next()?, "Z" | "X");
        Some(Process { id, parent: fields.next()?.parse().ok()?, dead, name })
    })
    .collect()
}

fn from_ps() -> Vec<Process> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,stat=,comm="])
        .output()
        .expect("there is ps");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let read = |line: &str| {
        let mut fields = line.split_whitespace();
        let (id, parent) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let dead = fields.next()?.starts_with('Z');
        let name = fields.next()?.rsplit('/').next()?.to_owned();
        Some(Process { id, parent, dead, name })
    };
    text.lines().filter_map(read).collect()
}
