//! Secrets that change under load: what receivers see that know the old secret, the new one, or
//! both.
//!
//! When a request was signed is what counts, not when it came. So every endpoint here also signs in
//! the style `standard`, whose timestamp says so.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::json;
use system_tests::{Client, Receiver, Request, eventually};
use tokio::task::JoinSet;

use crate::{
    platform::platform,
    proofs::{digest_is_of, standard_is_of, svix_is_of, timestamped_is_of},
};

/// Clients that post events, one after the other.
const CLIENTS: usize = 4;
/// The most requests that are on their way: more would only wait in the queue, on a slow machine
/// until the overlap is over.
const UNDER_WAY: usize = 40;
/// Seconds of the overlap.
const OVERLAP: u64 = 8;
/// Requests that a phase must have for it to mean anything.
const ENOUGH: usize = 10;

/// Clients that post events until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<HashMap<String, Instant>>,
}

impl Load {
    /// Events of a project whose every event makes two requests to the receiver.
    fn on(project: &Client, receiver: &Arc<Receiver>) -> Self {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (project, receiver, stop, count) =
                (project.clone(), Arc::clone(receiver), Arc::clone(&stop), Arc::clone(&count));
            clients.spawn(async move {
                let mut posted = HashMap::new();
                while !stop.load(Ordering::SeqCst) {
                    let before = Instant::now();
                    posted.insert(
                        project.post_event("task.updated", json!({"id": "task_1"})).await.id,
                        before,
                    );
                    let requests = 2 * (count.fetch_add(1, Ordering::SeqCst) + 1);
                    receiver.wait_for(requests.saturating_sub(UNDER_WAY)).await;
                }
                posted
            });
        }
        Self { stop, clients }
    }

    /// When each event was posted.
    async fn ended(self) -> HashMap<String, Instant> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

/// A rotation, and what it has shown.
struct Rotation {
    old: String,
    new: String,
    answered: Instant,
    /// Unix seconds.
    until: u64,
}

async fn rotate(project: &Client, endpoint: &system_tests::Endpoint) -> Rotation {
    let path = format!("/webhooks/endpoints/{}/secret/rotate", endpoint.id);
    let answer = project.post(&path, json!({"overlap_seconds": OVERLAP})).await.expect(200);
    Rotation {
        old: endpoint.secret().to_owned(),
        new: answer["secret"].as_str().unwrap().to_owned(),
        answered: Instant::now(),
        until: answer["previous_expires_at"].as_u64().unwrap(),
    }
}

/// How often each phase was seen.
#[derive(Debug, Default)]
struct Seen {
    before: usize,
    within: usize,
    after: usize,
}

impl Seen {
    fn enough(&self) -> bool {
        [self.before, self.within, self.after].into_iter().all(|count| count >= ENOUGH)
    }
}

#[tokio::test]
async fn within_the_overlap_no_receiver_sees_an_invalid_signature_whichever_secrets_it_has() {
    let project = platform("Acme", json!({}), &[]).await;
    let receiver = Arc::new(Receiver::start().await);
    let (every, alone) = (["standard", "svix", "timestamped"], ["standard", "digest", "token"]);
    let several = json!({"url": receiver.url("/several"), "topics": ["*"], "signatures": every});
    let several = project.create_endpoint_with(several).await;
    let single = json!({"url": receiver.url("/single"), "topics": ["*"], "signatures": alone});
    let single = project.create_endpoint_with(single).await;

    let load = Load::on(&project, &receiver);
    receiver.wait_for(16 * ENOUGH).await;
    let (several, single) = tokio::join!(rotate(&project, &several), rotate(&project, &single));
    let over = several.until.max(single.until);
    eventually("the overlap ends, and requests go on", async || {
        let after = receiver.received().iter().filter(|request| request.timestamp() > over).count();
        (after > 4 * ENOUGH).then_some(())
    })
    .await;
    let posted = load.ended().await;
    receiver.wait_for(posted.len() * 2).await;

    let (mut of_several, mut of_single) = (Seen::default(), Seen::default());
    for request in receiver.received() {
        let posted = posted[&request.webhook_id()];
        match request.path.as_str() {
            "/several" => judge(&request, &several, posted, &mut of_several, sees_several),
            _ => judge(&request, &single, posted, &mut of_single, sees_single),
        }
    }
    assert!(
        of_several.enough() && of_single.enough(),
        "too few requests to mean anything: {of_several:?}, {of_single:?}"
    );
}

