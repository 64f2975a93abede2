//! Bad servers beside good ones. *Never* asks of a bad one more than that it hurts nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::raw::{Conn, call, modern};
use super::rude::{Act, Dialect, Heard, Manner, Rude, tool};
use super::{Setting, hold, listener, percentile, resident, until};
use crate::fake::{Kind, Script, Server};
use crate::gateway::Running;
use crate::json::Json;
use crate::wire::rpc;
use crate::{Failure, Result};

/// How long the bad ones may take: short, so that the test is.
fn limits() -> serde_json::Value {
    json!({ "start": "1s", "call": "1s", "idle": "1s" })
}

/// Misbehaves when `tool` is called.
fn when_called(act: impl Fn(&Heard) -> Act + Send + Sync + 'static) -> Manner {
    Arc::new(move |heard| (heard.method == "tools/call").then(|| act(heard)))
}

fn listing(tools: impl Fn() -> Json + Send + Sync + 'static) -> Manner {
    Arc::new(move |heard| {
        let list = || Json::object().with("tools", tools()).with("resultType", "complete");
        let list = || list().with("ttlMs", 0_u64).with("cacheScope", "private");
        (heard.method == "tools/list").then(|| Act::Result(list()))
    })
}

/// Good tools among what nobody could call.
fn garbage() -> Json {
    Json::from(json!([
        tool("good"), 7, null, "tool", [], {}, { "name": 7 }, { "name": "" }, { "name": "x".repeat(100_000) },
        { "name": "no-schema" }, { "name": "bad-schema", "inputSchema": "all of it" },
        { "name": "deep", "inputSchema": deep(100) }, tool("good"), { "name": "\u{0}\u{1b}[31m", "inputSchema": {} },
        { "name": "long", "description": "y".repeat(1_000_000), "inputSchema": { "type": "object" } },
        tool("fine"),
    ]))
}

fn deep(levels: usize) -> serde_json::Value {
    (0..levels).fold(json!({}), |inner, _| json!({ "properties": { "x": inner } }))
}

