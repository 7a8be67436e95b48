//! Every key of the three tables: nothing else formats or takes apart a partition or sort key.
//!
//! | table | pk | sk | item |
//! |---|---|---|---|
//! | config | `PROJECTS` | `<proj>` | project |
//! | config | `PROJ#<proj>` | `SECRET` | secret for URLs without an endpoint |
//! | config | `PROJ#<proj>` | `EP#<we>` · `AUTO#<auto>` | endpoint, automation |
//! | config | `PROJ#<proj>` | `TOPIC#<name>` · `KEY#<key>` | topic, API key |
//! | config | `PROJ#<proj>` | `WORKER#<worker id>` | a worker's webhook: an endpoint |
//! | config | `SUBS#<proj>` | `VERSION` | version of these rows, and the project |
//! | config | `SUBS#<proj>` | `EP#<we>` · `AUTO#<auto>` | subscription, automation |
//! | config | `SUBS#<proj>` | `TOPIC#<name>` · `WORKER#<worker id>` | topic's name, subscription |
//! | config | `KEY#<sha-256>` | `KEY` | API key |
//! | config | `OPERATORS` | `<opk>` | operator key, for the operator's list |
//! | config | `OPERATOR#<sha-256>` | `KEY` | operator key |
//! | config | `STATUS` | `STATUS` | the suspended projects, and limits of projects |
//! | config | `SECRETS_KEY` | `CHECK` | proof of the key that seals the secrets of this table |
//! | log | `PROJ#<proj>#<shard>` | `<evt>` | event and its targets |
//! | log | `PROJ#<proj>#LATE` | position in the [`feed`](crate::feed) | pointer to an event |
//! | log | `A#<proj>#<we>#<shard>` | `<atm>` | attempts of one second |
//! | log | `A#<proj>#<we>` | `RATE` | when an endpoint with a rate limit takes the next delivery |
//! | log | `IDEM#<proj>#<sha-256 of the key>` | `IDEM` | the events of a request with this key |
//! | state | `C#<proj>#<we>` | `C` | how an endpoint is doing that has failed, and its circuit |
//! | state | `D#<proj>#<shard>` | `<evt>#<we>` | a delivery that did not end at once |
//! | state | `J#<proj>#<we>` | `RECOVERY#<rcv>` | a recovery and how far it is |
//! | state | `J#<proj>#<we>` | `RECOVERING` | which recovery has the endpoint |
//! | state | `N#<proj>` | `<topic>#<seconds>` | what happened in a minute, to be told |
//! | state | `N#<proj>` | `<topic>#<seconds>#<n>` | entries of that, after the first n |
//! | state | `B#<proj>` | `<resource>` | until when what a project has caused is paid for |
//! | state | `B#<proj>` | `VIEW#<n>` | a viewer's place, and until when it is held |
//! | state | `U#<proj>` | `<seconds>` | what a project has used in the hour that began then |
//! | state | `U#<proj>` | `<seconds>#<process>` | requests that a process has refused in it |
//! | state | `J#` | `RUN` | until when a run of `jobs` works |
//!
//! Rows of the state table with `list` and `list_at` are in its index `lists`, which holds nothing
//! but keys:
//!
//! | list | ordered by | contains |
//! |---|---|---|
//! | `due#<0–15>` | when to look at it | circuits, recoveries, reports, hours, waiting deliveries |
//! | `parked#<proj>#<we>#<shard>` | time of the event | parked deliveries |
//! | `failed#<proj>#<shard>` | time of the event | deliveries that were given up |

/// Partition keys.
pub(crate) mod pk {
    use domain::{
        id::{EndpointId, ProjectId},
        model::ApiKeyHash,
    };
    use sha2::{Digest, Sha256};

    /// The operator's list of projects.
    pub(crate) const PROJECTS: &str = "PROJECTS";
    /// The operator's list of operator keys.
    pub(crate) const OPERATOR_KEYS: &str = "OPERATORS";
    /// Which projects are suspended.
    pub(crate) const STATUS: &str = "STATUS";
    /// What tells which key seals the secrets of the config table.
    pub(crate) const SECRETS_KEY: &str = "SECRETS_KEY";

    /// What accepting a project's events reads.
    pub(crate) fn subscriptions(project: ProjectId) -> String {
        format!("SUBS#{project}")
    }

    /// What a project owns.
    pub(crate) fn project(project: ProjectId) -> String {
        format!("PROJ#{project}")
    }

    /// An API key, by its hash.
    pub(crate) fn api_key(hash: &ApiKeyHash) -> String {
        format!("KEY#{}", hash.as_str())
    }

    /// An operator key, by its hash.
    pub(crate) fn operator_key(hash: &ApiKeyHash) -> String {
        format!("OPERATOR#{}", hash.as_str())
    }

