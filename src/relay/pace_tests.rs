//! Table tests of the windows, on a clock that stands still unless it is moved.

use tokio::time::advance;

use super::*;

fn there(key: &str) -> (Flow, Destination) {
    let destination = Destination { exchange: "e".into(), routing_key: key.into() };
    (Flow::of(&destination), destination)
}

/// A routing key of the flow `a.{key}`.
fn varying(number: usize) -> (Flow, Destination) {
    let destination = Destination { exchange: "e".into(), routing_key: format!("a.{number}").into() };
    (Flow { exchange: "e".into(), template: "a.{key}".into() }, destination)
}

/// What stands in for a channel: a message is answered in the order in which it was sent.
#[derive(Default)]
struct Line(Pace);

impl Line {
    /// As after many confirms.
    fn warm(of: &[&(Flow, Destination)]) -> Self {
        let mut line = Self::default();
        line.0.window = CHANNEL_WINDOW_MAX;
        for way in of {
            line.send(way);
            line.confirm(way, Instant::now());
            line.0.flows.get_mut(&way.0).expect("known").window = EXCHANGE_WINDOW_MAX;
        }
        line
    }

    fn permit(&mut self, way: &(Flow, Destination)) -> Permit {
        self.0.look(Instant::now());
        self.0.permit((&way.0, &way.1), Instant::now())
    }

    fn send(&mut self, way: &(Flow, Destination)) {
        self.0.sent((&way.0, &way.1), Instant::now());
    }

    fn fill(&mut self, way: &(Flow, Destination)) -> usize {
        let mut sent = 0;
        while self.permit(way) == Permit::Go {
            self.send(way);
            sent += 1;
        }
        sent
    }

    fn confirm(&mut self, way: &(Flow, Destination), sent: Instant) {
        self.0.answered((&way.0, &way.1), true, sent, Instant::now());
    }

    fn refuse(&mut self, way: &(Flow, Destination)) {
        self.0.answered((&way.0, &way.1), false, Instant::now(), Instant::now());
        self.0.refuse((&way.0, &way.1), Instant::now());
    }

    fn stuck(&self, way: &(Flow, Destination)) -> Option<Stuck> {
        self.0.stuck((&way.0, &way.1), Instant::now())
    }
}

async fn pass(ms: u64) {
    advance(Duration::from_millis(ms)).await;
}

