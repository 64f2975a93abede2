//! `tollgate policy test` through the real program: a case is judged as the call would be.

use std::process::Command;

const CONFIG: &str = r#"
servers: { files: { url: "http://127.0.0.1:9/mcp" } }
reason: { required: ["files/*"] }
policy:
  default: allow
  rules:
    - { id: no-idling, deny: "files/*", when: reason like "*nothing*" }
    - { id: no-etc, deny: "files/*", when: args.path like "/etc/*" }
"#;

const CASE: &str = r#"
```json tools
{ "files/read": { "inputSchema": { "type": "object", "properties": { "path": { "type": "string" } }, "additionalProperties": false } } }
```
```text calls
alice files/read {"path": "/srv/a", "tollgate_reason": "to quote it"} -> allow
alice files/read {"path": "/srv/a", "tollgate_reason": "for nothing"} -> deny no-idling
alice files/read {"path": "/etc/a", "tollgate_reason": "to quote it"} -> deny no-etc
alice files/read {"path": "/srv/a", "tollgate_reason": " "}           -> invalid
alice files/read {"path": "/srv/a"}                                   -> invalid
```
"#;

#[test]
fn a_case_states_its_reason_as_a_call_does() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tollgate.yaml"), CONFIG).unwrap();
    std::fs::write(folder.path().join("case.md"), CASE).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["policy", "test", "case.md"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}{err}");
    assert!(out.contains("5 calls, all as expected"), "{out}{err}");
}
