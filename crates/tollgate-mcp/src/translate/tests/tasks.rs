use super::*;

const LEGACY: &str =
    r#"{"taskId":"t","status":"working","ttl":60000,"pollInterval":50,"createdAt":"c","x":1}"#;

#[test]
fn tasks_of_2025_11_25_become_the_extensions() {
    for (task, expected) in [
        (
            LEGACY,
            r#"{"ttlMs":60000,"pollIntervalMs":50,"taskId":"t","status":"working","createdAt":"c","x":1}"#,
        ),
        (r#"{"taskId":"t","ttl":null}"#, r#"{"ttlMs":null,"taskId":"t"}"#),
        (
            r#"{"taskId":"t","_meta":{"io.modelcontextprotocol/related-task":{}}}"#,
            r#"{"ttlMs":null,"taskId":"t"}"#,
        ),
    ] {
        assert_eq!(task_to_modern(&object(task)).text(), expected);
    }
    let made = task_made(&object(&format!(r#"{{"task":{LEGACY}}}"#))).unwrap();
    assert_eq!(made.kind, ResultType::Task);
    assert_eq!(made.object.string("taskId").as_deref(), Some("t"));
    assert!(task_made(&object(r#"{"content":[]}"#)).is_none());
    assert!(task_made(&object(r#"{"task":{"status":"working"}}"#)).is_none());
}

#[test]
fn the_extensions_tasks_become_those_of_2025_11_25() {
    for (task, expected) in [
        (
            r#"{"resultType":"complete","taskId":"t","status":"working","ttlMs":7,"pollIntervalMs":5,"inputRequests":{}}"#,
            r#"{"ttl":7,"pollInterval":5,"taskId":"t","status":"working"}"#,
        ),
        (
            r#"{"taskId":"t","status":"completed","ttlMs":null,"result":{"isError":true}}"#,
            r#"{"ttl":null,"taskId":"t","status":"failed"}"#,
        ),
        (
            r#"{"taskId":"t","status":"completed","result":{"content":[]},"_meta":{"io.modelcontextprotocol/serverInfo":{},"x":1}}"#,
            r#"{"ttl":null,"taskId":"t","status":"completed","_meta":{"x":1}}"#,
        ),
    ] {
        assert_eq!(task_to_legacy(&object(task)).text(), expected);
    }
    // There and back again.
    assert_eq!(
        task_to_legacy(&task_to_modern(&object(LEGACY))).text(),
        r#"{"ttl":60000,"pollInterval":50,"taskId":"t","status":"working","createdAt":"c","x":1}"#
    );
}

#[test]
fn messages_name_their_task() {
    let related = r#""io.modelcontextprotocol/related-task":{"taskId":"t\"1"}"#;
    for (message, expected) in [
        ("{}", format!(r#"{{"_meta":{{{related}}}}}"#)),
        (r#"{"_meta":{"x":1},"a":2}"#, format!(r#"{{"_meta":{{{related},"x":1}},"a":2}}"#)),
    ] {
        assert_eq!(text(related_to_task(message.to_owned().into(), "t\"1")), expected);
    }
}

#[test]
fn the_extension_is_offered_to_agents_of_2025_11_25_in_their_way() {
    let offers = object(
        r#"{"capabilities":{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}},"supportedVersions":[]}"#,
    );
    let without = object(r#"{"capabilities":{"tools":{},"extensions":{"com.example/x":{}}}}"#);
    assert!(offers_tasks(&offers) && !offers_tasks(&without));
    let info = Bytes::from_static(b"{}");
    let told = |discover: &Object, revision| text(initialize_result(discover, revision, &info));
    assert!(
        told(&offers, L4).contains(r#""tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}"#)
    );
    assert!(!told(&offers, L3).contains("tasks") && !told(&without, L4).contains("tasks"));
}
