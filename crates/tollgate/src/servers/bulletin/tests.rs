use std::time::Duration;

use bytes::Bytes;
use tollgate_mcp::message::{self, Message};
use tollgate_mcp::object::Object;

use super::Bulletin;
use crate::servers::registry::Made;
use crate::servers::{Listing, Notice};

fn say(bulletin: &std::sync::Arc<Bulletin>, text: &str) -> bool {
    let Ok(Message::Notification(notification)) = message::read_server(&Bytes::from(text.to_owned())) else {
        panic!("not one")
    };
    bulletin.take(&notification)
}

#[tokio::test]
async fn a_flood_is_told_once_a_second_and_its_last_drop_is_not_lost() {
    let bulletin = Bulletin::new();
    let mut told = bulletin.listen();
    for _ in 0..1_000 {
        assert!(say(&bulletin, r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#));
    }
    assert!(matches!(told.try_recv(), Ok(Notice::Changed(Listing::Tools))));
    assert!(told.try_recv().is_err());
    let later = tokio::time::timeout(Duration::from_secs(2), told.recv()).await.expect("in time");
    assert!(matches!(later, Ok(Notice::Changed(Listing::Tools))));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(told.try_recv().is_err(), "nothing changed since");
}

#[tokio::test]
async fn resources_stand_for_templates_too_and_all_else_is_not_told() {
    let bulletin = Bulletin::new();
    let mut told = bulletin.listen();
    say(&bulletin, r#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#);
    assert!(matches!(told.try_recv(), Ok(Notice::Changed(Listing::Resources))));
    assert!(matches!(told.try_recv(), Ok(Notice::Changed(Listing::Templates))));
    say(&bulletin, r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a:b"}}"#);
    assert!(matches!(told.try_recv(), Ok(Notice::Updated(uri)) if uri == "a:b"));
    assert!(!say(&bulletin, r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#));
    for n in 0..5_000 {
        say(
            &bulletin,
            &format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"a:{n}"}}}}"#
            ),
        );
    }
    assert!(bulletin.recent.lock().expect("lock").len() <= super::TOPICS_MAX);
}

#[tokio::test]
async fn of_a_tasks_progress_the_latest_is_told_once_a_second_and_nothing_long() {
    let bulletin = Bulletin::new();
    let mut told = bulletin.listen();
    let step = |text: String| {
        let params = Object::scan(Bytes::from(text)).expect("params");
        bulletin.progressed(Made { principal: "ana".into(), task: "t".into() }, params);
    };
    step(format!(r#"{{"progress":0,"message":"{}"}}"#, "x".repeat(super::PROGRESS_MAX)));
    assert!(told.try_recv().is_err());
    for n in 1..=500 {
        step(format!(r#"{{"progress":{n}}}"#));
    }
    let mut next = async |wanted: &str| {
        let told = tokio::time::timeout(Duration::from_secs(2), told.recv()).await.expect("in time");
        let Ok(Notice::Progress(told)) = told else { panic!("{told:?}") };
        assert_eq!((&*told.principal, &*told.task), ("ana", "t"));
        assert_eq!(told.params.slice("progress"), Some(wanted.as_bytes()));
    };
    next("1").await;
    next("500").await;
}

#[tokio::test]
async fn a_change_of_a_resource_with_a_very_long_uri_is_not_told() {
    let bulletin = Bulletin::new();
    let mut told = bulletin.listen();
    let updated = |length: usize| {
        let uri = "a".repeat(length);
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#
        )
    };
    assert!(say(&bulletin, &updated(super::URI_MAX + 1)));
    assert!(told.try_recv().is_err());
    assert!(say(&bulletin, &updated(super::URI_MAX)));
    assert!(matches!(told.try_recv(), Ok(Notice::Updated(_))));
}