    /// One shard of a project's events.
    pub(crate) fn events(project: ProjectId, shard: u8) -> String {
        format!("PROJ#{project}#{shard}")
    }

    /// Whose events they are; `None` if it is another partition.
    pub(crate) fn project_of_events(pk: &str) -> Option<ProjectId> {
        let (project, shard) = pk.strip_prefix("PROJ#")?.split_once('#')?;
        shard.parse::<u8>().ok()?;
        project.parse().ok()
    }

    /// Pointers to a project's events whose position in the feed is not their id.
    pub(crate) fn late_events(project: ProjectId) -> String {
        format!("PROJ#{project}#LATE")
    }

    /// One shard, of [`ATTEMPT_SHARDS`](domain::id::ATTEMPT_SHARDS), of an endpoint's attempts.
    pub(crate) fn attempts(project: ProjectId, endpoint: EndpointId, shard: u8) -> String {
        format!("{}#{shard}", endpoint_log(project, endpoint))
    }

    /// An endpoint's own row in the log: its rate.
    pub(crate) fn endpoint_log(project: ProjectId, endpoint: EndpointId) -> String {
        format!("A#{project}#{endpoint}")
    }

    /// Who may run background work.
    pub(crate) const RUNS: &str = "J#";
    /// What the partitions of deliveries begin with.
    pub(crate) const DELIVERIES: &str = "D#";
    /// What circuits' partitions begin with.
    pub(crate) const CIRCUITS: &str = "C#";
    /// What the partitions of recoveries begin with.
    pub(crate) const RECOVERIES: &str = "J#";

    /// What a project may cause.
    pub(crate) fn budget(project: ProjectId) -> String {
        format!("B#{project}")
    }

    /// What the partitions of usage begin with.
    pub(crate) const USAGE: &str = "U#";

    /// What a project has used.
    pub(crate) fn usage(project: ProjectId) -> String {
        format!("{USAGE}{project}")
    }

    /// What the partitions of reports begin with.
    pub(crate) const NEWS: &str = "N#";

    /// What a project is to be told of.
    pub(crate) fn news(project: ProjectId) -> String {
        format!("{NEWS}{project}")
    }

    /// One shard of a project's deliveries.
    pub(crate) fn deliveries(project: ProjectId, shard: u8) -> String {
        format!("{DELIVERIES}{project}#{shard}")
    }

    /// How an endpoint is doing, and its circuit.
    pub(crate) fn circuit(project: ProjectId, endpoint: EndpointId) -> String {
        format!("{CIRCUITS}{project}#{endpoint}")
    }

    /// An endpoint's recoveries.
    pub(crate) fn recoveries(project: ProjectId, endpoint: EndpointId) -> String {
        format!("{RECOVERIES}{project}#{endpoint}")
    }

    /// A project's idempotency key. Callers choose its text, so the row has its hash.
    pub(crate) fn idempotency(project: ProjectId, key: &str) -> String {
        format!("IDEM#{project}#{}", hex::encode(Sha256::digest(key)))
    }
}

/// Sort keys, and the beginnings that lists of them share.
pub(crate) mod sk {
    use domain::{
        budget::Resource,
        id::{AutomationId, EndpointId, EventId, KeyId, RecoveryId},
        model::Topic,
        system_event::{ReportKey, SystemTopic},
        time::Timestamp,
    };

    /// The version of what accepting a project's events reads.
    pub(crate) const VERSION: &str = "VERSION";
    /// The project's secret.
    pub(crate) const PROJECT_SECRET: &str = "SECRET";
    /// An API key or operator key, in the partition of its hash.
    pub(crate) const KEY: &str = "KEY";
    /// Which projects are suspended.
    pub(crate) const STATUS: &str = "STATUS";
    /// The proof of the secrets key.
    pub(crate) const CHECK: &str = "CHECK";
    /// How an endpoint is doing.
    pub(crate) const CIRCUIT: &str = "C";
    /// The lease of a run.
    pub(crate) const RUN: &str = "RUN";
    /// An endpoint's next free slot.
    pub(crate) const RATE: &str = "RATE";
    /// Which recovery has an endpoint.
    pub(crate) const RECOVERING: &str = "RECOVERING";
    /// An idempotency key.
    pub(crate) const IDEMPOTENCY: &str = "IDEM";

    /// What endpoints' sort keys begin with.
    pub(crate) const ENDPOINTS: &str = "EP#we_";
    /// What automations' sort keys begin with.
    pub(crate) const AUTOMATIONS: &str = "AUTO#auto_";
    /// What topics' sort keys begin with.
    pub(crate) const TOPICS: &str = "TOPIC#";
    /// What API keys' sort keys begin with.
    pub(crate) const API_KEYS: &str = "KEY#key_";
    /// What recoveries' sort keys begin with.
    pub(crate) const RECOVERIES: &str = "RECOVERY#rcv_";
    /// What a recovery's sort key begins with, before its id.
    pub(crate) const RECOVERY: &str = "RECOVERY#";
    /// What the sort keys of workers' webhooks begin with. They sort behind all else of a project:
    /// there may be very many, and reads of its subscriptions leave them out.
    pub(crate) const WORKERS: &str = "WORKER#";