/// Nine bad servers.
struct Bad {
    rude: Vec<(&'static str, Rude)>,
    restless: Server,
    awake: Arc<AtomicBool>,
}

impl Bad {
    async fn start(good: &str) -> Result<Self> {
        let there = good.to_owned();
        let many = Json::Array((0..50_000).map(|n| tool(&format!("tool{n}")).into()).collect());
        let awake = Arc::new(AtomicBool::new(false));
        let sleeping = Arc::clone(&awake);
        let manners: [(&'static str, Manner); 7] = [
            ("hangs", Arc::new(move |_| (!sleeping.load(Ordering::Relaxed)).then_some(Act::Hang))),
            ("many", listing(move || many.clone())),
            ("garbage", listing(garbage)),
            ("floods", when_called(|_| Act::Flood(1 << 30))),
            ("drips", when_called(|_| Act::Drip(Duration::from_millis(50)))),
            (
                "mixes",
                when_called(|_| Act::Text(rpc::result(Json::from(424_242), Json::object()).to_string())),
            ),
            ("redirects", when_called(move |_| Act::Redirect(there.clone()))),
        ];
        let mut rude = Vec::new();
        for (alias, manner) in manners {
            rude.push((alias, Rude::start(Dialect::Modern, manner).await?));
        }
        Ok(Self { rude, restless: Server::start(Kind::ModernHttp, Script::default()).await?, awake })
    }

    fn config(&self) -> Json {
        let mut servers = Json::object();
        for (alias, rude) in &self.rude {
            servers.set(alias, Json::from(rude.config(&[])).with("timeout", limits()));
        }
        let crashing = json!({ "command": ["sh", "-c", "exit 3"], "timeout": limits() });
        servers.with("crashes", crashing).with("restless", json!({ "url": self.restless.url() }))
    }

    /// Changes its tools over and over.
    async fn never_rest(&self) -> Result<()> {
        for change in 0_u64.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let named = |n: u64| json!({ "name": format!("tool{n}"), "like": "echo" });
            let tools = Json::from(json!({ "tools": [named(change), named(change + 1)] }));
            self.restless.rescript(Script::read(&tools)?);
        }
        Ok(())
    }
}

pub(super) async fn run(setting: Setting) -> Result<String> {
    let good = Server::start(Kind::ModernHttp, Script::default()).await?;
    let bad = Bad::start(&good.url()).await?;
    let policy = json!({ "default": "allow" });
    let servers = bad.config().with("good", json!({ "url": good.url() }));
    let alone = json!({ "servers": { "good": { "url": good.url() } }, "policy": policy });
    let alone = Running::start(&setting.binary, alone.into(), &[]).await?;
    let among = Json::object().with("servers", servers).with("policy", policy);
    let among = Running::start(&setting.binary, among, &[]).await?;
    let run = compare(&setting, &alone, &among, &bad, &good);
    tokio::select! {
        report = run => report.map_err(|failure| {
            Failure::new(format!("{failure}\n--- the gateway's log\n{}", tail(&among.log())))
        }),
        ended = bad.never_rest() => { ended?; Err("the restless server rests".into()) }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
}

async fn compare(
    setting: &Setting,
    alone: &Running,
    among: &Running,
    bad: &Bad,
    good: &Server,
) -> Result<String> {
    let began = Instant::now();
    let mut conn = Conn::open(&listener(among)).await?;
    let mut lists = Vec::new();
    let mut names = Vec::new();
    for id in 0..20 {
        let start = Instant::now();
        let got = conn.ask(&modern(id, "tools/list", Json::object())).await?;
        lists.push(start.elapsed());
        let message = got.message()?;
        let tools = message.at(&["result", "tools"]).map(Json::elements).unwrap_or_default();
        names = tools.iter().filter_map(|tool| tool.text("name")).map(ToOwned::to_owned).collect();
    }
    let list = percentile(&mut lists, 50);
    // A machine that does much else slows down some of them, never the quickest quarter.
    let quick = percentile(&mut lists, 25);
    let usual = lists_of(alone).await?;
    // Without optimisation, reading the bad lists alone keeps a core busy.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 100 });
    hold(quick < usual * 10 + limit, || {
        format!("a list took {quick:?} (p25), {list:?} (p50); {usual:?} alone")
    })?;
    for wanted in ["good_echo", "garbage_good", "garbage_fine", "floods_poke", "drips_poke", "mixes_poke"] {
        hold(names.iter().any(|name| name == wanted), || format!("`{wanted}` is not listed: {names:?}"))?;
    }
    for missing in ["many_", "hangs_", "crashes_"] {
        hold(!names.iter().any(|name| name.starts_with(missing)), || {
            format!("a `{missing}` tool is listed")
        })?;
    }
    // Once each, to see what an agent is told; then beside the timed calls, as fast as they fail.
    let outcomes = [
        ("floods", "result.too_large"),
        ("drips", "server.timeout"),
        ("mixes", "server.unavailable"),
        ("redirects", "server.unavailable"),
    ];
    for (server, code) in outcomes {
        let got = conn.ask(&call(1, &format!("{server}_poke"), json!({}))).await?;
        let refusal = got.refusal();
        hold(refusal.as_deref() == Some(code), || {
            format!("{server}: {refusal:?}, not {code}: {}", got.body)
        })?;
    }
    let redirected = good.received().iter().filter(|heard| heard.method == "tools/call").count();
    hold(redirected == 0, || "a redirect was followed".to_owned())?;
    marked(among).await?;

    // The bad servers as they are; then called all the time, too.
    let (quiet, beside) = in_turns(setting, alone, among).await?;
    hold(beside < quiet * 2 + Duration::from_millis(50), || {
        format!("p99 {beside:?} among bad servers that nobody calls, {quiet:?} alone")
    })?;
    let poked = AtomicU64::new(0);
    let background = async {
        let all = outcomes.map(|(server, _)| poke(among, server, &poked));
        let [a, b, c, d] = all;
        let ended = tokio::join!(a, b, c, d);
        ended.0.and(ended.1).and(ended.2).and(ended.3)
    };
    let (calm, stormy) = tokio::select! {
        timed = in_turns(setting, alone, among) => timed?,
        ended = background => { ended?; return Err("the pokes ended".into()) }
    };
    // The bad servers run here, too, and flood this machine's cores: the ratio is reported, a stall is a failure.
    hold(stormy < Duration::from_millis(500), || {
        format!("p99 {stormy:?} among bad servers, {calm:?} alone")
    })?;
    let garbage = bad.rude.iter().find(|(alias, _)| *alias == "garbage").map(|(_, rude)| rude.heard());
    let asked = garbage.into_iter().flatten().filter(|heard| heard.method == "tools/list").count();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap_or(usize::MAX);
    hold(asked <= 2 * seconds + 4, || {
        format!("its lists are old at once, and so it was asked {asked} times in {seconds} s")
    })?;
    let memory = resident(among)? / (1 << 20);
    hold(memory < 256, || format!("{memory} MiB resident"))?;

    // What was asleep comes back by itself.
    bad.awake.store(true, Ordering::Relaxed);
    let back = until("the server that hung is listed and answers", Duration::from_secs(30), || async {
        let mut conn = Conn::open(&listener(among)).await?;
        let got = conn.ask(&call(1, "hangs_poke", json!({ "text": "good morning" }))).await?;
        Ok(got.text().is_ok_and(|text| text == "good morning"))
    })
    .await?;
    let poked = poked.load(Ordering::Relaxed);
    Ok(format!(
        "a list in {list:?}; p99 {beside:?} among nine bad servers, {quiet:?} alone; {stormy:?} while they are called ({poked} calls), {calm:?} \
         alone; {memory} MiB; back after {back:?}"
    ))
}

/// The 99th percentile of calls alone, and among the bad servers. In turns, so that both meet the same machine.
async fn in_turns(setting: &Setting, alone: &Running, among: &Running) -> Result<(Duration, Duration)> {
    let (mut calm, mut stormy) = (Vec::new(), Vec::new());
    let (mut one, mut other) = (Conn::open(&listener(alone)).await?, Conn::open(&listener(among)).await?);
    for _ in 0..setting.scale.calls / 20 {
        time(&mut one, 20, &mut calm).await?;
        time(&mut other, 20, &mut stormy).await?;
    }
    Ok((percentile(&mut calm, 99), percentile(&mut stormy, 99)))
}

/// How long a list takes, for the quickest quarter.
async fn lists_of(gateway: &Running) -> Result<Duration> {
    let mut conn = Conn::open(&listener(gateway)).await?;
    let mut times = Vec::new();
    for id in 0..20 {
        let start = Instant::now();
        conn.ask(&modern(id, "tools/list", Json::object())).await?;
        times.push(start.elapsed());
    }
    Ok(percentile(&mut times, 25))
}

/// What is missing is marked, and says why.
async fn marked(gateway: &Running) -> Result<()> {
    let (_, out, err) = gateway.run(&["servers", "--json"]).await?;
    let states = Json::parse_many(&out)?;
    for (alias, health) in
        [("hangs", &["starting", "down"][..]), ("crashes", &["starting", "down"]), ("many", &["ready"])]
    {
        let state = states.iter().find(|state| state.text("server") == Some(alias));
        let state = state.ok_or_else(|| Failure::new(format!("no `{alias}` in {out}{err}")))?;
        let says = state.text("health").unwrap_or_default();
        hold(health.contains(&says), || format!("{alias} is {says}"))?;
        let why = state.text("error").unwrap_or_default();
        hold(says == "starting" || !why.is_empty(), || {
            format!("nothing says why {alias} is missing: {state}")
        })?;
    }
    Ok(())
}

/// Calls a bad server's tool over and over.
async fn poke(gateway: &Running, server: &str, poked: &AtomicU64) -> Result<()> {
    let mut conn = Conn::open(&listener(gateway)).await?;
    loop {
        conn.ask(&call(1, &format!("{server}_poke"), json!({}))).await?;
        poked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn time(conn: &mut Conn, calls: usize, times: &mut Vec<Duration>) -> Result<()> {
    for call_id in 0..calls {
        let start = Instant::now();
        let request =
            call(u64::try_from(call_id).unwrap_or_default(), "good_echo", json!({ "text": "hello" }));
        let got = conn.ask(&request).await?;
        hold(got.text()? == "hello", || got.body.clone())?;
        times.push(start.elapsed());
    }
    Ok(())
}

/// Lists, but answers no call: after a few it is left alone, says so, and is tried again.
pub(super) async fn silent(setting: Setting) -> Result<String> {
    let awake = Arc::new(AtomicBool::new(false));
    let sleeping = Arc::clone(&awake);
    let manner: Manner = Arc::new(move |heard| {
        (heard.method == "tools/call" && !sleeping.load(Ordering::Relaxed)).then_some(Act::Hang)
    });
    let silent = Rude::start(Dialect::Modern, manner).await?;
    let server = Json::from(silent.config(&[]))
        .with("timeout", json!({ "start": "5s", "call": "200ms", "idle": "200ms" }));
    let config = Json::object()
        .with("servers", Json::object().with("silent", server))
        .with("policy", json!({ "default": "allow" }));
    let gateway = Running::start(&setting.binary, config, &[]).await?;
    let mut conn = Conn::open(&listener(&gateway)).await?;
    let mut quick = 0;
    for id in 0..10 {
        let start = Instant::now();
        let refusal = conn.ask(&call(id, "silent_poke", json!({}))).await?.refusal();
        match refusal.as_deref() {
            Some("server.timeout") => {}
            Some("server.unavailable") => {
                hold(start.elapsed() < Duration::from_millis(200), || "a refusal was slow".to_owned())?;
                quick += 1;
            }
            other => return Err(Failure::new(format!("{other:?}"))),
        }
    }
    let reached = silent.calls().len();
    hold(quick >= 4 && reached <= 6, || format!("{reached} of 10 calls reached it, {quick} were refused"))?;
    let (_, out, _) = gateway.run(&["servers", "--json"]).await?;
    hold(out.contains("\"down\"") && out.contains("not answered in time"), || format!("unmarked: {out}"))?;
    awake.store(true, Ordering::Relaxed);
    let back = until("it is tried again", Duration::from_secs(15), || async {
        let mut conn = Conn::open(&listener(&gateway)).await?;
        Ok(conn.ask(&call(1, "silent_poke", json!({ "text": "back" }))).await?.text().is_ok())
    })
    .await?;
    Ok(format!("{reached} of 10 calls reached a silent server; it was back after {back:?}"))
}
