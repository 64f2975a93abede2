//! Questions for operators through the real program: webhooks, their links, the status page, the command.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails where it stands"
)]

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tollgate_testkit::agent::{Agent, Setup};
use tollgate_testkit::fake::{Kind, Script, Server};
use tollgate_testkit::gateway::Running;
use tollgate_testkit::json::Json;

const KEY: &str = "tgk_scenario_alice_0123456789abcdef0123456789abcdef";
const SECRET: &str = "a webhook's secret, not a long one";
const PATIENCE: Duration = Duration::from_secs(10);

/// A request as it came: its first line and headers, and its body.
type Received = (String, String);

/// Answers 500 to the first request and 200 to every other one.
async fn receiver() -> (String, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut status = "500 Internal Server Error";
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = read(&mut stream).await;
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            status = "200 OK";
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}/hook"), received)
}

async fn read(stream: &mut TcpStream) -> Received {
    let mut text = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        text.extend_from_slice(&chunk[..read]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if read == 0 || length.is_some_and(|length: usize| body.len() >= length) {
                return (head.to_owned(), body.to_owned());
            }
        }
        assert!(read > 0, "the connection broke off");
    }
}

/// A request as a browser sends it: status line and body.
async fn browse(url: &str, method: &str, headers: &str, body: &str) -> Received {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

struct Bench {
    gateway: Running,
    agent: Agent,
    server: Server,
    hooks: mpsc::UnboundedReceiver<Received>,
}

async fn bench(shape: &str) -> Bench {
    let server = Server::start(Kind::ModernHttp, Script::default()).await.unwrap();
    let (hook, hooks) = receiver().await;
    let config = json!({
        "servers": { "files": { "url": server.url() } },
        "agents": { "alice": { "keys": ["${env:ALICE}"] } },
        "hidden": "keep",
        "policy": { "default": "allow", "rules": [{ "id": "deletes", "ask": "files/delete_*", "of": "operators" }] },
        "approvals": { "webhooks": [{ "url": hook, "secret": "${env:HOOK}", "shape": shape }] },
    });
    let env = [("ALICE".to_owned(), KEY.to_owned()), ("HOOK".to_owned(), SECRET.to_owned())];
    let gateway =
        Running::start(env!("CARGO_BIN_EXE_tollgate").as_ref(), Json::from(config), &env).await.unwrap();
    let setup = Setup { key: Some(KEY.to_owned()), ..Setup::modern() };
    let agent = Agent::http(&gateway.url("/mcp"), setup).await.unwrap();
    Bench { gateway, agent, server, hooks }
}

fn hmac(key: &[u8], message: &str) -> String {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new_with_prefix(block.map(|b| b ^ 0x36)).chain_update(message).finalize();
    let outer = Sha256::new_with_prefix(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

fn arguments(path: &str) -> Json {
    Json::object().with("path", path)
}

#[tokio::test]
async fn a_webhook_is_signed_retried_and_its_links_answer_on_post_only() {
    let mut bench = bench("generic").await;
    let mut call = bench.agent.call("files_delete_file", arguments("/tmp/<a>"));
    let first = tokio::time::timeout(PATIENCE, bench.hooks.recv()).await.unwrap().unwrap();
    // The first one was answered with 500: it comes again.
    let (head, body) = tokio::time::timeout(PATIENCE, bench.hooks.recv()).await.unwrap().unwrap();
    let without_links = |body: &str| serde_json::from_str::<Value>(body).unwrap()["question"].clone();
    assert_eq!(without_links(&first.1), without_links(&body));
    let stamp = header(&head, "tollgate-timestamp");
    let signature = format!("v1={}", hmac(SECRET.as_bytes(), &format!("{stamp}.{body}")));
    assert_eq!(header(&head, "tollgate-signature"), signature);

    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(message["question"]["tool"], "files/delete_file");
    assert_eq!(message["question"]["args"], json!({ "path": "/tmp/<a>" }));
    let link = message["links"]["approve"].as_str().unwrap();

    // A preview is a GET: it shows, and decides nothing.
    for method in ["GET", "HEAD", "GET"] {
        let (status, page) = browse(link, method, "", "").await;
        assert!(status.contains("200"), "{status}");
        assert!(!page.contains("/tmp/<a>"), "{page}");
        assert!(method == "HEAD" || page.contains("/tmp/&lt;a&gt;"), "{page}");
    }
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let foreign = format!("{form}origin: http://evil.example\r\n");
    let (status, _) = browse(link, "POST", &foreign, "").await;
    assert!(status.contains("403"), "{status}");
    let (status, _) = browse(&link[..link.len() - 1], "POST", form, "").await;
    assert!(status.contains("404"), "{status}");
    assert!(bench.server.take_calls(0, Duration::from_millis(100)).await.is_empty());

    let own = link.split('/').nth(2).unwrap();
    let (status, _) = browse(link, "POST", &format!("{form}origin: http://{own}\r\n"), "").await;
    assert!(status.contains("200"), "{status}");
    assert_eq!(call.reply(PATIENCE).await.unwrap().text().unwrap(), "deleted");
    // It works once.
    let (status, _) = browse(link, "POST", form, "").await;
    assert!(status.contains("409"), "{status}");
    let (status, _) = browse(message["links"]["deny"].as_str().unwrap(), "POST", form, "note=no").await;
    assert!(status.contains("409"), "{status}");
    assert_eq!(bench.server.take_calls(1, PATIENCE).await.len(), 1);
    let entry = bench.gateway.ledger().await.unwrap().pop().unwrap();
    assert_eq!(entry.at(&["approval", "via"]).and_then(Json::as_str), Some("webhook"));
}

#[tokio::test]
async fn slack_gets_its_shape_and_a_no_with_a_note_reaches_the_agent() {
    let mut bench = bench("slack").await;
    let mut call = bench.agent.call("files_delete_file", arguments("/tmp/`<!channel>`"));
    tokio::time::timeout(PATIENCE, bench.hooks.recv()).await.unwrap().unwrap();
    let (_, body) = tokio::time::timeout(PATIENCE, bench.hooks.recv()).await.unwrap().unwrap();
    let message: Value = serde_json::from_str(&body).unwrap();
    let text = message["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!channel>"), "{text}");
    let deny = message["blocks"][1]["elements"][2]["url"].as_str().unwrap();
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let (status, _) = browse(deny, "POST", form, "note=not+today").await;
    assert!(status.contains("200"), "{status}");
    let reply = call.reply(PATIENCE).await.unwrap();
    assert!(reply.text().unwrap().contains("not today"), "{reply:?}");
    assert!(bench.server.take_calls(0, Duration::from_millis(100)).await.is_empty());
}

/// The links of the question that a webhook is told of.
async fn links(hooks: &mut mpsc::UnboundedReceiver<Received>) -> Value {
    let (_, body) = tokio::time::timeout(PATIENCE, hooks.recv()).await.unwrap().unwrap();
    let message: Value = serde_json::from_str(&body).unwrap();
    message["links"].clone()
}

#[tokio::test]
async fn links_of_two_operators_are_two_people_and_of_their_groups() {
    let server = Server::start(Kind::ModernHttp, Script::default()).await.unwrap();
    let (ana, mut to_ana) = receiver().await;
    let (ben, mut to_ben) = receiver().await;
    let (cyd, mut to_cyd) = receiver().await;
    let (all, mut to_all) = receiver().await;
    let operator = |group: &str, key: &str| json!({ "groups": [group], "keys": [format!("${{env:{key}}}")] });
    let hook = |url: &str, name: &str| json!({ "url": url, "secret": "${env:HOOK}", "operator": name });
    let config = json!({
        "servers": { "files": { "url": server.url() } },
        "agents": { "alice": { "keys": ["${env:ALICE}"] } },
        "operators": {
            "ana": operator("platform", "ANA"), "ben": operator("platform", "BEN"), "cyd": operator("sales", "CYD"),
        },
        "policy": { "default": "allow", "rules": [
            { "id": "deletes", "ask": "files/delete_*", "of": "group:platform", "count": 2 },
        ] },
        "approvals": { "webhooks": [
            hook(&ana, "ana"), hook(&ben, "ben"), hook(&cyd, "cyd"), { "url": all, "secret": "${env:HOOK}" },
        ] },
    });
    let key = |name: &str| (name.to_owned(), format!("{name}_key_0123456789abcdef0123456789abcdef"));
    let env = [
        ("ALICE".to_owned(), KEY.to_owned()),
        ("HOOK".to_owned(), SECRET.to_owned()),
        key("ANA"),
        key("BEN"),
        key("CYD"),
    ];
    let gateway =
        Running::start(env!("CARGO_BIN_EXE_tollgate").as_ref(), Json::from(config), &env).await.unwrap();
    let setup = Setup { key: Some(KEY.to_owned()), ..Setup::modern() };
    let agent = Agent::http(&gateway.url("/mcp"), setup).await.unwrap();
    let mut call = agent.call("files_delete_file", arguments("/tmp/a"));

    // Who is not of the group, and a place that is nobody's own, get the link to the console only.
    for hooks in [&mut to_cyd, &mut to_all] {
        let links = links(hooks).await;
        assert!(links["approve"].is_null() && links["deny"].is_null(), "{links}");
        assert!(links["question"].as_str().unwrap().contains("/console/approvals/"), "{links}");
    }
    let (by_ana, by_ben) = (links(&mut to_ana).await, links(&mut to_ben).await);
    let link = |links: &Value| links["approve"].as_str().unwrap().to_owned();
    let (_, page) = browse(&link(&by_ana), "GET", "", "").await;
    assert!(page.contains("You answer as <b>ana</b>"), "{page}");

    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let (status, page) = browse(&link(&by_ana), "POST", form, "").await;
    assert!(status.contains("200") && page.contains("Somebody else"), "{status}\n{page}");
    let (status, _) = browse(&link(&by_ana), "POST", form, "").await;
    assert!(status.contains("409"), "one person counts once: {status}");
    assert!(server.take_calls(0, Duration::from_millis(100)).await.is_empty());
    let (status, page) = browse(&link(&by_ben), "POST", form, "").await;
    assert!(status.contains("200") && page.contains("<h1>Approved</h1>"), "{status}\n{page}");
    assert_eq!(call.reply(PATIENCE).await.unwrap().text().unwrap(), "deleted");
    assert_eq!(server.take_calls(1, PATIENCE).await.len(), 1);
    let entry = gateway.ledger().await.unwrap().pop().unwrap();
    assert_eq!(entry.at(&["approval", "by"]).and_then(Json::as_str), Some("ana, ben"));
}

#[tokio::test]
async fn where_nothing_listens_the_command_works_on_the_state() {
    let mut bench = bench("generic").await;
    bench.gateway.stop(PATIENCE).await.unwrap();
    let env: Vec<_> =
        bench.gateway.env().iter().cloned().chain([("TOLLGATE_KEY".to_owned(), KEY.to_owned())]).collect();
    let agent = Agent::stdio(&bench.gateway.stdio_command(), &env, Setup::modern()).await.unwrap();
    let mut call = agent.call("files_delete_file", arguments("/tmp/a"));
    let id = loop {
        let (code, out, err) = bench.gateway.run(&["approvals", "--json"]).await.unwrap();
        assert_eq!(code, Some(0), "{err}");
        match out.lines().next() {
            Some(line) => {
                break serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
            }
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let (code, _, err) = bench.gateway.run(&["approvals", "approve", &id]).await.unwrap();
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(call.reply(PATIENCE).await.unwrap().text().unwrap(), "deleted");
}

#[tokio::test]
async fn the_command_lists_shows_answers_and_revokes() {
    let bench = bench("generic").await;
    let mut call = bench.agent.call("files_delete_file", arguments("/srv/a\u{202e}"));
    let run = async |words: &[&str]| bench.gateway.run(words).await.unwrap();
    let question = loop {
        let (code, out, err) = run(&["approvals", "--json"]).await;
        assert_eq!(code, Some(0), "{err}");
        match out.lines().next() {
            Some(line) => break serde_json::from_str::<Value>(line).unwrap(),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let id = question["id"].as_str().unwrap();
    let (_, table, _) = run(&["approvals", "list"]).await;
    assert!(table.contains(&id[..8]) && table.contains("files/delete_file"), "{table}");
    let (_, shown, _) = run(&["approvals", "show", &id[..6]]).await;
    assert!(shown.contains("path: \"/srv/a\\u{202e}\""), "{shown}");

    // The status page is on the agents' listener, needs no key, and tells no arguments.
    let (status, page) = browse(&bench.gateway.url(&format!("/approval/{id}")), "GET", "", "").await;
    assert!(status.contains("200") && page.contains("waits") && !page.contains("/srv"), "{status} {page}");
    let (status, _) = browse(&bench.gateway.url(&format!("/approval/{id}")), "POST", "", "").await;
    assert!(status.contains("405"), "{status}");
    let (status, _) = browse(&bench.gateway.url("/approval/other"), "GET", "", "").await;
    assert!(status.contains("404"), "{status}");
    // An agent's key opens nothing of the operators'.
    let path = format!("/api/v1/approvals/{id}/approve");
    let (status, _) = bench.gateway.admin(Some(KEY), hyper::Method::POST, &path, "{}".into()).await.unwrap();
    assert_eq!(status, 401);

    let (code, _, err) = run(&["approvals", "approve", id, "--pattern", "nonsense"]).await;
    assert!(code == Some(1) && err.contains("no condition"), "{err}");
    let (code, out, err) =
        run(&["approvals", "approve", &id[..6], "--pattern", "path like /srv/*", "--for", "8h"]).await;
    assert!(code == Some(0) && out.contains("approved"), "{out} {err}");
    assert_eq!(call.reply(PATIENCE).await.unwrap().text().unwrap(), "deleted");
    let mut again = bench.agent.call("files_delete_file", arguments("/srv/b"));
    assert_eq!(again.reply(PATIENCE).await.unwrap().text().unwrap(), "deleted");

    let (_, grants, _) = run(&["approvals", "grants", "--json"]).await;
    let grant: Value = serde_json::from_str(grants.trim()).unwrap();
    let (code, _, err) = run(&["approvals", "revoke", grant["id"].as_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{err}");
    let mut third = bench.agent.call("files_delete_file", arguments("/srv/c"));
    loop {
        let (code, _, _) = run(&["approvals", "deny", ".", "--note", "no"]).await;
        assert_eq!(code, Some(1));
        let (_, out, _) = run(&["approvals", "--json"]).await;
        if let Some(line) = out.lines().next() {
            let question: Value = serde_json::from_str(line).unwrap();
            assert_eq!(question["shown"][0]["change"], "changed");
            let (code, _, err) =
                run(&["approvals", "deny", question["id"].as_str().unwrap(), "--note", "enough"]).await;
            assert_eq!(code, Some(0), "{err}");
            break;
        }
    }
    assert!(third.reply(PATIENCE).await.unwrap().text().unwrap().contains("enough"));
    assert_eq!(bench.server.take_calls(2, PATIENCE).await.len(), 2);
}
