//! URLs without an endpoint: each may be used only once, so those of one host share a circuit.

use domain::{
    delivery::End,
    endpoint_url::{EndpointUrl, TargetPolicy},
    id::EndpointId,
    message::{Message, SettingsSource},
    model::Origin,
};

use super::faults::World;

impl World {
    /// A message to a URL of the receiver that is down.
    fn message_to_url(&mut self, number: usize) -> Message {
        let message = self.message(1);
        let url = format!("{}{number}", self.bad.url());
        let url = EndpointUrl::parse(&url, TargetPolicy::Local).unwrap();
        let endpoint = EndpointId::of_url(message.project, url.normalised());
        Message { endpoint, via: Some(SettingsSource::url(None, url, Origin::Event)), ..message }
    }
}

#[tokio::test]
async fn urls_of_a_host_that_is_down_are_parked_together_and_released_when_one_arrives() {
    let mut world = World::start().await;
    let messages: Vec<_> = (0..14).map(|number| world.message_to_url(number)).collect();
    for message in &messages {
        assert_eq!(world.deliver(message).await.len(), 0);
    }
    let circuit = messages[0].circuit();
    let mut parked = world.parked(circuit).await;
    parked.sort();
    let expected: Vec<_> = messages[10..].iter().map(|message| message.event.id).collect();
    assert_eq!(parked, expected, "after ten failures of ten URLs");
    assert!(world.health_of(circuit).await.is_open());
    for message in &messages[..10] {
        assert_eq!(world.attempts(message).await.len(), 1);
    }

    world.bad.answer(200);
    for _ in 0..3 {
        assert!(world.step(circuit).await);
        world.take_what_jobs_sent().await;
    }
    for message in &messages[10..] {
        assert_eq!(world.started.end(message).await, Some(End::Succeeded));
    }
    assert!(world.parked(circuit).await.is_empty());
    let health = world.health_of(circuit).await;
    assert!(!health.is_open() && health.failures == 0);
}
