use super::header_value;
use super::sse::Reader;

#[test]
fn header_values_are_plain_or_sentinel() {
    assert_eq!(header_value("get_weather"), "get_weather");
    assert_eq!(header_value("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
    assert_eq!(header_value(" padded "), "=?base64?IHBhZGRlZCA=?=");
    assert_eq!(header_value("=?base64?literal?="), "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=");
    assert_eq!(header_value(""), "");
}

#[test]
fn events_come_out_of_any_chunking() {
    let stream = ": hi\r\nid: 7\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\nretry: 5\n\ndata: 2\n\n";
    for size in 1..stream.len() {
        let mut reader = Reader::default();
        for chunk in stream.as_bytes().chunks(size) {
            reader.feed(chunk);
        }
        let first = reader.next_event().unwrap();
        assert_eq!((first.id.as_deref(), first.data.as_str()), (Some("7"), "{\"a\":\n1}"));
        assert_eq!(reader.next_event().unwrap().retry, Some(5));
        assert_eq!(reader.next_event().unwrap().data, "2");
        assert_eq!(reader.next_event(), None);
    }
}