/// Holds a request to what its time asks for. `check` holds it to which of the two secrets verify.
fn judge(
    request: &Request,
    rotation: &Rotation,
    posted: Instant,
    seen: &mut Seen,
    check: fn(&Request, &Rotation, Phase),
) {
    let signed = request.timestamp();
    // In the overlap's last second it may be over already.
    let phase = match signed {
        _ if signed > rotation.until => Phase::After,
        _ if signed == rotation.until => return,
        _ if posted > rotation.answered => Phase::Within,
        _ if signed + OVERLAP < rotation.until => Phase::Before,
        _ => return,
    };
    match phase {
        Phase::Before => seen.before += 1,
        Phase::Within => seen.within += 1,
        Phase::After => seen.after += 1,
    }
    check(request, rotation, phase);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Within,
    After,
}

/// Every style with room for several signatures has one of each live secret.
fn sees_several(request: &Request, rotation: &Rotation, phase: Phase) {
    let verifies = |secret: &str| {
        [
            standard_is_of(request, secret),
            svix_is_of(request, secret),
            timestamped_is_of(request, "acme-signature", secret),
        ]
    };
    let expected = match phase {
        Phase::Before => ([true; 3], [false; 3]),
        Phase::Within => ([true; 3], [true; 3]),
        Phase::After => ([false; 3], [true; 3]),
    };
    assert_eq!((verifies(&rotation.old), verifies(&rotation.new)), expected, "{phase:?}");
}

/// Those with room for one have the old secret's until the overlap ends: who knows the old one or
/// both sees nothing invalid.
fn sees_single(request: &Request, rotation: &Rotation, phase: Phase) {
    let verifies = |secret: &str| {
        [digest_is_of(request, "acme-signature", secret), request.header("x-acme-token") == secret]
    };
    let over = phase == Phase::After;
    assert_eq!(
        (verifies(&rotation.old), verifies(&rotation.new)),
        ([!over; 2], [over; 2]),
        "{phase:?}"
    );
}

#[tokio::test]
async fn without_overlap_a_single_proof_is_the_new_secrets_at_once() {
    let project = platform("Acme", json!({"signatures": ["digest"]}), &[]).await;
    let receiver = Receiver::start().await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;
    let path = format!("/webhooks/endpoints/{}/secret/rotate", endpoint.id);
    project.post(&path, json!({"overlap_seconds": 600})).await.expect(200);
    let newest = project.post(&path, json!({"overlap_seconds": 0})).await.expect(200)["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    project.post_event("task.created", json!({})).await;
    let request = receiver.wait_for(1).await.remove(0);
    assert!(
        digest_is_of(&request, "acme-signature", &newest),
        "a secret that leaked is of no use, nor is the one before it"
    );
}

#[tokio::test]
async fn the_projects_own_secret_rotates_with_an_overlap_too() {
    let project = platform("Acme", json!({"signatures": ["timestamped"]}), &[]).await;
    let receiver = Receiver::start().await;
    let old =
        project.get("/webhooks/secret").await.expect(200)["secret"].as_str().unwrap().to_owned();
    let own = "the-secret-of-the-platform-before";
    let rotated = project
        .post("/webhooks/secret/rotate", json!({"secret": own, "overlap_seconds": 600}))
        .await
        .expect(200);
    assert_eq!(rotated["secret"], own);
    let event = json!({"kind": "task.created", "data": {}, "webhook_url": receiver.url("/")});
    project.post("/events", event.clone()).await.expect(202);
    let request = receiver.wait_for(1).await.remove(0);
    assert!(
        timestamped_is_of(&request, "acme-signature", &old)
            && timestamped_is_of(&request, "acme-signature", own)
    );

    project.post("/webhooks/secret/rotate", json!({"overlap_seconds": 0})).await.expect(200);
    let newest =
        project.get("/webhooks/secret").await.expect(200)["secret"].as_str().unwrap().to_owned();
    project.post("/events", event).await.expect(202);
    let request = receiver.wait_for(2).await.remove(1);
    let verifies = [old.as_str(), own, &newest]
        .map(|secret| timestamped_is_of(&request, "acme-signature", secret));
    assert_eq!(verifies, [false, false, true]);
}
