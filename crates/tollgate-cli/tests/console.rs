//! The console through the real program, without a browser: who gets in, what a form must bring, what a page says and to whom.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tollgate_testkit::agent::{Agent, Pending, Setup};
use tollgate_testkit::fake::{Kind, Script, Server};
use tollgate_testkit::gateway::Running;
use tollgate_testkit::json::Json;

const ALICE: &str = "tgk_scenario_alice_0123456789abcdef0123456789abcdef";
const ANA: &str = "tgk_scenario_ana_0123456789abcdef0123456789abcdef01";
const BEN: &str = "tgk_scenario_ben_0123456789abcdef0123456789abcdef01";
const PATIENCE: Duration = Duration::from_secs(10);

struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Someone at a browser.
#[derive(Default)]
struct Browser {
    host: String,
    cookie: String,
    token: String,
}

impl Browser {
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        let host =
            if headers.contains("host: ") { String::new() } else { format!("host: {}\r\n", self.host) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}connection: close\r\ncookie: other=1; {}\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.cookie,
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    /// A form, as our own page sends it.
    async fn post(&self, path: &str, form: &str) -> Answer {
        let headers = format!("{FORM}origin: http://{}\r\nsec-fetch-site: same-origin\r\n", self.host);
        self.send("POST", path, &headers, form).await
    }

    async fn answer(&self, path: &str, form: &str) -> Answer {
        self.post(path, &format!("token={}&{form}", self.token)).await
    }

