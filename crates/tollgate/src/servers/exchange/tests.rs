use std::time::Duration;

use super::Limit;
use crate::clock::Clock;
use crate::config::Timeout;

const SECOND: Duration = Duration::from_secs(1);

fn limit() -> (std::time::Instant, Limit) {
    let start = Clock::system().instant();
    (start, Limit::new(start, Timeout { start: SECOND, call: SECOND * 10, idle: SECOND * 4 }))
}

#[test]
fn a_silent_call_has_its_time_and_no_more() {
    let (start, limit) = limit();
    assert_eq!(limit.deadline(), Some(start + SECOND * 10));
}

#[test]
fn signs_of_life_carry_a_call_on_to_ten_times_its_time() {
    let (start, mut limit) = limit();
    limit.touch(start + SECOND * 2);
    assert_eq!(limit.deadline(), Some(start + SECOND * 10), "an early sign takes nothing away");
    limit.touch(start + SECOND * 9);
    assert_eq!(limit.deadline(), Some(start + SECOND * 13));
    limit.touch(start + SECOND * 99);
    assert_eq!(limit.deadline(), Some(start + SECOND * 100));
}

#[test]
fn a_humans_time_does_not_count() {
    let (start, mut limit) = limit();
    limit.touch(start + SECOND * 8);
    limit.pause(start + SECOND * 9);
    assert_eq!(limit.deadline(), None);
    limit.pause(start + SECOND * 50);
    limit.resume(start + SECOND * 609);
    assert_eq!(limit.deadline(), Some(start + SECOND * 612));
}
