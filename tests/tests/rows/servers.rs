//! Customers' own servers: real HTTP servers in Node and Python that verify as the platforms'
//! guides tell them to, with the libraries that these name.
//!
//! They run where Node or Python is installed and their packages are in `target/receivers`
//! (`.ci/run` puts them there, and sets `RECEIVERS_REQUIRED`, with which a server that can't run is
//! a failure); elsewhere they are reported as skipped.
//!
//! A server ends with its standard input, and so with this process, however that ends.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::json;
use system_tests::{Attempt, Client, eventually, workspace};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A language, and where its programs and packages are.
struct Language {
    name: &'static str,
    program: &'static str,
    extension: &'static str,
    /// The variable that says where packages are, and the folder below `target/receivers` that they
    /// are in.
    packages: (&'static str, &'static str),
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "node",
        program: "node",
        extension: "cjs",
        packages: ("NODE_PATH", "node/node_modules"),
    },
    Language {
        name: "python",
        program: "python3",
        extension: "py",
        packages: ("PYTHONPATH", "python"),
    },
];

/// A running server.
pub(crate) struct Server {
    /// Its language.
    pub(crate) language: &'static str,
    url: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    // Killed when it is dropped.
    _process: Child,
}

impl Server {
    /// The server of this name in every language that is here. It knows no secret yet.
    pub(crate) async fn in_each_language(name: &str) -> Vec<Self> {
        let mut servers = Vec::new();
        for language in &LANGUAGES {
            match missing(language).await {
                None => servers.push(Self::start(language, name).await),
                Some(what) => {
                    assert!(env::var_os("RECEIVERS_REQUIRED").is_none(), "{what}");
                    // Not `println!`, of which the test runner shows nothing when a test succeeds.
                    let _ = writeln!(
                        io::stderr(),
                        "skipped: the receiver `{name}` in {}, as {what}",
                        language.name
                    );
                }
            }
        }
        servers
    }

    async fn start(language: &Language, name: &str) -> Self {
        let (variable, folder) = language.packages;
        let mut process = Command::new(language.program)
            .arg(programs(language).join(format!("{name}.{}", language.extension)))
            .env(variable, packages().join(folder))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a program that was found runs");
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut server =
            Self { language: language.name, url: String::new(), input, output, _process: process };
        let port = server.says().await;
        server.url = format!("http://127.0.0.1:{port}/");
        server
    }

    /// Where it takes webhooks.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Tells it its secret, in place of the one that it knows.
    pub(crate) async fn knows(&mut self, secret: &str) {
        self.input.write_all(format!("{secret}\n").as_bytes()).await.expect("it runs");
        assert_eq!(self.says().await, "noted");
    }

    async fn says(&mut self) -> String {
        let line = self.output.next_line().await.expect("it prints text");
        line.unwrap_or_else(|| panic!("the receiver in {} has ended: see above", self.language))
    }
}

/// What isn't here that a server in this language needs.
async fn missing(language: &Language) -> Option<String> {
    let version =
        Command::new(language.program).arg("--version").stdin(Stdio::null()).output().await;
    if !version.is_ok_and(|output| output.status.success()) {
        return Some(format!("{} is not installed", language.program));
    }
    let folder = Path::new("target/receivers").join(language.packages.1);
    (!workspace().join(&folder).is_dir()).then(|| {
        format!("its packages are not in {} (`.ci/run` puts them there)", folder.display())
    })
}

fn packages() -> PathBuf {
    workspace().join("target/receivers")
}

fn programs(language: &Language) -> PathBuf {
    workspace().join("tests/tests/rows/receivers").join(language.name)
}

/// What a server says to an event that is on its way to it: nothing good while it knows another
/// secret, and once it knows this one, its answer to the retry. The receiver's fault loses no
/// event.
pub(crate) async fn answer_once_it_knows(
    server: &mut Server,
    secret: &str,
    project: &Client,
    event: &str,
) -> String {
    let url = server.url.clone();
    let of_server = |attempt: &Attempt| attempt.url == url;
    let first = eventually("the server has been asked", async || {
        project.attempts(event).await.into_iter().find(of_server)
    })
    .await;
    let told = (first.outcome.as_str(), first.response_status, first.response_body.as_deref());
    assert_eq!(
        told,
        ("http_error", Some(401), Some("not genuine")),
        "{}: another secret must not verify",
        server.language
    );
    server.knows(secret).await;
    let mut resent = false;
    let attempt = eventually("the server takes it", async || {
        let mut attempts = project.attempts(event).await;
        attempts.retain(of_server);
        let taken = attempts.iter().find(|attempt| attempt.outcome == "succeeded").cloned();
        if taken.is_none() && attempts.len() > 1 && !resent {
            // On a machine so slow that the retry came before the secret. The next one is minutes
            // away.
            project
                .post(
                    &format!("/webhooks/messages/{event}/resend"),
                    json!({"endpoint_id": first.endpoint_id}),
                )
                .await
                .expect(202);
            resent = true;
        }
        taken
    })
    .await;
    assert!(attempt.number > 1, "it came again");
    attempt.response_body.unwrap_or_default()
}
