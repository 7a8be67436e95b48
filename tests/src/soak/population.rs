//! Who receives: one endpoint of each kind.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use super::Plan;
use crate::{Client, Endpoint, Receiver, Reply};

/// The topic that every endpoint hears.
pub(super) const EVERYBODY: &str = "soak.everybody";
/// How long one that comes and goes stays.
const BLINK: Duration = Duration::from_secs(15);

/// How a receiver behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Takes everything at once.
    Healthy,
    /// Fails three times of ten, until it is healed.
    Flaky,
    /// Takes everything, after 0.8 s.
    Slow,
    /// Never answers until it is healed.
    Hanging,
    /// Well for 15 s, down for 15 s, until it is healed.
    Blinking,
    /// Down for the first half.
    Recovering,
    /// Hangs up on everybody, for ever.
    Dead,
    /// Takes everything for a third of the time, and answers 410 then.
    Gone,
}

impl Kind {
    pub(super) const ALL: [Self; 8] = [
        Self::Healthy,
        Self::Flaky,
        Self::Slow,
        Self::Hanging,
        Self::Blinking,
        Self::Recovering,
        Self::Dead,
        Self::Gone,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Flaky => "flaky",
            Self::Slow => "slow",
            Self::Hanging => "hanging",
            Self::Blinking => "blinking",
            Self::Recovering => "recovering",
            Self::Dead => "dead",
            Self::Gone => "gone",
        }
    }

    /// The topic that is its own.
    pub(super) fn topic(self) -> String {
        format!("soak.{}", self.name())
    }

    /// Whether all of its deliveries must have succeeded in the end.
    pub(super) fn ends_well(self) -> bool {
        !matches!(self, Self::Dead | Self::Gone)
    }

    /// Waits between attempts, in seconds: the dead one's are over within the run, so that some of
    /// its deliveries fail for good.
    fn schedule(self) -> &'static [u32] {
        match self {
            Self::Dead => &[2, 5, 10, 20],
            _ => &[2, 3, 5, 10, 20, 30, 60, 120, 240, 480],
        }
    }

    /// What it answers, so long after the start.
    fn answer(self, random: &mut StdRng, age: Duration, length: Duration, healed: bool) -> Reply {
        let (well, down) = (Reply::status(200), Reply::status(500));
        match self {
            Self::Slow => well.after(Duration::from_millis(800)),
            Self::Flaky if !healed && random.random_bool(0.15) => down,
            Self::Flaky if !healed && random.random_bool(0.18) => Reply::hang_up(),
            Self::Hanging if !healed => down.after(Duration::from_mins(10)),
            Self::Blinking if !healed && (age.as_secs() / BLINK.as_secs()) % 2 == 1 => {
                Reply::status(503)
            }
            Self::Recovering if age < length / 2 => down,
            Self::Dead => Reply::hang_up(),
            Self::Gone if age > length / 3 => Reply::status(410),
            _ => well,
        }
    }
}

/// One of them.
pub(super) struct Member {
    pub(super) kind: Kind,
    pub(super) endpoint: Endpoint,
    pub(super) receiver: Receiver,
}

/// All of them.
pub(super) struct Population {
    members: HashMap<String, Member>,
    healed: Arc<AtomicBool>,
}

impl Population {
    /// Starts the receivers and creates their endpoints.
    pub(super) async fn settle(project: &Client, plan: &Plan) -> Arc<Self> {
        for topic in Kind::ALL.map(Kind::topic).into_iter().chain([EVERYBODY.to_owned()]) {
            project
                .put(&format!("/webhooks/topics/{topic}"), json!({"description": "The soak run"}))
                .await
                .expect(201);
        }
        let (healed, mut members) = (Arc::new(AtomicBool::new(false)), HashMap::new());
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            let receiver = Receiver::start().await;
            let (start, length, healed) = (Instant::now(), plan.length, Arc::clone(&healed));
            let mut random = StdRng::seed_from_u64(plan.seed.wrapping_add(1_000 + number as u64));
            receiver.by(move || {
                kind.answer(&mut random, start.elapsed(), length, healed.load(Ordering::SeqCst))
            });
            let timeout = if kind == Kind::Hanging { 1 } else { 10 };
            let body = json!({
                "url": receiver.url("/"), "name": kind.name(), "topics": [kind.topic(), EVERYBODY],
                "retry_schedule": kind.schedule(), "timeout_seconds": timeout,
            });
            let endpoint = project.create_endpoint_with(body).await;
            members.insert(endpoint.id.clone(), Member { kind, endpoint, receiver });
        }
        Arc::new(Self { members, healed })
    }

    /// From now on, those are well that can be.
    pub(super) fn heal(&self) {
        self.healed.store(true, Ordering::SeqCst);
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(super) fn kind_of(&self, endpoint: &str) -> Option<Kind> {
        self.members.get(endpoint).map(|member| member.kind)
    }
}