    /// An item whose sort key is its id.
    pub(crate) fn id(id: impl ToString + Copy) -> String {
        id.to_string()
    }

    /// An endpoint.
    pub(crate) fn endpoint(id: EndpointId) -> String {
        format!("EP#{id}")
    }

    /// A worker's webhook.
    pub(crate) fn worker(worker_id: &str) -> String {
        format!("{WORKERS}{worker_id}")
    }

    /// An automation.
    pub(crate) fn automation(id: AutomationId) -> String {
        format!("AUTO#{id}")
    }

    /// A topic of the project's own.
    pub(crate) fn topic(name: &Topic) -> String {
        format!("{TOPICS}{name}")
    }

    /// An API key, in its project's partition.
    pub(crate) fn api_key(id: KeyId) -> String {
        format!("KEY#{id}")
    }

    /// A recovery.
    pub(crate) fn recovery(id: RecoveryId) -> String {
        format!("{RECOVERY}{id}")
    }

    /// Of which resource a budget is.
    pub(crate) fn budget(resource: Resource) -> String {
        resource.name().to_owned()
    }

    /// What the sort keys of viewers' places begin with.
    pub(crate) const VIEWERS: &str = "VIEW#";

    /// A viewer's place.
    pub(crate) fn viewer(number: u32) -> String {
        format!("{VIEWERS}{number}")
    }

    /// An hour.
    pub(crate) fn hour(since: Timestamp) -> String {
        format!("{:010}", since.seconds())
    }

    /// When the hour of a row began; `None` if it is another row.
    pub(crate) fn hour_of(sk: &str) -> Option<Timestamp> {
        let seconds = sk.split_once('#').map_or(sk, |(seconds, _)| seconds);
        Some(Timestamp::from_seconds(seconds.parse().ok()?))
    }

    /// What a process has refused in an hour.
    pub(crate) fn refusals(hour_since: Timestamp, process: u64) -> String {
        format!("{}#{process:016x}", hour(hour_since))
    }

    /// Whether a row of an hour is about refusals.
    pub(crate) fn is_of_refusals(sk: &str) -> bool {
        sk.contains('#')
    }

    /// A report.
    pub(crate) fn report(report: ReportKey) -> String {
        format!("{}#{}", report.topic.name(), report.since.seconds())
    }

    /// The topic of a report, and when its minute began; `None` if it is another row.
    pub(crate) fn topic_and_minute(sk: &str) -> Option<(SystemTopic, Timestamp)> {
        let (topic, seconds) = sk.split_once('#')?;
        Some((SystemTopic::named(topic)?, Timestamp::from_seconds(seconds.parse().ok()?)))
    }

    /// Entries of a report, which come after so many others; what all of theirs begin with.
    pub(crate) fn entries(report_key: ReportKey, before: Option<usize>) -> String {
        let before = before.map(|before| format!("{before:03}")).unwrap_or_default();
        format!("{}#{before}", report(report_key))
    }

    /// What the sort keys of an event's deliveries begin with.
    pub(crate) fn of_event(event: EventId) -> String {
        format!("{event}#")
    }

    /// The delivery of an event to an endpoint.
    pub(crate) fn delivery(event: EventId, endpoint: EndpointId) -> String {
        format!("{}{endpoint}", of_event(event))
    }
}

/// The lists of the state table's index.
pub(crate) mod lists {
    use domain::{
        id::{EndpointId, EventId, ProjectId, RecoveryId},
        system_event::ReportKey,
        time::Timestamp,
    };
    use sha2::{Digest, Sha256};

    use super::{pk, sk};

    /// The index.
    pub(crate) const INDEX: &str = "lists";
    /// Lists that share what is due: a partition of an index takes 1,000 writes a second.
    pub(crate) const DUE: u8 = 16;

    /// One of the lists of what is due.
    pub(crate) fn due(place: u8) -> String {
        format!("due#{place}")
    }

    /// The list in which a row stands while it is due: always the same.
    pub(crate) fn due_of(pk: &str, sk: &str) -> String {
        due(Sha256::digest(format!("{pk}|{sk}"))[0] % DUE)
    }

    /// One shard of an endpoint's parked deliveries.
    pub(crate) fn parked(project: ProjectId, endpoint: EndpointId, shard: u8) -> String {
        format!("parked#{project}#{endpoint}#{shard}")
    }

