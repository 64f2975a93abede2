//! Redaction through the real program, where a scenario cannot follow: a token is different every time.

use std::time::Duration;

use tollgate_testkit::Result;
use tollgate_testkit::agent::{Agent, Setup};
use tollgate_testkit::fake::{Kind, Script, Server};
use tollgate_testkit::gateway::Running;
use tollgate_testkit::json::Json;

const PATIENCE: Duration = Duration::from_secs(20);

fn script(text: &str) -> Result<Script> {
    Script::read(&Json::parse(text)?)
}

async fn texts(agent: &Agent, tool: &str, arguments: &str) -> Result<String> {
    let reply = agent.call(tool, Json::parse(arguments)?).reply(PATIENCE).await?;
    Ok(reply.text()?.to_owned())
}

#[tokio::test]
async fn a_token_works_for_its_caller_and_for_nobody_else() -> Result<()> {
    for kind in [Kind::parse("modern-http").unwrap(), Kind::parse("legacy-http").unwrap()] {
        let crm = Server::start(
            kind,
            script(
                r#"{"tools":[{"name":"look_up","like":"echo","says":"write to ann@example.com today"}]}"#,
            )?,
        )
        .await?;
        let mail = Server::start(kind, script(r#"{"tools":[{"name":"send","like":"echo","says":"sent"}]}"#)?)
            .await?;
        let config = format!(
            r#"{{"servers":{{"crm":{{"url":"{}"}},"mail":{{"url":"{}"}}}},"identity":{{"anonymous":"off"}},
            "agents":{{"alice":{{"keys":["${{env:ALICE}}"]}},"bob":{{"keys":["${{env:BOB}}"]}}}},
            "policy":{{"default":"allow"}},"ledger":{{"payloads":"redacted"}},
            "redact":[{{"of":"crm/*","in":"results","find":["email"],"with":"token"}}]}}"#,
            crm.url(),
            mail.url()
        );
        let key = |name: &str| format!("{name}-key-{}", "0123456789abcdef".repeat(3));
        let env = [("ALICE".to_owned(), key("alice")), ("BOB".to_owned(), key("bob"))];
        let mut gateway =
            Running::start(std::path::Path::new(env!("CARGO_BIN_EXE_tollgate")), Json::parse(&config)?, &env)
                .await?;
        gateway.ready(PATIENCE).await?;
        let setup = |name: &str| Setup { key: Some(key(name)), ..Setup::modern() };
        let alice = Agent::http(&gateway.url("/mcp"), setup("alice")).await?;
        let bob = Agent::http(&gateway.url("/mcp"), setup("bob")).await?;

        let seen = texts(&alice, "crm_look_up", "{}").await?;
        let token = seen.split(' ').nth(2).unwrap().to_owned();
        assert!(token.starts_with("tgt_email_") && !seen.contains("ann@"), "{seen}");
        assert_eq!(texts(&alice, "crm_look_up", "{}").await?, seen, "one value has one token");

        let arguments = format!(r#"{{"to":"{token}","body":"dear {token}, hello"}}"#);
        assert_eq!(texts(&alice, "mail_send", &arguments).await?, "sent");
        assert_eq!(texts(&bob, "mail_send", &arguments).await?, "sent");
        let calls = mail.take_calls(2, PATIENCE).await;
        let sent = |n: usize| calls.get(n).unwrap().summary().to_string();
        assert!(
            sent(0).contains(r#""to":"ann@example.com","body":"dear ann@example.com, hello""#),
            "{}",
            sent(0)
        );
        assert!(sent(1).contains(&token) && !sent(1).contains("ann@"), "{}", sent(1));

        // Neither the ledger nor the log has the value.
        let ledger: String = gateway.ledger().await?.iter().map(ToString::to_string).collect();
        assert!(ledger.contains(&token) && !ledger.contains("ann@"), "{ledger}");
        assert!(
            ledger.contains(r#""redactions":[{"in":"result","path":"$.content[0].text","kind":"email"}]"#),
            "{ledger}"
        );
        assert!(!gateway.log().contains("ann@"));
        gateway.stop(PATIENCE).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_large_result_is_looked_through_wherever_its_chunks_end() -> Result<()> {
    for kind in [Kind::parse("modern-http").unwrap(), Kind::parse("legacy-http").unwrap()] {
        let filler = "0123456789 lines\n".repeat(20_000);
        // Terminal escapes are `\u` escapes in JSON, the others raw UTF-8.
        let hides = [("early", format!("\u{1b}[31m{filler}")), ("late", format!("{filler}\u{1b}[31m"))];
        let raw = [("first", format!("\u{200b}{filler}")), ("last", format!("{filler}ü\u{200b}"))];
        let tools: Vec<String> = hides
            .iter()
            .chain(&raw)
            .map(|(name, says)| {
                format!(
                    r#"{{"name":"{name}","like":"echo","says":{}}}"#,
                    serde_json::to_string(says).unwrap()
                )
            })
            .collect();
        let docs = Server::start(kind, script(&format!(r#"{{"tools":[{}]}}"#, tools.join(",")))?).await?;
        let config =
            format!(r#"{{"servers":{{"docs":{{"url":"{}"}}}},"policy":{{"default":"allow"}}}}"#, docs.url());
        let mut gateway =
            Running::start(std::path::Path::new(env!("CARGO_BIN_EXE_tollgate")), Json::parse(&config)?, &[])
                .await?;
        gateway.ready(PATIENCE).await?;
        let agent = Agent::http(&gateway.url("/mcp"), Setup::modern()).await?;
        for name in ["docs_early", "docs_late", "docs_first"] {
            assert!(texts(&agent, name, "{}").await? == filler, "{name} is not what it says");
        }
        assert!(texts(&agent, "docs_last", "{}").await? == format!("{filler}ü"));
        gateway.stop(PATIENCE).await?;
    }
    Ok(())
}