#[tokio::test(start_paused = true)]
async fn a_fresh_channel_starts_with_one_message_and_doubles_up_to_the_budget_of_an_exchange() {
    let (mut line, way) = (Line::default(), there("a"));
    for expected in [1, 2, 4, 8, 16, 32, 64, 128, 200, 200] {
        assert_eq!(line.fill(&way), expected);
        for _ in 0..expected {
            line.confirm(&way, Instant::now());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_flows_of_an_exchange_share_its_budget_and_another_exchange_has_its_own() {
    let ways: Vec<(Flow, Destination)> = ["a", "b", "c", "d", "e"].map(there).into();
    let mut line = Line::warm(&ways.iter().collect::<Vec<_>>());
    let sent: usize = ways.iter().map(|way| line.fill(way)).sum();
    assert_eq!(sent, EXCHANGE_WINDOW_MAX);
    let destination = Destination { exchange: "f".into(), routing_key: "a".into() };
    assert_eq!(line.fill(&(Flow::of(&destination), destination)), 1);
}

#[tokio::test(start_paused = true)]
async fn what_has_stalled_makes_room_for_others_and_its_sisters_start_slowly() {
    let (silent, sister, healthy) = (there("silent"), there("sister"), there("healthy"));
    let mut line = Line::warm(&[&silent, &sister, &healthy]);
    let start = Instant::now();
    assert_eq!(line.fill(&silent), EXCHANGE_WINDOW_MAX);
    assert_eq!(line.permit(&healthy), Permit::Full);
    pass(1_100).await;
    assert_eq!(line.permit(&silent), Permit::Stalled);
    assert_eq!(line.fill(&healthy), 1, "nothing was confirmed for a while: one at a time");
    line.confirm(&healthy, Instant::now());
    assert_eq!(line.fill(&sister), 1, "it may lead to the same queue");
    assert_eq!(line.stuck(&silent), None, "it is not silent for long enough");
    pass(500).await;
    assert_eq!(line.stuck(&silent), Some(Stuck::Key));
    line.confirm(&silent, start);
    assert_eq!(line.permit(&silent), Permit::Full, "199 count again");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_slow_with_everything_has_nothing_stuck() {
    let (one, two) = (there("one"), there("two"));
    let mut line = Line::warm(&[&one, &two]);
    let first = Instant::now();
    line.send(&one);
    pass(100).await;
    let second = Instant::now();
    line.send(&two);
    pass(1_900).await;
    assert_eq!(line.permit(&two), Permit::Stalled);
    line.confirm(&one, first);
    assert_eq!(line.stuck(&two), None, "it was sent after the one that was confirmed");
    line.confirm(&two, second);
    assert_eq!(line.permit(&two), Permit::Go);
}

#[tokio::test(start_paused = true)]
async fn a_silent_routing_key_stalls_alone_while_others_of_its_flow_are_confirmed() {
    let (silent, other) = (varying(0), varying(1));
    let mut line = Line::warm(&[&silent]);
    line.send(&silent);
    for _ in 0..20 {
        pass(100).await;
        line.send(&other);
        line.confirm(&other, Instant::now());
    }
    assert_eq!((line.permit(&silent), line.permit(&other)), (Permit::Stalled, Permit::Go));
    assert_eq!((line.stuck(&silent), line.stuck(&other)), (Some(Stuck::Key), None));
}

#[tokio::test(start_paused = true)]
async fn a_flow_stalls_as_a_whole_once_three_of_its_keys_have_and_none_sent_since_was_confirmed() {
    let healthy = there("healthy");
    let mut line = Line::warm(&[&varying(0), &healthy]);
    for number in 0..3 {
        line.send(&varying(number));
    }
    assert_eq!(line.permit(&varying(9)), Permit::Go);
    pass(1_100).await;
    assert_eq!(line.permit(&varying(9)), Permit::Stalled);
    line.send(&healthy);
    line.confirm(&healthy, Instant::now());
    pass(500).await;
    assert_eq!(line.stuck(&varying(9)), Some(Stuck::Flow));
    let now = Instant::now();
    line.confirm(&varying(0), now - Duration::from_millis(1_600));
    assert_eq!(line.permit(&varying(9)), Permit::Go, "two are on their own");
}

#[tokio::test(start_paused = true)]
async fn sixteen_stalled_keys_are_as_many_as_a_flow_may_have() {
    let mut line = Line::warm(&[&varying(0)]);
    for number in 1..=17 {
        line.send(&varying(number));
    }
    pass(1_100).await;
    line.send(&varying(100));
    line.confirm(&varying(100), Instant::now());
    assert_eq!(line.permit(&varying(100)), Permit::Stalled);
}

#[tokio::test(start_paused = true)]
async fn one_message_at_a_time_goes_past_a_silent_flow_on_a_channel_that_has_confirmed_nothing() {
    let (silent, first, second) = (there("silent"), there("first"), there("second"));
    let mut line = Line::default();
    assert_eq!(line.fill(&silent), 1);
    assert_eq!(line.permit(&first), Permit::Full);
    pass(1_100).await;
    assert_eq!(line.fill(&first), 1);
    assert_eq!(line.permit(&second), Permit::Full);
    line.confirm(&first, Instant::now());
    assert_eq!(line.permit(&first), Permit::Go);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_its_routing_key_for_the_batch_and_several_in_a_row_end_the_flow() {
    let mut line = Line::warm(&[&varying(0)]);
    line.send(&varying(1));
    line.refuse(&varying(1));
    assert_eq!(line.permit(&varying(1)), Permit::Refused);
    for number in 2..=8 {
        assert_eq!(line.fill(&varying(number)), 1, "one at a time");
        line.refuse(&varying(number));
    }
    assert_eq!(line.permit(&varying(9)), Permit::Refused);
    line.0.start_batch();
    assert_eq!(line.fill(&varying(1)), 1);
}

#[tokio::test(start_paused = true)]
async fn a_confirm_that_nobody_waits_for_any_more_stands_in_nobodys_way() {
    let way = there("a");
    let mut line = Line::warm(&[&way]);
    line.send(&way);
    pass(1_100).await;
    assert_eq!(line.permit(&way), Permit::Stalled);
    line.0.give_up((&way.0, &way.1));
    assert_eq!(line.fill(&way), 1, "slowly");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_at_all_is_confirmed_what_owes_for_two_seconds_is_stuck() {
    let silent = there("silent");
    let mut line = Line::warm(&[&silent]);
    assert_eq!(line.fill(&silent), EXCHANGE_WINDOW_MAX);
    pass(1_900).await;
    assert_eq!((line.permit(&silent), line.stuck(&silent)), (Permit::Stalled, None));
    pass(200).await;
    assert_eq!(line.stuck(&silent), Some(Stuck::Key));
}
