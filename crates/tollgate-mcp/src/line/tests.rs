use proptest::prelude::*;

use super::*;

fn decoded(chunks: &[&[u8]], limit: usize) -> Vec<Result<Bytes, TooLong>> {
    let mut decoder = Decoder::new(limit);
    let mut lines = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk);
        while let Some(line) = decoder.next().transpose() {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn lines_are_cut() {
    let lines = |text: &'static str| -> Vec<String> {
        decoded(&[text.as_bytes()], 100)
            .into_iter()
            .map(|line| String::from_utf8(line.unwrap().to_vec()).unwrap())
            .collect()
    };
    assert_eq!(lines("{}\n{ }\r\n\n \r\n\t\n[]\nrest"), ["{}", "{ }", "[]"]);
    assert_eq!(lines("a\rb\n"), ["a\rb"]);
    assert!(lines("").is_empty());
}

#[test]
fn a_long_line_is_skipped_and_not_held() {
    let mut decoder = Decoder::new(4);
    decoder.feed(b"1234\n12345\nabcd\n");
    assert_eq!(decoder.next(), Ok(Some("1234".into())));
    assert_eq!(decoder.next(), Err(TooLong { limit: 4 }));
    assert_eq!(decoder.next(), Ok(Some("abcd".into())));
    for _ in 0..1000 {
        decoder.feed(b"123");
    }
    assert!(decoder.line.capacity() <= 64);
    assert_eq!(decoder.next(), Err(TooLong { limit: 4 }));
    assert_eq!(decoder.next(), Ok(None));
    decoder.feed(b"\nok\n");
    assert_eq!(decoder.next(), Ok(Some("ok".into())));
}

#[test]
fn messages_are_written_on_one_line() {
    assert_eq!(encode("{\"a\": 1}".into()).into_bytes(), "{\"a\": 1}\n");
    assert_eq!(encode("{\r\n \"a\":\n1}".into()).into_bytes(), "{   \"a\": 1}\n");
    let large = Bytes::from(format!("\"{}\"", "x".repeat(2000)));
    assert_eq!(encode(large.clone().into()).pieces()[0].as_ptr(), large.as_ptr());
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same(
        text in "[ab \r\n]{0,60}",
        size in 1..9_usize,
        limit in 0..12_usize,
    ) {
        let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        prop_assert_eq!(decoded(&chunks, limit), decoded(&[text.as_bytes()], limit));
    }

    #[test]
    fn what_is_written_is_read_back(messages in proptest::collection::vec("[a-z{}:é][a-z{} \n:é]{0,30}[a-z{}:é]", 0..6)) {
        let mut decoder = Decoder::new(1000);
        for message in &messages {
            decoder.feed(&encode(message.clone().into()).into_bytes());
        }
        for message in &messages {
            prop_assert_eq!(decoder.next(), Ok(Some(message.replace('\n', " ").into())));
        }
        prop_assert_eq!(decoder.next(), Ok(None));
    }

    #[test]
    fn noise_never_panics(noise: Vec<Vec<u8>>, limit in 0..64_usize) {
        let chunks: Vec<&[u8]> = noise.iter().map(Vec::as_slice).collect();
        decoded(&chunks, limit);
    }
}
