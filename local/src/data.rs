//! The data directory: one stack at a time, and the few secrets that outlive a process.
//!
//! The lock is the operating system's, on an open file, so that a killed stack never leaves one
//! behind. The process id in the file is only there to be named in the message.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::secrets_key;
use emulator::operator_key;

/// Readable and writable by the owner only.
const OWNER_ONLY: u32 = 0o600;
const OWNER_ONLY_DIRECTORY: u32 = 0o700;

/// Why a data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another stack runs on it.
    #[error("{} is in use by another stack (process {pid}): stop it, or choose another directory \
        with --data", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The other stack's process id, as far as known.
        pid: String,
    },
    /// It can't be created, read or written.
    #[error("can't use {}: {reason}", path.display())]
    Unusable {
        /// The directory, or a file in it.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    // The lock is held for as long as the file is open.
    _lock: File,
}

impl DataDirectory {
    /// Creates the directory if need be, and takes it.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(OWNER_ONLY_DIRECTORY)
            .create(path)
            .map_err(unusable(path))?;
        // Absolute, since functions run elsewhere and messages should say where it is.
        let path = path.canonicalize().map_err(unusable(path))?;
        let lock = take_lock(&path)?;
        std::fs::create_dir_all(path.join("logs")).map_err(unusable(&path))?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the functions' logs are.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Where a running stack says how to reach it, for `posthaste calls`.
    pub fn ready_file(&self) -> PathBuf {
        self.path.join(READY_FILE)
    }

    /// The operator key that was made here, now or earlier.
    pub fn operator_key(&self) -> Result<String, DataError> {
        self.made_once("operator-key", operator_key::generate)
    }

    /// The key of endpoints' secrets that was made here, now or earlier.
    pub fn secrets_key(&self) -> Result<String, DataError> {
        self.made_once("secrets-key", secrets_key::generate)
    }

    fn made_once(&self, name: &str, generate: fn() -> String) -> Result<String, DataError> {
        if let Some(key) =
            self.kept(name)?.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty())
        {
            return Ok(key);
        }
        let key = generate();
        self.keep(name, &format!("{key}\n"))?;
        Ok(key)
    }

    /// A file's text, if the file is there.
    pub fn kept(&self, name: &str) -> Result<Option<String>, DataError> {
        read(&self.path.join(name))
    }

    /// Writes a file that only the owner can read, whole or not at all.
    pub fn keep(&self, name: &str, text: &str) -> Result<(), DataError> {
        let path = self.path.join(name);
        write_atomically(&path, text).map_err(unusable(&path))
    }
}

/// Name of the file in a data directory that says how to reach the stack.
pub const READY_FILE: &str = "ready.json";

/// Replaces the file at `path`. Only the owner can read the new one. A reader sees the old or the
/// new text, never a part of one.
pub fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ONLY).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

fn take_lock(directory: &Path) -> Result<File, DataError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_ONLY)
        .open(&path);
    let mut file = file.map_err(unusable(&path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // Without it, the message is less precise and still right.
            let _ = file.read_to_string(&mut pid);
            let pid =
                if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
            return Err(DataError::InUse { directory: directory.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(unusable(&path)(error)),
    }
    let write_pid = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write_pid(&mut file).map_err(unusable(&path))?;
    Ok(file)
}

fn read(path: &Path) -> Result<Option<String>, DataError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path)(error)),
    }
}

fn unusable(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    let path = path.to_owned();
    move |error| DataError::Unusable { path, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_operator_key_is_made_once_and_only_its_owner_can_read_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataDirectory::open(&path).unwrap().operator_key().unwrap();
        assert_eq!(DataDirectory::open(&path).unwrap().operator_key().unwrap(), first);
        let mode = path.join("operator-key").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_directory_belongs_to_one_stack_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(directory.path()).unwrap();
        let refused = DataDirectory::open(directory.path()).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("in use by another stack (process {})", std::process::id())),
            "{refused}"
        );
        drop(first);
        DataDirectory::open(directory.path()).unwrap();
    }

    #[test]
    fn the_lock_file_of_a_dead_process_is_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("lock"), "999999\n").unwrap();
        DataDirectory::open(directory.path()).unwrap();
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = DataDirectory::open(file.path()).unwrap_err().to_string();
        assert!(refused.contains(&file.path().display().to_string()), "{refused}");
    }
}