    /// One shard of a project's failed deliveries.
    pub(crate) fn failed(project: ProjectId, shard: u8) -> String {
        format!("failed#{project}#{shard}")
    }

    /// Takes the key of a delivery apart; `None` if it is another row's.
    pub(crate) fn delivery(pk: &str, sk: &str) -> Option<(ProjectId, EventId, EndpointId)> {
        let (project, _) = pk.strip_prefix(pk::DELIVERIES)?.split_once('#')?;
        let (event, endpoint) = sk.split_once('#')?;
        Some((project.parse().ok()?, event.parse().ok()?, endpoint.parse().ok()?))
    }

    /// What a row of a list of what is due is about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum DueRow {
        /// The circuit of an endpoint.
        Circuit(ProjectId, EndpointId),
        /// A recovery of an endpoint.
        Recovery(ProjectId, EndpointId, RecoveryId),
        /// A delivery of an event to an endpoint.
        Delivery(ProjectId, EventId, EndpointId),
        /// What a project is to be told of.
        Report(ReportKey),
        /// What a project has used in the hour that began then.
        Usage(ProjectId, Timestamp),
    }

    /// Takes the key of a row in a list apart; `None` if newer code has written it.
    pub(crate) fn row(pk: &str, sk: &str) -> Option<DueRow> {
        let owner = |rest: &str| {
            let (project, endpoint) = rest.split_once('#')?;
            Some((project.parse().ok()?, endpoint.parse().ok()?))
        };
        if let Some((project, event, endpoint)) = delivery(pk, sk) {
            return Some(DueRow::Delivery(project, event, endpoint));
        }
        if let (Some(rest), sk::CIRCUIT) = (pk.strip_prefix(pk::CIRCUITS), sk) {
            let (project, endpoint) = owner(rest)?;
            return Some(DueRow::Circuit(project, endpoint));
        }
        if let Some(project) = pk.strip_prefix(pk::NEWS) {
            let (topic, since) = sk::topic_and_minute(sk)?;
            return Some(DueRow::Report(ReportKey {
                project: project.parse().ok()?,
                topic,
                since,
            }));
        }
        if let Some(project) = pk.strip_prefix(pk::USAGE) {
            return Some(DueRow::Usage(project.parse().ok()?, sk::hour_of(sk)?));
        }
        let (project, endpoint) = owner(pk.strip_prefix(pk::RECOVERIES)?)?;
        let id = sk.strip_prefix(sk::RECOVERY)?.parse().ok()?;
        Some(DueRow::Recovery(project, endpoint, id))
    }

    #[cfg(test)]
    mod tests {
        use domain::time::Timestamp;

        use super::*;

        #[test]
        fn the_keys_of_listed_rows_can_be_taken_apart_again() {
            let now = Timestamp::from_seconds(1);
            let (project, endpoint) = (ProjectId::new(now, 1), EndpointId::new(now, 2));
            let recovery = RecoveryId::new(now, 3);
            assert_eq!(
                row(&pk::circuit(project, endpoint), sk::CIRCUIT),
                Some(DueRow::Circuit(project, endpoint))
            );
            assert_eq!(
                row(&pk::recoveries(project, endpoint), &sk::recovery(recovery)),
                Some(DueRow::Recovery(project, endpoint, recovery))
            );
            let topic = domain::system_event::SystemTopic::DeliveryFailed;
            let report = ReportKey { project, topic, since: now };
            let (pk, sk) = (pk::news(project), sk::report(report));
            assert_eq!(row(&pk, &sk), Some(DueRow::Report(report)));
            assert_eq!(row(&pk, &sk::entries(report, Some(10))), None);
            let (pk, sk) = (pk::usage(project), sk::hour(now));
            assert_eq!(row(&pk, &sk), Some(DueRow::Usage(project, now)));
            let event = EventId::new(now, 4);
            assert_eq!(
                delivery(&pk::deliveries(project, 7), &sk::delivery(event, endpoint)),
                Some((project, event, endpoint))
            );
            assert_eq!(
                row(&pk::deliveries(project, 7), &sk::delivery(event, endpoint)),
                Some(DueRow::Delivery(project, event, endpoint))
            );
            assert_eq!(pk::project_of_events(&pk::events(project, 7)), Some(project));
            assert_eq!(pk::project_of_events(&pk::late_events(project)), None);
            for (pk, sk) in [("", ""), ("D#x#1", "y"), (pk::RUNS, sk::RUN), ("C#x#y", "C")] {
                assert_eq!(row(pk, sk), None, "{pk} {sk}");
            }
        }

        #[test]
        fn what_is_due_is_spread_over_all_lists() {
            let lists: std::collections::BTreeSet<_> =
                (0..1_000).map(|number| due_of(&format!("C#{number}"), "C")).collect();
            assert_eq!(lists.len(), usize::from(DUE));
        }
    }
}
