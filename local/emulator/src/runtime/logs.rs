//! Where a function's output goes: its log file in the data directory or, when verbose, the stack's
//! own stderr.
//!
//! A panic must never be seen only by those who look into the file. It is shown in both cases.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// A log file that has grown beyond this is put aside at the next start, in place of the one put
/// aside before.
const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;

/// The last lines of a process, kept to explain why it ended.
const KEPT_LINES: usize = 8;

/// The log of one function, shared by its instances.
#[derive(Clone)]
pub struct LogSink {
    function: String,
    file: Option<Arc<Mutex<File>>>,
    path: PathBuf,
}

impl LogSink {
    /// Appends to `<directory>/<function>.log` or, if `verbose`, prints.
    pub fn open(directory: &Path, function: &str, verbose: bool) -> io::Result<Self> {
        let path = directory.join(format!("{function}.log"));
        let file = if verbose { None } else { Some(Arc::new(Mutex::new(open(&path)?))) };
        Ok(Self { function: function.to_owned(), file, path })
    }

    /// Where to look for more.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Prints a line of the stack's own about this function.
    pub fn note(&self, line: &str) {
        eprintln!("[{}] {line}", self.function);
    }

    fn write(&self, line: &str, show: bool) {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // A full disk must not stop deliveries.
            let _ = writeln!(file, "{line}");
        }
        if show || self.file.is_none() {
            self.note(line);
        }
    }

    /// Takes every line of a process's output until it ends, and returns the last ones.
    pub(super) async fn follow(self, output: impl AsyncRead + Unpin) -> Vec<String> {
        let mut lines = BufReader::new(output).split(b'\n');
        let mut last = Vec::new();
        let mut in_panic = false;
        while let Ok(Some(bytes)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&bytes).into_owned();
            // A panic is two lines: where, and what.
            let panicked = line.contains(" panicked at ");
            self.write(&line, panicked || in_panic);
            in_panic = panicked;
            if last.len() == KEPT_LINES {
                last.remove(0);
            }
            last.push(line);
        }
        last
    }
}

fn open(path: &Path) -> io::Result<File> {
    if path.metadata().is_ok_and(|metadata| metadata.len() > MAX_LOG_BYTES) {
        std::fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_go_to_the_file_and_the_last_ones_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let sink = LogSink::open(directory.path(), "f", false).unwrap();
        let output: Vec<String> = (0..20).map(|number| format!("line {number}\n")).collect();
        let last = sink.clone().follow(output.concat().as_bytes()).await;
        assert_eq!(last.last().unwrap(), "line 19");
        assert_eq!(last.len(), KEPT_LINES);
        assert_eq!(std::fs::read_to_string(sink.path()).unwrap(), output.concat());
    }
}
