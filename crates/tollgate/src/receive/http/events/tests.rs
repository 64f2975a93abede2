use super::*;

/// Events that are all ready at once.
struct Ready(Vec<Rope>);

impl Source for Ready {
    fn poll_event(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Rope>> {
        Poll::Ready(self.0.pop())
    }
}

#[tokio::test]
async fn each_event_is_flushed_before_the_next() {
    let event = |text: &str| sse::encode(None, Bytes::from(text.to_owned()).into());
    let mut events = Events::new(Box::new(Ready(vec![event("2"), event("1")])), Duration::from_secs(1));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for text in ["1", "2"] {
        let Poll::Ready(Some(chunk)) = events.poll_chunk(&mut cx) else { panic!("no event") };
        assert_eq!(chunk, event(text).into_bytes(), "one event is one chunk");
        assert!(events.poll_chunk(&mut cx).is_pending(), "a pause, so that the connection is flushed");
    }
    assert!(matches!(events.poll_chunk(&mut cx), Poll::Ready(None)));
}

#[tokio::test]
async fn a_large_event_is_not_copied() {
    let large = Bytes::from("x".repeat(100_000));
    let event = sse::encode(None, large.clone().into());
    let mut events = Events::new(Box::new(Ready(vec![event])), Duration::from_secs(1));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut shared = false;
    while let Poll::Ready(Some(chunk)) = events.poll_chunk(&mut cx) {
        shared |= chunk.as_ptr() == large.as_ptr();
    }
    assert!(shared);
}