    async fn sign_in(host: &str, key: &str) -> Self {
        let mut browser = Self { host: host.to_owned(), ..Self::default() };
        let answer = browser.post("/console/sign-in", &format!("key={key}&next=/console/grants")).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        assert!(answer.head.contains("location: /console/grants\r\n"), "{}", answer.head);
        let set = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        assert!(set.contains("; Path=/console; HttpOnly; SameSite=Strict; Max-Age="), "{set}");
        set.split(';').next().unwrap().clone_into(&mut browser.cookie);
        let page = browser.get("/console").await.body;
        let rest = page.split("name=\"token\" value=\"").nth(1).unwrap();
        rest.split('"').next().unwrap().clone_into(&mut browser.token);
        browser
    }
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

struct Bench {
    gateway: Running,
    agent: Agent,
    server: Server,
    host: String,
    config: serde_json::Value,
}

async fn bench() -> Bench {
    let server = Server::start(Kind::ModernHttp, Script::default()).await.unwrap();
    let config = json!({
        "servers": { "files": { "url": server.url() } },
        "agents": { "alice": { "keys": ["${env:ALICE}"] } },
        "operators": { "ana": { "keys": ["${env:ANA}"] }, "ben": { "groups": ["platform"], "keys": ["${env:BEN}"] } },
        "hidden": "keep",
        "policy": { "default": "allow", "rules": [
            { "id": "deletes", "ask": "files/delete_*", "of": "operators", "because": "<script>alert(1)</script>" },
            { "id": "echoes", "ask": "files/echo", "of": "group:platform" },
        ] },
        "approvals": { "hold": "30s" },
    });
    let env =
        [("ALICE", ALICE), ("ANA", ANA), ("BEN", BEN)].map(|(name, key)| (name.to_owned(), key.to_owned()));
    let gateway = Running::start(env!("CARGO_BIN_EXE_tollgate").as_ref(), Json::from(config.clone()), &env)
        .await
        .unwrap();
    let setup = Setup { key: Some(ALICE.to_owned()), ..Setup::modern() };
    let agent = Agent::http(&gateway.url("/mcp"), setup).await.unwrap();
    let host = gateway.admin_url("/").split('/').nth(2).unwrap().to_owned();
    Bench { gateway, agent, server, host, config }
}

impl Bench {
    /// Calls, and waits until the question is in the inbox: its address.
    async fn ask(&mut self, browser: &Browser, tool: &str, path: &str) -> (Pending, String) {
        let call = self.agent.call(tool, Json::object().with("path", path));
        for _ in 0..200 {
            let page = browser.get("/console/waiting").await.body;
            if let Some(rest) = page.split("href=\"/console/approvals/").nth(1) {
                return (call, format!("/console/approvals/{}", rest.split('"').next().unwrap()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no question came");
    }
}

#[tokio::test]
async fn only_an_operators_key_opens_the_console_and_only_while_it_is_one() {
    let mut bench = bench().await;
    let stranger = Browser { host: bench.host.clone(), ..Browser::default() };
    for path in [
        "/console",
        "/console/waiting",
        "/console/approvals/x",
        "/console/grants",
        "/console/pins",
        "/console/pin?of=a/b",
    ] {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.body.contains("name=\"key\"") && !answer.body.contains("files"), "{path}");
    }
    // Neither as a header: a page's session is a cookie, and an agent's key is nothing here.
    for key in [ALICE, ANA] {
        let headers = format!("authorization: Bearer {key}\r\n");
        assert_eq!(stranger.send("GET", "/console", &headers, "").await.status, 401);
    }
    for key in [ALICE, "", "x"] {
        let answer = stranger.post("/console/sign-in", &format!("key={key}")).await;
        assert_eq!(answer.status, 401);
        assert!(!answer.head.contains("set-cookie"), "{}", answer.head);
    }
    // A page elsewhere is not where signing in leads.
    let answer = stranger.post("/console/sign-in", &format!("key={ANA}&next=//evil.example/console")).await;
    assert!(answer.head.contains("location: /console\r\n"), "{}", answer.head);

    let ana = Browser::sign_in(&bench.host, ANA).await;
    assert_eq!(ana.get("/console").await.status, 200);
    // The session is no credential of the API.
    assert_eq!(ana.get("/api/v1/approvals").await.status, 401);
    let copy = Browser { host: ana.host.clone(), cookie: ana.cookie.clone(), token: ana.token.clone() };
    assert_eq!(ana.answer("/console/sign-out", "").await.status, 303);
    assert_eq!(copy.get("/console").await.status, 401);

    let ana = Browser::sign_in(&bench.host, ANA).await;
    bench.config["operators"].as_object_mut().unwrap().remove("ana");
    assert!(bench.gateway.reload(Json::from(bench.config.clone())).await.unwrap());
    assert_eq!(ana.get("/console").await.status, 401);
    bench.gateway.stop(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_form_needs_our_origin_our_host_and_this_sessions_token() {
    let mut bench = bench().await;
    let (ana, ben) = (Browser::sign_in(&bench.host, ANA).await, Browser::sign_in(&bench.host, BEN).await);
    let (mut call, question) = bench.ask(&ana, "files_delete_file", "/srv/a").await;
    let approve = format!("{question}/approve");
    let good = format!("token={}&scope=once", ana.token);

    for form in
        ["scope=once".to_owned(), format!("token={}&scope=once", ben.token), "token=&scope=once".to_owned()]
    {
        assert_eq!(ana.post(&approve, &form).await.status, 403, "{form}");
    }
    let own = format!("http://{}", bench.host);
    for headers in [
        String::new(),
        "origin: http://evil.example\r\n".to_owned(),
        "origin: null\r\n".to_owned(),
        format!("origin: {own}1\r\n"),
        format!("origin: {own}\r\nsec-fetch-site: same-site\r\n"),
        format!("origin: {own}\r\nsec-fetch-site: cross-site\r\n"),
    ] {
        let answer = ana.send("POST", &approve, &format!("{FORM}{headers}"), &good).await;
        assert_eq!(answer.status, 403, "{headers}");
    }
    let rebound = "host: evil.example\r\norigin: http://evil.example\r\n";
    assert_eq!(ana.send("POST", &approve, &format!("{FORM}{rebound}"), &good).await.status, 421);
    assert_eq!(ana.send("GET", "/console", "host: evil.example\r\n", "").await.status, 421);
    for path in [approve.clone(), format!("{question}/deny"), format!("{approve}?{good}")] {
        assert_eq!(ana.get(&path).await.status, 405, "{path}");
    }
    assert!(bench.server.take_calls(1, Duration::from_millis(100)).await.is_empty());

    assert_eq!(ana.post(&approve, &good).await.status, 303);
    assert_eq!(call.reply(PATIENCE).await.unwrap().text().unwrap(), "deleted");
    assert_eq!(bench.server.take_calls(1, PATIENCE).await.len(), 1);
    // It is answered once.
    let late = ben.answer(&format!("{question}/deny"), "note=no").await;
    assert_eq!(late.status, 409);
    assert!(late.body.contains("already"), "{}", late.body);
    let entry = bench.gateway.ledger().await.unwrap().pop().unwrap();
    assert_eq!(entry.at(&["approval", "via"]).and_then(Json::as_str), Some("console"));
    bench.gateway.stop(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn what_others_said_is_escaped_and_pages_run_nothing_of_theirs() {
    let mut bench = bench().await;
    let ana = Browser::sign_in(&bench.host, ANA).await;
    let (mut call, question) = bench
        .ask(&ana, "files_delete_file", "</textarea><img src=x onerror=alert(1)>\u{202e}\u{200b}'\"&")
        .await;
    for path in ["/console", "/console/waiting", question.as_str()] {
        let page = ana.get(path).await;
        assert!(!page.body.contains("<img src=x") && !page.body.contains("<script>alert"), "{}", page.body);
        assert!(!page.body.contains(['\u{202e}', '\u{200b}']), "{}", page.body);
        assert!(page.body.contains("\\u{202e}\\u{200b}"), "{}", page.body);
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n",
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: same-origin\r\n",
        ] {
            assert!(format!("{}\r\n", page.head).contains(header), "{header}: {}", page.head);
        }
        assert!(
            !page.body.contains(" style=") && !page.body.contains(" onclick") && !page.body.contains("://"),
            "{}",
            page.body
        );
    }
    // In the field for edits they are JSON's escapes: the same text when it comes back.
    assert!(ana.get(&question).await.body.contains("\\u202e\\u200b"));
    let denied = ana.answer(&format!("{question}/deny"), "note=no+%3Cb%3E").await;
    assert_eq!(denied.status, 303);
    assert!(ana.get(&question).await.body.contains("no &#60;b&#62;"));
    assert!(call.reply(PATIENCE).await.unwrap().text().unwrap().contains("no <b>"));
    assert!(bench.server.take_calls(1, Duration::from_millis(100)).await.is_empty());

    // A link in a chat: the browser keeps the cookie back until our own page asks.
    let headers = "sec-fetch-site: cross-site\r\n";
    let stranger = Browser { host: bench.host.clone(), ..Browser::default() };
    let page = stranger.send("GET", &question, headers, "").await;
    assert!(page.body.contains(&format!("content=\"0; url={question}\"")), "{}", page.body);
    let file = stranger.get("/console/assets/htmx.min.js").await;
    assert_eq!(file.status, 200);
    assert!(file.head.contains("content-type: text/javascript"), "{}", file.head);
    bench.gateway.stop(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_question_for_a_group_is_shown_to_all_and_answered_by_it() {
    let mut bench = bench().await;
    let (ana, ben) = (Browser::sign_in(&bench.host, ANA).await, Browser::sign_in(&bench.host, BEN).await);
    let (mut call, question) = bench.ask(&ana, "files_echo", "/srv/a").await;
    let page = ana.get(&question).await.body;
    assert!(page.contains("you are not one of them") && !page.contains("Approve once"), "{page}");
    assert_eq!(ana.answer(&format!("{question}/approve"), "scope=once").await.status, 403);
    // Words that make no sense are told, and what was typed is kept.
    let odd = ben.answer(&format!("{question}/approve"), "scope=pattern&for=1h&pattern=path+likes+x").await;
    assert_eq!(odd.status, 400);
    assert!(
        odd.body.contains("is no condition") && odd.body.contains("path likes x</textarea>"),
        "{}",
        odd.body
    );
    assert_eq!(ben.answer(&format!("{question}/approve"), "scope=everything").await.status, 400);
    assert_eq!(ben.answer(&format!("{question}/approve"), "scope=arguments&for=8h").await.status, 303);
    call.reply(PATIENCE).await.unwrap();
    let grants = ana.get("/console/grants").await.body;
    assert!(grants.contains("exactly the same arguments"), "{grants}");
    let id = grants.split("/console/grants/").nth(1).unwrap().split('/').next().unwrap();
    assert_eq!(ana.answer(&format!("/console/grants/{id}/revoke"), "").await.status, 303);
    assert_eq!(ana.answer(&format!("/console/grants/{id}/revoke"), "").await.status, 404);
    bench.gateway.stop(PATIENCE).await.unwrap();
}
