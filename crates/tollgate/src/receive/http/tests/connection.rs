use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{modern_body, modern_headers, send, until, world, world_with};

async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset is an end, too.
    let _ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

fn raw(body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: */*\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn dripping_headers_are_cut_off_but_an_idle_connection_is_not() {
    let world = world_with(|settings| settings.limits.header_read = Duration::from_millis(100)).await;
    let mut silent = TcpStream::connect(world.address()).await.unwrap();
    let mut dripping = TcpStream::connect(world.address()).await.unwrap();
    dripping.write_all(b"POST /mcp HTTP/1.1\r\nhost: ").await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut dripping).await, "");

    let mut kept = TcpStream::connect(world.address()).await.unwrap();
    for _ in 0..2 {
        kept.write_all(raw(&modern_body("tools/list", "")).as_bytes()).await.unwrap();
        let mut chunk = [0; 4096];
        let read = kept.read(&mut chunk).await.unwrap();
        assert!(chunk[..read].starts_with(b"HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    kept.write_all(b"POST /mcp").await.unwrap();
    assert_eq!(rest(&mut kept).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_the_end() {
    let world = world_with(|settings| settings.limits.idle = Duration::from_millis(100)).await;
    let mut kept = TcpStream::connect(world.address()).await.unwrap();
    kept.write_all(raw(&modern_body("tools/list", "")).as_bytes()).await.unwrap();
    assert!(rest(&mut kept).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_dripping_body_is_cut_off() {
    let world = world_with(|settings| settings.limits.body_read = Duration::from_millis(100)).await;
    let mut slow = TcpStream::connect(world.address()).await.unwrap();
    let text = raw(&modern_body("tools/list", ""));
    slow.write_all(&text.as_bytes()[..text.len() - 5]).await.unwrap();
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 408"));
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_off() {
    let world = world_with(|settings| settings.limits.write_stall = Duration::from_millis(100)).await;
    let body = modern_body("tools/call", r#""name":"big","#);
    let text = raw(&body).replace("mcp-method: tools/list", "mcp-method: tools/call\r\nmcp-name: big");
    let mut deaf = TcpStream::connect(world.address()).await.unwrap();
    // Enough answers to fill every buffer on the way.
    for _ in 0..200 {
        deaf.write_all(text.as_bytes()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(rest(&mut deaf).await.len() < 200 * 300_000);
}

/// The connection is the stream's from then on: what was asked before is answered whole, what comes after is for nobody.
#[tokio::test]
async fn a_stream_that_stands_ends_its_connection() {
    let world = world().await;
    let listen = raw(&modern_body("subscriptions/listen", r#""notifications":{},"#))
        .replace("mcp-method: tools/list", "mcp-method: subscriptions/listen");
    let big = raw(&modern_body("tools/call", r#""name":"big","#))
        .replace("mcp-method: tools/list", "mcp-method: tools/call\r\nmcp-name: big");
    let mut peer = TcpStream::connect(world.address()).await.unwrap();
    // All at once, and read late: the first answer does not fit into the buffers on its way.
    for _ in 0..20 {
        peer.write_all(big.as_bytes()).await.unwrap();
    }
    peer.write_all(listen.as_bytes()).await.unwrap();
    peer.write_all(raw(&modern_body("tools/list", "")).as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut text = Vec::new();
    let mut chunk = vec![0; 65_536];
    while !String::from_utf8_lossy(&text).contains("subscriptions/acknowledged") {
        let read =
            tokio::time::timeout(Duration::from_secs(5), peer.read(&mut chunk)).await.unwrap().unwrap();
        assert!(read > 0, "it ended");
        text.extend_from_slice(&chunk[..read]);
    }
    world.fake.over.send(()).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned() + &rest(&mut peer).await;
    assert_eq!(text.matches("HTTP/1.1 200").count(), 21, "nothing is answered behind it");
    let (_, stream) = text.rsplit_once("HTTP/1.1 ").unwrap();
    let (head, body) = stream.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("200 OK\r\n") && head.contains("\r\nconnection: close"), "{head}");
    assert!(head.contains("\r\ndate: Tue, 28 Jul 2026 ") && head.contains("\r\ntransfer-encoding: chunked"));
    assert!(body.contains("\"resultType\":\"complete\"") && body.ends_with("\r\n0\r\n\r\n"), "{body}");
}

#[tokio::test]
async fn oversized_heads_are_refused() {
    let world = world().await;
    let large = "x".repeat(40 * 1024);
    assert_eq!(world.post(&[("x-large", &large)], "{}").await.status, 431);
    let mut many = TcpStream::connect(world.address()).await.unwrap();
    let headers = "x-one: 1\r\n".repeat(150);
    many.write_all(format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").as_bytes())
        .await
        .unwrap();
    assert!(rest(&mut many).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn hosts_must_be_single() {
    let world = world().await;
    for head in [
        "POST /mcp HTTP/1.1\r\n",
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n",
        "POST http://localhost/mcp HTTP/1.1\r\nhost: localhost\r\n",
    ] {
        let mut stream = TcpStream::connect(world.address()).await.unwrap();
        stream
            .write_all(format!("{head}connection: close\r\ncontent-length: 0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let text = rest(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 400"), "{head}: {text}");
    }
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight() {
    let world = world().await;
    let address = world.address();
    let slow = tokio::spawn(async move {
        let mut headers = modern_headers("tools/call", "slow");
        headers.extend_from_slice(&super::MEDIA);
        send(address, http::Method::POST, "/mcp", &headers, &modern_body("tools/call", r#""name":"slow","#))
            .await
    });
    let mut idle = TcpStream::connect(address).await.unwrap();
    until("the call has arrived", || !world.fake.seen.lock().unwrap().is_empty()).await;
    assert!(world.server.drain(Duration::from_secs(3)).await);
    assert_eq!(slow.await.unwrap().status, 200);
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn draining_answers_what_was_sent_before_it() {
    let world = world().await;
    let text = raw(&modern_body("tools/list", ""));
    let mut kept = TcpStream::connect(world.address()).await.unwrap();
    kept.write_all(text.as_bytes()).await.unwrap();
    let mut chunk = [0; 4096];
    let read = kept.read(&mut chunk).await.unwrap();
    let first = String::from_utf8_lossy(&chunk[..read]).to_lowercase();
    assert!(first.starts_with("http/1.1 200") && !first.contains("connection: close"), "{first}");
    // In the backlog: one thread runs this test, so nobody has accepted it.
    let mut waiting = std::net::TcpStream::connect(world.address()).unwrap();
    std::io::Write::write_all(&mut waiting, text.as_bytes()).unwrap();
    waiting.set_nonblocking(true).unwrap();
    let mut waiting = TcpStream::from_std(waiting).unwrap();
    let drained = tokio::spawn(world.server.drain(Duration::from_secs(5)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    kept.write_all(text.as_bytes()).await.unwrap();
    for stream in [&mut kept, &mut waiting] {
        let told = rest(stream).await.to_lowercase();
        assert!(told.starts_with("http/1.1 200") && told.contains("connection: close"), "{told}");
    }
    assert!(drained.await.unwrap());
}

#[tokio::test]
async fn draining_gives_up_after_its_grace() {
    let world = world().await;
    let mut hanging = TcpStream::connect(world.address()).await.unwrap();
    let body = modern_body("tools/call", r#""name":"hang","#);
    let text = raw(&body).replace("mcp-method: tools/list", "mcp-method: tools/call\r\nmcp-name: hang");
    hanging.write_all(text.as_bytes()).await.unwrap();
    until("the call has arrived", || !world.fake.seen.lock().unwrap().is_empty()).await;
    assert!(!world.server.drain(Duration::from_millis(100)).await);
    assert_eq!(rest(&mut hanging).await, "");
    until("the call is cancelled", || world.fake.cancelled.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_forced_end_cancels_what_goes_on_without_a_connection() {
    let world = world().await;
    let session = world.session("2025-11-25", "{}").await;
    let body = super::request(1, "tools/call", r#"{"name":"hang"}"#);
    assert!(tokio::time::timeout(Duration::from_millis(100), session.post(&body)).await.is_err());
    assert_eq!(world.fake.cancelled.load(Ordering::SeqCst), 0);
    let fake = std::sync::Arc::clone(&world.fake);
    assert!(!world.server.drain(Duration::from_millis(100)).await);
    until("the call is cancelled", || fake.cancelled.load(Ordering::SeqCst) == 1).await;
}
