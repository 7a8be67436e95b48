//! `posthaste`: reads the command line and hands over.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use local::cli::{CallsArgs, Cli, Command, RunArgs};
use local::listen::{ListenArgs, Receiver};
use local::shutdown::Shutdown;
use local::stack::{Stack, default_data};
use local::{banner, calls};
use sam_template::Template;

/// A process that was ended by Ctrl-C: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// How long killed function processes have to be gone once the user insists.
const LAST_MOMENT: Duration = Duration::from_millis(300);

type AnyError = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(async {
        match cli.command {
            None => run(cli.run).await,
            Some(Command::Listen(args)) => listen(args).await,
            Some(Command::Calls(args)) => print_calls(args).await,
        }
    });
    // Whatever still blocks a thread must not keep the process.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &AnyError) -> ExitCode {
    eprintln!("posthaste: {error}");
    ExitCode::FAILURE
}

async fn run(args: RunArgs) -> Result<ExitCode, AnyError> {
    let started = Instant::now();
    let shutdown = Shutdown::listen()?;
    let stack = tokio::select! {
        stack = Stack::start(args) => stack?,
        () = shutdown.asked() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    print!("{}", banner::banner(&stack, started.elapsed()));

    shutdown.asked().await;
    eprintln!("stopping: what runs may finish; press Ctrl-C again to stop at once");
    let kill = stack.killer();
    tokio::select! {
        () = stack.shut_down() => Ok(ExitCode::SUCCESS),
        () = shutdown.asked_again() => {
            kill();
            tokio::time::sleep(LAST_MOMENT).await;
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

async fn listen(args: ListenArgs) -> Result<ExitCode, AnyError> {
    let shutdown = Shutdown::listen()?;
    let receiver = Receiver::bind(args).await?;
    eprint!("{}", receiver.greeting());
    tokio::select! {
        served = receiver.serve() => served?,
        () = shutdown.asked() => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn print_calls(args: CallsArgs) -> Result<ExitCode, AnyError> {
    let ready_file = match (args.ready_file, args.data) {
        (Some(file), _) => file,
        (None, Some(data)) => data.join(local::data::READY_FILE),
        (None, None) => {
            let template = Template::find(&std::env::current_dir()?)
                .ok_or("there is no template.yaml here or above: use --data")?;
            default_data(&template).join(local::data::READY_FILE)
        }
    };
    let report = calls::fetch(&ready_file, args.reset).await?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", calls::table(&report));
    }
    Ok(ExitCode::SUCCESS)
}
