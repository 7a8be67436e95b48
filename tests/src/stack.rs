//! The real `posthaste`, started and stopped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use emulator::aws::CountersReport;
use local::ready::Ready;
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{
    Client, Queues, binary::posthaste, emulator::Emulator, eventually, processes,
    receiver::authority_pem, watchdog::Watchdog, workspace,
};

/// How long a stack may take to stop once it was asked to: its own grace for what runs, and a slow
/// machine.
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// Access key id of the tests, to look into the embedded queues.
const OPERATOR: &str = "operator";

/// A running stack, or one that was killed and may be restarted. Dropped, it ends with all that it
/// started.
pub struct Stack {
    folder: TempDir,
    emulator: Option<Emulator>,
    flags: Vec<String>,
    starts: usize,
    process: Option<Process>,
    ready: Ready,
}

struct Process {
    child: Child,
    watchdog: Option<Watchdog>,
}

impl Stack {
    /// The stack that all tests of this process share which need none of their own.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Stack> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// A stack of one's own.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A stack with more flags.
    pub async fn with(flags: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("posthaste-test-")
            .tempdir()
            .expect("a temporary folder");
        std::fs::write(folder.path().join("authority.pem"), authority_pem())
            .expect("the folder is writable");
        let blank = Ready {
            base_url: None,
            operator_key: String::new(),
            project_id: None,
            project_key: None,
            dynamodb_url: String::new(),
            sqs_url: String::new(),
            pid: 0,
        };
        let flags = flags.iter().map(ToString::to_string).collect();
        let mut stack = Self {
            folder,
            emulator: Emulator::of_environment(),
            flags,
            starts: 0,
            process: None,
            ready: blank,
        };
        stack.restart().await;
        stack
    }

    /// Starts it (again), on the data that is there.
    pub async fn restart(&mut self) {
        self.stop();
        self.starts += 1;
        // One of its own for each start: a killed stack leaves its ready file behind.
        let ready_file = self.folder.path().join(format!("ready-{}.json", self.starts));
        self.process = Some(self.spawn(&ready_file));
        self.ready = eventually("the ready file of the stack", async || {
            let ended =
                self.process.as_mut().and_then(|process| process.child.try_wait().ok()).flatten();
            assert!(
                ended.is_none(),
                "posthaste ended ({ended:?}) before it was ready:\n{}",
                self.output()
            );
            Ready::read(&ready_file).ok()
        })
        .await;
    }

    /// As [`Stack::restart`], with other flags.
    pub async fn restart_with(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(ToString::to_string).collect();
        self.restart().await;
    }

    fn spawn(&self, ready_file: &Path) -> Process {
        let output = File::options()
            .create(true)
            .append(true)
            .open(self.output_file())
            .expect("the folder is writable");
        let mut command = Command::new(posthaste());
        command.args(["--listen", "127.0.0.1:0", "--no-build", "--data"]).arg(self.data());
        command.arg("--ready-file").arg(ready_file).args(&self.flags);
        command.current_dir(workspace()).env_remove("POSTHASTE_OPERATOR_KEY");
        if let Some(emulator) = &self.emulator {
            command
                .args(["--aws-endpoint", &emulator.url])
                .env("AWS_ACCESS_KEY_ID", &emulator.account);
        }
        // In place of the machine's authorities: receivers have certificates of the tests' own.
        command
            .env("SSL_CERT_FILE", self.folder.path().join("authority.pem"))
            .env_remove("SSL_CERT_DIR");
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output);
        let child = command.spawn().expect("posthaste runs");
        let watchdog = Some(Watchdog::over(child.id(), self.folder.path()));
        Process { child, watchdog }
    }

    /// Ends it at once, as a power cut would: `kill -9`.
    pub fn kill_hard(&mut self) {
        processes::signal(self.pid(), Signal::SIGKILL);
        self.wait_for_end();
    }

    /// Ends it and all of its functions at once.
    pub fn cut_power(&mut self) {
        let functions = processes::children_of(self.pid());
        processes::signal(self.pid(), Signal::SIGKILL);
        for id in functions {
            processes::signal(id, Signal::SIGKILL);
        }
        self.wait_for_end();
    }

    /// Ends every process of a function at once; the stack starts others when it needs them.
    pub fn kill_function(&self, name: &str) {
        let processes = processes::children_named(self.pid(), name);
        assert!(!processes.is_empty(), "{name} doesn't run");
        for id in processes {
            processes::signal(id, Signal::SIGKILL);
        }
    }

    /// Sends it a signal and waits for its end.
    pub fn end_by(&mut self, signal: Signal) -> ExitStatus {
        processes::signal(self.pid(), signal);
        self.wait_for_end().expect("it was running")
    }

    /// Its process id, which is zero when it doesn't run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, |process| process.child.id())
    }

    /// The operator.
    pub fn operator(&self) -> Client {
        Client::new(self.base_url(), &self.ready.operator_key)
    }

    /// A new project, with a key that may do everything in it.
    pub async fn project(&self) -> Client {
        self.operator().new_project().await
    }

    /// Its queues.
    pub fn queues(&self) -> Queues {
        Queues::at(
            &self.ready.sqs_url,
            self.emulator.as_ref().map_or(OPERATOR, |emulator| &emulator.account),
        )
    }

    /// Where the API is.
    pub fn base_url(&self) -> &str {
        self.ready.base_url.as_deref().expect("a stack with functions has an API")
    }

    /// How to reach it.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// All AWS calls since it started.
    pub async fn calls(&self) -> CountersReport {
        let url = format!("{}{}", self.ready.sqs_url, emulator::aws::server::COUNTERS_PATH);
        let answer = self.operator().http.get(url).send().await.expect("the counters are served");
        serde_json::from_str(&answer.text().await.expect("a body")).expect("the counters are JSON")
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(self.output_file()).unwrap_or_default()
    }

    /// The lines of its functions' logs, each with the function's name before it.
    pub fn log_lines(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.data().join("logs")) else { return Vec::new() };
        let mut lines = Vec::new();
        for path in files.filter_map(Result::ok).map(|file| file.path()) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text =
                String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
            lines.extend(text.lines().map(|line| format!("{name}: {line}")));
        }
        lines
    }

    fn output_file(&self) -> PathBuf {
        self.folder.path().join("output.txt")
    }

    fn stop(&mut self) {
        if self.process.is_some() {
            processes::signal(self.pid(), Signal::SIGTERM);
            self.wait_for_end();
        }
    }

    /// Waits, kills what takes too long, and forgets the process.
    fn wait_for_end(&mut self) -> Option<ExitStatus> {
        let mut process = self.process.take()?;
        // From here on its id may be given to another process.
        process.watchdog.take();
        let deadline = Instant::now() + STOPS_WITHIN;
        loop {
            match process.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => break,
            }
        }
        let _ = process.child.kill();
        process.child.wait().ok()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let errors: Vec<_> = self
                .log_lines()
                .into_iter()
                .filter(|line| line.contains("ERROR") || line.contains("panicked"))
                .collect();
            eprintln!(
                "--- posthaste printed:\n{}--- its functions' errors:\n{}",
                self.output(),
                errors.join("\n")
            );
        }
    }
}
