use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;
use tollgate_mcp::object::Object;

use super::{Said, said};
use crate::servers::{Notice, Progress};

#[tokio::test]
async fn progress_is_for_the_task_of_its_own_principal() {
    let (tell, told) = broadcast::channel(8);
    let mut told = Some(told);
    for (principal, task, step) in [("eve", "t", 1), ("ana", "u", 2), ("ana", "t", 3)] {
        let params = Object::scan(Bytes::from(format!(r#"{{"progress":{step}}}"#))).expect("params");
        let progress = Progress { principal: principal.into(), task: task.into(), params };
        tell.send(Notice::Progress(Box::new(progress))).expect("heard");
    }
    let Said::Progress(params) = said(&mut told, "ana", "t").await else { panic!("another thing") };
    assert_eq!(params.slice("progress"), Some(b"3".as_slice()));
    let more = tokio::time::timeout(Duration::from_millis(50), said(&mut told, "ana", "t")).await;
    assert!(more.is_err(), "nothing else is ana's");
}
