use std::time::Duration;

use super::*;

fn outbox(change: impl FnOnce(&mut Sessions)) -> (Outbox, Arc<AtomicUsize>) {
    let mut limits = Sessions::default();
    change(&mut limits);
    let all = Arc::default();
    (Outbox::new(limits, false, Arc::clone(&all)), all)
}

fn message(text: &str) -> Rope {
    Bytes::from(format!("\"{text}\"")).into()
}

/// What a reader gets without waiting.
fn drain(outbox: &Outbox, place: Place) -> Vec<String> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut events = Vec::new();
    while let Poll::Ready(Some(event)) = outbox.poll(place, &mut cx) {
        events.push(String::from_utf8(event.into_bytes().to_vec()).unwrap());
    }
    events
}

#[tokio::test]
async fn a_log_is_bounded_in_events_and_bytes() {
    for (events, bytes) in [(10, usize::MAX), (usize::MAX, 300)] {
        let (outbox, all) = outbox(|limits| (limits.events, limits.events_bytes) = (events, bytes));
        let ticket = outbox.ticket(true);
        for n in 0..50 {
            outbox.send(ticket, message(&format!("m{n}")), 0).await;
        }
        let place = outbox.resume(&format!("{}-0", ticket.number)).unwrap();
        let read = drain(&outbox, place);
        assert!(read.len() <= 10, "{}", read.len());
        // What is left is the newest.
        assert!(read.last().unwrap().contains("m49"));
        assert!(all.load(Ordering::SeqCst) <= 400);
        drop(outbox);
        assert_eq!(all.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn all_logs_together_are_bounded() {
    let (first, all) = outbox(|limits| limits.events_bytes_all = 1000);
    let limits = Sessions { events_bytes_all: 1000, ..Sessions::default() };
    let second = Outbox::new(limits, false, Arc::clone(&all));
    for outbox in [&first, &second] {
        let ticket = outbox.ticket(true);
        for _ in 0..100 {
            outbox.send(ticket, message("0123456789"), 0).await;
        }
    }
    assert!(all.load(Ordering::SeqCst) <= 1100, "{all:?}");
    drop((first, second));
    assert_eq!(all.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_a_connected_reader_has_not_read_is_never_dropped() {
    let (outbox, _all) = outbox(|limits| limits.events = 5);
    let ticket = outbox.ticket(true);
    outbox.open(ticket, 0);
    let place = outbox.read(ticket.number);
    let mut sent = 0;
    // The maker waits instead.
    while tokio::time::timeout(Duration::from_millis(20), outbox.send(ticket, message("m"), 0)).await.is_ok()
    {
        sent += 1;
    }
    assert_eq!(sent, UNREAD_MAX);
    assert_eq!(drain(&outbox, place).len(), usize::try_from(UNREAD_MAX).unwrap());
    outbox.send(ticket, message("m"), 0).await;
    // A reader that leaves lets the maker go on.
    outbox.leave(place, 0);
    for _ in 0..100 {
        outbox.send(ticket, message("m"), 0).await;
    }
}

#[tokio::test]
async fn streams_are_forgotten_when_nobody_comes_back() {
    let (outbox, all) = outbox(|_| {});
    let (done, running) = (outbox.ticket(true), outbox.ticket(true));
    outbox.finish(done, Some(message("answer")), 0);
    outbox.send(running, message("m"), 0).await;
    outbox.forget(1000);
    assert!(outbox.resume(&format!("{}-0", done.number)).is_none());
    assert!(outbox.resume(&format!("{}-0", running.number)).is_some());
    outbox.end();
    assert!(outbox.resume(&format!("{}-0", running.number)).is_none());
    assert!(all.load(Ordering::SeqCst) > 0);
}

#[tokio::test]
async fn a_paused_reader_leaves_after_what_was_sent_before() {
    let (outbox, _all) = outbox(|_| {});
    let ticket = outbox.ticket(true);
    outbox.send(ticket, message("before"), 0).await;
    let place = outbox.read(ticket.number);
    outbox.pause(ticket, 70, 0);
    outbox.send(ticket, message("after"), 0).await;
    let read = drain(&outbox, place);
    assert_eq!(read.len(), 2, "{read:?}");
    assert!(read[0].contains("before"));
    assert_eq!(read[1], "retry: 70\n\n");
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(matches!(outbox.poll(place, &mut cx), Poll::Ready(None)));
    // Back again, it is not sent away again.
    let back = outbox.resume(&format!("{}-0", ticket.number)).unwrap();
    assert!(drain(&outbox, back)[0].contains("after"));
    assert!(outbox.poll(back, &mut cx).is_pending());
    // With the answer there, nobody is sent away.
    outbox.pause(ticket, 70, 0);
    outbox.finish(ticket, Some(message("answer")), 0);
    let read = drain(&outbox, back);
    assert!(read.len() == 1 && read[0].contains("answer"), "{read:?}");
}

#[tokio::test]
async fn the_oldest_listener_gives_way() {
    let (outbox, _all) = outbox(|_| {});
    let places: Vec<Place> = (0..=LISTENING_MAX).map(|_| outbox.listen(0).unwrap()).collect();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(matches!(outbox.poll(places[0], &mut cx), Poll::Ready(None)));
    assert!(places[1..].iter().all(|place| outbox.poll(*place, &mut cx).is_pending()));
    outbox.tell(message("news")).await;
    assert!(drain(&outbox, places[1]).is_empty());
    assert_eq!(drain(&outbox, places[LISTENING_MAX]).len(), 1);
}
