use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tollgate_mcp::message::{self, Message, Notification, Request};

use super::{Attached, Made, Place, Registry};
use crate::clock::Clock;
use crate::servers::Failure;

fn request(text: &str) -> Request {
    let Ok(Message::Request(request)) = message::read_server(&Bytes::from(text.to_owned())) else {
        panic!("not one")
    };
    request
}

fn log() -> Notification {
    let text = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    let Ok(Message::Notification(notification)) = message::read_server(&Bytes::from_static(text.as_bytes()))
    else {
        panic!("not one")
    };
    notification
}

fn gone(sent: bool) -> Failure {
    Failure::Unavailable { server: Arc::from("s"), why: "gone".to_owned(), sent }
}

const ASKABLE: Place = Place { askable: true, logs: false, standing: false };
const LOGS: Place = Place { askable: false, logs: true, standing: false };

#[test]
fn a_question_goes_to_the_only_one_who_can_be_asked() {
    let registry = Registry::new(true);
    let ask = || registry.ask(request(r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}"#));
    assert_eq!(ask(), Attached::Refused);
    let _list = registry.enter(1, Place::default()).expect("entered");
    assert_eq!(ask(), Attached::Refused);
    let mut call = registry.enter(2, ASKABLE).expect("entered");
    assert_eq!(ask(), Attached::Delivered);
    assert!(matches!(call.try_recv().as_deref(), Ok(Ok(Message::Request(_)))));
    let _second = registry.enter(3, ASKABLE).expect("entered");
    assert_eq!(ask(), Attached::Refused);
}

#[test]
fn what_is_said_of_an_earlier_call_is_for_its_heir_only_while_that_is_here() {
    let registry = Registry::new(true);
    drop(registry.enter(1, Place::default()).expect("entered"));
    registry.leave(1);
    registry.succeed(1, 2);
    let mut heir = registry.enter(2, Place::default()).expect("entered");
    assert!(registry.notify(1, log()).is_some(), "given back");
    assert!(heir.try_recv().is_err(), "it was not here");
    registry.succeed(1, 2);
    assert!(registry.notify(1, log()).is_none());
    assert!(matches!(heir.try_recv().as_deref(), Ok(Ok(Message::Notification(_)))));
    registry.leave(2);
    assert!(registry.lock().heirs.is_empty());
}

#[test]
fn the_tasks_that_calls_ended_with_are_known_up_to_a_number() {
    let registry = Registry::new(false);
    let made = |n: u64| Made { principal: "ana".into(), task: n.to_string().into() };
    assert_eq!(registry.made_by(1), None);
    for n in 1..=1_000 {
        registry.ended_with(n, made(n));
    }
    assert_eq!(registry.made_by(1_000), Some(made(1_000)));
    assert_eq!(registry.made_by(1), None);
    assert!(registry.lock().made.len() <= super::MADE_MAX);
}

#[test]
fn roots_wait_for_the_next_call_or_expire() {
    let registry = Registry::new(true);
    let roots = request(r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#);
    assert_eq!(registry.ask(roots.clone()), Attached::Held);
    let mut list = registry.enter(1, Place::default()).expect("entered");
    assert!(list.try_recv().is_err());
    let mut call = registry.enter(2, ASKABLE).expect("entered");
    assert!(matches!(call.try_recv().as_deref(), Ok(Ok(Message::Request(_)))));
    assert!(!registry.expire(&roots), "it has been taken");
    registry.leave(2);
    assert_eq!(registry.ask(roots.clone()), Attached::Held);
    assert!(registry.expire(&roots));
    for _ in 0..4 {
        assert_eq!(registry.ask(roots.clone()), Attached::Held);
    }
    assert_eq!(registry.ask(roots), Attached::Refused, "no more are kept");
}

#[test]
fn on_a_shared_channel_one_call_at_a_time_asks_for_log_messages() {
    let (registry, now) = (Registry::new(false), Clock::system().instant());
    // One that must not log; the stream beside the calls; one that may.
    let mut silent = registry.enter(8, Place::default()).expect("entered");
    let _stream = registry.enter(9, Place { standing: true, ..Place::default() }).expect("entered");
    assert!(registry.may_log(1, now));
    let mut wants = registry.enter(1, LOGS).expect("entered");
    assert!(!registry.may_log(2, now), "another one's lines could not be told from its own");
    registry.log(log());
    assert!(wants.try_recv().is_ok() && silent.try_recv().is_err());
    // Answered, nothing more is said of it.
    let answer = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let Ok(Message::Response(response)) = message::read_server(&answer) else { panic!() };
    assert!(registry.answer(response));
    assert!(registry.may_log(2, now));
    let mut next = registry.enter(2, LOGS).expect("entered");
    // Given up, its server may still speak of it: for nobody, for a while.
    registry.leave(2);
    assert!(!registry.may_log(3, now));
    registry.log(log());
    assert!(next.try_recv().is_err() && silent.try_recv().is_err());
    assert!(!registry.may_log(3, now + Duration::from_millis(900)));
    assert!(registry.may_log(3, now + Duration::from_secs(1)));
    let mut third = registry.enter(3, LOGS).expect("entered");
    registry.log(log());
    assert!(third.try_recv().is_ok() && silent.try_recv().is_err());
}

#[test]
fn on_a_principals_own_channel_any_call_may_ask_for_log_messages() {
    let (registry, now) = (Registry::new(true), Clock::system().instant());
    assert!(registry.may_log(1, now) && registry.may_log(2, now));
    let mut wants = registry.enter(1, LOGS).expect("entered");
    let _other = registry.enter(2, Place::default()).expect("entered");
    registry.log(log());
    assert!(wants.try_recv().is_ok());
}

#[test]
fn a_slow_call_loses_notifications_but_never_its_answer() {
    let registry = Registry::new(true);
    let mut slow = registry.enter(1, LOGS).expect("entered");
    for _ in 0..500 {
        registry.log(log());
    }
    let answer = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let Ok(Message::Response(response)) = message::read_server(&answer) else { panic!() };
    assert!(registry.answer(response.clone()));
    assert!(!registry.answer(response), "an answer is given once");
    let mut last = None;
    while let Ok(message) = slow.try_recv() {
        last = Some(message);
    }
    assert!(matches!(last.as_deref(), Some(Ok(Message::Response(_)))));
}

#[test]
fn the_end_of_a_channel_reaches_all_and_whoever_comes_later() {
    let registry = Registry::new(false);
    let mut call = registry.enter(1, Place::default()).expect("entered");
    registry.close(gone(true));
    assert_eq!(call.try_recv().expect("told").expect_err("failed"), gone(true));
    assert_eq!(registry.enter(2, Place::default()).expect_err("closed"), gone(false));
}

#[test]
fn a_call_whose_answer_was_too_large_is_over() {
    let registry = Registry::new(true);
    let too_large = || Failure::TooLarge { server: Arc::from("s"), limit: 1 };
    let _stream = registry.enter(9, Place { standing: true, ..Place::default() }).expect("entered");
    for id in [1, 2] {
        let mut call = registry.enter(id, ASKABLE).expect("entered");
        registry.overflow(too_large());
        assert_eq!(call.try_recv().expect("told").expect_err("failed"), too_large());
        assert_eq!(registry.len(), 0);
    }
    let mut third = registry.enter(3, ASKABLE).expect("entered");
    let ask = request(r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}"#);
    assert_eq!(registry.ask(ask), Attached::Delivered, "nobody else can be asked");
    assert!(third.try_recv().is_ok());
    let _fourth = registry.enter(4, ASKABLE).expect("entered");
    registry.overflow(too_large());
    assert!(third.try_recv().is_err() && registry.len() == 2, "it may be either's");
}

#[test]
fn a_task_that_is_still_spoken_of_keeps_its_place() {
    let registry = Registry::new(false);
    let made = |n: u64| Made { principal: "ana".into(), task: n.to_string().into() };
    for n in 0..1_000 {
        registry.ended_with(n, made(n));
        assert_eq!(registry.made_by(0), Some(made(0)));
    }
    assert_eq!(registry.made_by(1), None);
    assert!(registry.lock().made.len() <= super::MADE_MAX);
}

#[test]
fn there_is_room_for_a_few_replies_that_nobody_waits_for() {
    let registry = Registry::new(true);
    let mut rooms: Vec<_> = std::iter::from_fn(|| registry.room()).take(1_000).collect();
    assert_eq!(rooms.len(), super::UNASKED_MAX);
    rooms.pop();
    assert!(registry.room().is_some());
}
