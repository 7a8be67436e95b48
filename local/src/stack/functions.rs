//! The functions of a stack and what invokes them: the API, the pollers and the time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use tokio::net::TcpListener;

use super::aws_side::AwsSide;
use super::error::StackError;
use super::plan::Plan;
use super::url::url_of;
use emulator::front::{Front, RouteTable, Service};
use emulator::poller::{Poller, concurrency};
use emulator::runtime::environment::{self, Surroundings};
use emulator::runtime::{FunctionSpec, LogSink, Pool, RuntimeApi};
use emulator::ticker::Ticker;
use sam_template::{Function, Template};

/// Instances of a function that serves HTTP: enough to keep a few cores busy while some wait for
/// the database, and few enough to start quickly.
const HTTP_INSTANCES: usize = 4;

/// Instances of a function that streams: as many viewers at once, each a process of 10 MB that asks
/// the database nine times a second.
const STREAM_INSTANCES: usize = 50;

/// Runs of a scheduled function at once.
const SCHEDULED_INSTANCES: usize = 2;

/// How often a scheduled function is invoked, whatever the template says: here a run costs nothing,
/// and somebody watches.
const TICK: Duration = Duration::from_secs(1);

pub(super) struct Functions {
    front: Front,
    url: String,
    pollers: Vec<Poller>,
    tickers: Vec<Ticker>,
    pools: BTreeMap<String, Arc<Pool>>,
}

impl Functions {
    /// Starts an instance of each function, then the API on `listener`, then the pollers and the
    /// tickers.
    pub(super) async fn start(
        plan: &Plan,
        template: &Template,
        aws: &AwsSide,
        binaries: &BTreeMap<String, PathBuf>,
        listener: TcpListener,
    ) -> Result<Self, StackError> {
        let api = Arc::new(RuntimeApi::start().await?);
        let surroundings = aws.surroundings(plan.args.strict_targets);
        let mut pools = BTreeMap::new();
        for function in &template.functions {
            let binary = binaries.get(&function.name).cloned().unwrap_or_default();
            let spec = spec(plan, function, binary, &surroundings)?;
            pools.insert(function.name.clone(), Pool::new(Arc::clone(&api), spec));
        }
        try_join_all(pools.values().map(|pool| warm_up(plan, pool))).await?;

        let url = url_of(listener.local_addr()?);
        let front = Front::start(
            listener,
            Service { routes: RouteTable::of(&template.functions), pools: pools.clone() },
        )?;
        let pollers = start_pollers(template, aws, &pools)?;
        let by_time = template.functions.iter().filter(|function| function.schedule.is_some());
        let tickers = by_time
            .filter_map(|function| pools.get(&function.name))
            .map(|pool| Ticker::start(Arc::clone(pool), TICK))
            .collect();
        Ok(Self { front, url, pollers, tickers, pools })
    }

    /// Base URL of the API.
    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// Takes nothing new, lets what runs finish within `grace`, and ends the processes.
    pub(super) async fn shut_down(self, grace: Duration) {
        drop(self.tickers);
        let pollers = join_all(self.pollers.into_iter().map(|poller| poller.shut_down(grace)));
        futures::future::join(self.front.shut_down(grace), pollers).await;
        // What hasn't finished by now had its time.
        join_all(self.pools.values().map(|pool| pool.shut_down(Duration::ZERO))).await;
    }

    /// Every function's instances.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.values().cloned().collect()
    }
}

fn spec(
    plan: &Plan,
    function: &Function,
    binary: PathBuf,
    surroundings: &Surroundings,
) -> Result<FunctionSpec, StackError> {
    let http = if function.routes.is_empty() { 0 } else { HTTP_INSTANCES };
    let url = if function.url.is_none() { 0 } else { STREAM_INSTANCES };
    // One instance for every batch that a source may have under way, so that waiting retries never
    // keep first attempts from running.
    let queues: usize =
        function.sources.iter().filter(|source| source.enabled).map(concurrency).sum();
    let scheduled = if function.schedule.is_none() { 0 } else { SCHEDULED_INSTANCES };
    Ok(FunctionSpec {
        name: function.name.clone(),
        arn: function.arn.clone(),
        binary,
        arguments: Vec::new(),
        environment: environment::of_function(function, surroundings),
        timeout: function.timeout,
        max_instances: function
            .reserved_concurrency
            .unwrap_or(http + url + queues + scheduled)
            .max(1),
        log: LogSink::open(&plan.data.logs(), &function.name, plan.args.verbose)?,
    })
}

async fn warm_up(plan: &Plan, pool: &Arc<Pool>) -> Result<(), StackError> {
    pool.warm_up().await.map_err(|reason| StackError::Function {
        function: pool.name().to_owned(),
        reason,
        log: plan.data.logs().join(format!("{}.log", pool.name())),
    })
}

fn start_pollers(
    template: &Template,
    aws: &AwsSide,
    pools: &BTreeMap<String, Arc<Pool>>,
) -> Result<Vec<Poller>, StackError> {
    let sqs = aws.poller_clients().sqs;
    let mut pollers = Vec::new();
    for function in &template.functions {
        for source in function.sources.iter().filter(|source| source.enabled) {
            let queue = template.queues.iter().find(|queue| queue.arn == source.queue_arn);
            let unknown = || StackError::UnknownQueue {
                function: function.name.clone(),
                arn: source.queue_arn.clone(),
            };
            let url = queue.ok_or_else(unknown)?.url.clone();
            let pool = pools.get(&function.name).ok_or_else(unknown)?;
            pollers.push(Poller::start(
                source.clone(),
                url,
                sqs.clone(),
                aws.polls(),
                Arc::clone(pool),
                function.allows_recursion,
            ));
        }
    }
    Ok(pollers)
}
