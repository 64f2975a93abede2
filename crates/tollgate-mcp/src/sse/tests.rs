use proptest::prelude::*;

use super::*;
use crate::rope::Rope;

fn all(decoder: &mut Decoder) -> Result<Vec<Event>, TooLarge> {
    let mut events = Vec::new();
    while let Some(event) = decoder.next()? {
        events.push(event);
    }
    Ok(events)
}

/// Everything that comes out of these chunks, and the error that ended it.
fn decoded(chunks: &[&[u8]], limit: usize) -> (Vec<Event>, Option<TooLarge>) {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn data(text: &'static str) -> Event {
    Event { data: Bytes::from_static(text.as_bytes()), ..Event::default() }
}

#[test]
fn events_are_read() {
    for (stream, events) in [
        ("data: a\n\n", vec![data("a")]),
        ("data:a\r\n\r\n", vec![data("a")]),
        ("data: a\r\rdata: b\r\r", vec![data("a"), data("b")]),
        ("data:  a \n\n", vec![data(" a ")]),
        ("\u{feff}data: a\n\n", vec![data("a")]),
        ("\n\n\u{feff}data: a\n\n", vec![]),
        (": hi\n:\n\ndata: a\n: hi\ndata: b\n\n", vec![data("a\nb")]),
        ("data\ndata:\ndata\n\n", vec![data("\n\n")]),
        ("data\n\n", vec![]),
        ("event: x\n\ndata: a\n\n", vec![data("a")]),
        ("data: unfinished", vec![]),
        ("data: unfinished\n", vec![]),
        ("other: x\nDATA: x\ndata : x\n\n", vec![]),
        (
            "event: endpoint\ndata: /m?id=1\n\n",
            vec![Event { event: Some("endpoint".into()), ..data("/m?id=1") }],
        ),
        (
            "id: 7\nretry: 500\ndata: \n\n",
            vec![Event { id: Some("7".into()), retry: Some(500), ..Event::default() }],
        ),
        ("id\ndata: a\n\n", vec![Event { id: Some(String::new()), ..data("a") }]),
        (
            "id: a\0b\nretry: 5x\nretry: -1\nretry: 99999999999999999999999\nretry:\ndata: a\n\n",
            vec![data("a")],
        ),
        ("data: a:b\n\n", vec![data("a:b")]),
    ] {
        assert_eq!(decoded(&[stream.as_bytes()], 1000), (events, None), "{stream:?}");
    }
}

#[test]
fn a_single_line_shares_its_chunk() {
    let chunk = Bytes::from_static(b"event: message\ndata: {\"a\":1}\n\n");
    let mut decoder = Decoder::new(100);
    decoder.feed(chunk.clone());
    let event = decoder.next().unwrap().unwrap();
    assert_eq!(event.data, "{\"a\":1}");
    assert!(chunk.as_ptr_range().contains(&event.data.as_ptr()));
}

#[test]
fn too_large_is_final_and_holds_nothing() {
    let mut decoder = Decoder::new(20);
    decoder.feed(Bytes::from_static(b"data: ok\n\ndata: 0123456789\ndata: 0123456789\n\ndata: ok\n\n"));
    assert_eq!(decoder.next().unwrap().unwrap().data, "ok");
    assert_eq!(decoder.next(), Err(TooLarge { limit: 20 }));
    decoder.feed(Bytes::from_static(b"\n\ndata: ok\n\n"));
    assert_eq!(decoder.next(), Err(TooLarge { limit: 20 }));

    // A line that never ends.
    let mut decoder = Decoder::new(20);
    for _ in 0..5 {
        decoder.feed(Bytes::from_static(b": 234"));
    }
    assert_eq!(decoder.next(), Err(TooLarge { limit: 20 }));
    // Many small events are no large one.
    let many = "data: 0123456789\n: 0123456789\n\n".repeat(50);
    assert_eq!(decoded(&[many.as_bytes()], 30).0.len(), 50);
}

#[test]
fn messages_are_written_as_events() {
    let written = |id, message: &'static str| {
        String::from_utf8(encode(id, message.into()).into_bytes().to_vec()).unwrap()
    };
    assert_eq!(written(None, "{}"), "event: message\ndata: {}\n\n");
    assert_eq!(written(Some("a\r\nb\0"), "{}"), "event: message\nid: ab\ndata: {}\n\n");
    assert_eq!(written(Some("1"), ""), "id: 1\ndata: \n\n");
    assert_eq!(
        written(None, "{\r\n\"a\":\n\r1}"),
        "event: message\ndata: {\ndata: \"a\":\ndata: \ndata: 1}\n\n"
    );
}

#[test]
fn a_line_break_split_over_pieces_is_one() {
    let mut message = Rope::from("{\r");
    message.append("\n}".into());
    assert_eq!(encode(None, message).into_bytes(), "event: message\ndata: {\ndata: }\n\n");
}

#[test]
fn keep_alives_are_silent() {
    assert_eq!(decoded(&[KEEP_ALIVE, b"data: a\n\n"], 10), (vec![data("a")], None));
}

fn pieces(text: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| text[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same(
        lines in proptest::collection::vec(
            prop_oneof![Just(String::new()), "(data|id|event|retry|x)?:? ?[0-9a:é]{0,8}", Just("\u{feff}data: a".to_owned())],
            0..24,
        ),
        ends in proptest::collection::vec(prop_oneof![Just("\n"), Just("\r"), Just("\r\n")], 24),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        limit in 1..60_usize,
    ) {
        let stream: String = lines.iter().zip(ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
        let whole = decoded(&[stream.as_bytes()], limit);
        let cut = pieces(stream.as_bytes(), &cuts);
        let cut: Vec<&[u8]> = cut.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(&decoded(&cut, limit), &whole);
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        prop_assert_eq!(&decoded(&bytes, limit), &whole);
    }

    #[test]
    fn what_is_written_is_read_back(
        messages in proptest::collection::vec("[a-z{}\" \n\r:é]{1,40}", 1..6),
        id in proptest::option::of("[a-z0-9 :]{0,10}"),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut decoder = Decoder::new(1000);
        let mut expected = Vec::new();
        for message in &messages {
            // The message itself comes in pieces, too.
            let mut rope = Rope::new();
            for piece in pieces(message.as_bytes(), &cuts) {
                rope.push(piece);
            }
            decoder.feed(encode(id.as_deref(), rope).into_bytes());
            let data = Bytes::from(message.replace("\r\n", "\n").replace('\r', "\n"));
            expected.push(Event { event: Some("message".into()), id: id.clone(), retry: None, data });
        }
        prop_assert_eq!(all(&mut decoder).unwrap(), expected);
    }

    #[test]
    fn noise_never_panics(noise: Vec<Vec<u8>>, limit in 0..64_usize) {
        let chunks: Vec<&[u8]> = noise.iter().map(Vec::as_slice).collect();
        decoded(&chunks, limit);
    }
}
