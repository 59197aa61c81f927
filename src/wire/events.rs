//! Server-sent events (WHATWG HTML, section 9.2): bytes in any pieces in, events out, and back.
//!
//! Refuses to know what the data of an event is, and to decode it: the bytes stay as they came. Invariant: how a stream
//! is cut into chunks makes no difference to what is read, and no more is kept of it than the limit.

const CR: u8 = b'\r';
const LF: u8 = b'\n';
const BOM: &[u8] = b"\xEF\xBB\xBF";
/// What an event is called that has no name.
const MESSAGE: &str = "message";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name; `message` where it has none.
    pub name: String,
    /// The last id that the stream has named so far.
    pub id: Option<String>,
    /// Its data; several lines are joined by `\n`.
    pub data: Vec<u8>,
}

/// A line or an event is longer than the limit; nothing more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// The reading end of a stream.
#[derive(Debug)]
pub struct Events {
    limit: usize,
    line: Vec<u8>,
    begun: bool,
    after_cr: bool,
    name: String,
    data: Option<Vec<u8>>,
    id: Option<String>,
    last_id: Option<String>,
    retry_ms: Option<u64>,
}

impl Events {
    /// A stream before its first byte, whose events are no longer than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            begun: false,
            after_cr: false,
            name: String::new(),
            data: None,
            id: None,
            last_id: None,
            retry_ms: None,
        }
    }

    /// The next bytes; `each` gets the events that they complete.
    ///
    /// # Errors
    /// Where more would have to be kept than the limit.
    pub fn feed(&mut self, chunk: &[u8], mut each: impl FnMut(Event)) -> Result<(), TooLong> {
        let mut rest = chunk;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && *first == LF {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = memchr::memchr2(CR, LF, rest) else {
                return self.keep(rest);
            };
            self.keep(rest.get(..end).unwrap_or_default())?;
            self.after_cr = rest.get(end) == Some(&CR);
            each_some(self.end_line()?, &mut each);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        Ok(())
    }

    /// The same stream on another connection: what was cut off is forgotten, id and time to wait are kept.
    pub fn resume(&mut self) {
        let (last_id, retry_ms) = (self.last_id.take(), self.retry_ms);
        *self = Self { id: last_id.clone(), last_id, retry_ms, ..Self::new(self.limit) };
    }

    /// The id from which a broken stream may be resumed: that of the last whole event.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// How long the server wants to be left alone before the next attempt, milliseconds.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let kept = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
        if kept.saturating_add(bytes.len()) > self.limit {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// A whole line; an event where it is the blank one that ends it.
    fn end_line(&mut self) -> Result<Option<Event>, TooLong> {
        let line = std::mem::take(&mut self.line);
        let mut text = line.as_slice();
        if !std::mem::replace(&mut self.begun, true) {
            text = text.strip_prefix(BOM).unwrap_or(text);
        }
        if text.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = match memchr::memchr(b':', text) {
            Some(colon) => text.split_at(colon),
            None => (text, b"".as_slice()),
        };
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        self.field(field, value)?;
        // The buffer is kept unless it is a large one.
        if self.line.capacity() == 0 && line.capacity() <= 4096 {
            self.line = line;
            self.line.clear();
        }
        Ok(None)
    }

    fn field(&mut self, field: &[u8], value: &[u8]) -> Result<(), TooLong> {
        match field {
            b"data" => {
                let kept = self.data.as_ref().map_or(0, Vec::len);
                if kept.saturating_add(value.len()).saturating_add(1) > self.limit {
                    return Err(TooLong);
                }
                match &mut self.data {
                    Some(data) => {
                        data.push(LF);
                        data.extend_from_slice(value);
                    }
                    None => self.data = Some(value.to_vec()),
                }
            }
            b"event" => self.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.id = Some(String::from_utf8_lossy(value).into_owned()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // Digits beyond 64 bits are no time anybody waits.
                self.retry_ms = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Event> {
        self.last_id.clone_from(&self.id);
        let name = std::mem::take(&mut self.name);
        let data = self.data.take()?;
        let name = if name.is_empty() { MESSAGE.to_owned() } else { name };
        Some(Event { name, id: self.last_id.clone(), data })
    }
}

impl Event {
    /// A message without id.
    pub fn message(data: Vec<u8>) -> Self {
        Self { name: MESSAGE.to_owned(), id: None, data }
    }

    /// Appends the event as the stream has it. CR and LF in the data end a line of it; in a name or an id they have no
    /// place, and what holds them (or NUL, in an id) is left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let whole = |text: &&String| !text.bytes().any(|byte| matches!(byte, CR | LF | 0));
        if let Some(name) = Some(&self.name).filter(whole).filter(|name| *name != MESSAGE) {
            line(out, "event", name.as_bytes());
        }
        if let Some(id) = self.id.as_ref().filter(whole) {
            line(out, "id", id.as_bytes());
        }
        let mut rest = self.data.as_slice();
        loop {
            let end = memchr::memchr2(CR, LF, rest);
            line(out, "data", rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
            let Some(end) = end else { break };
            let length = if rest.get(end..).unwrap_or_default().starts_with(b"\r\n") { 2 } else { 1 };
            rest = rest.get(end + length..).unwrap_or_default();
        }
        out.push(LF);
    }
}

/// The bytes that ask a client to wait so long, in milliseconds, before it connects again.
pub fn encode_retry(retry_ms: u64, out: &mut Vec<u8>) {
    line(out, "retry", retry_ms.to_string().as_bytes());
    out.push(LF);
}

/// Makes data, or a JSON body, the one line that stdio wants, `\n` at its end. Between the values of JSON a line end is
/// white space; inside them none may stand.
pub fn one_line(mut data: Vec<u8>) -> Vec<u8> {
    let end = data.trim_ascii_end().len();
    data.truncate(end);
    let start = data.len() - data.trim_ascii_start().len();
    if start > 0 {
        data.drain(..start);
    }
    if memchr::memchr2(CR, LF, &data).is_some() {
        for byte in &mut data {
            if matches!(*byte, CR | LF) {
                *byte = b' ';
            }
        }
    }
    data.push(LF);
    data
}

fn line(out: &mut Vec<u8>, field: &str, value: &[u8]) {
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(LF);
}

fn each_some(event: Option<Event>, each: &mut impl FnMut(Event)) {
    if let Some(event) = event {
        each(event);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_in(chunks: &[&[u8]]) -> (Vec<Event>, Events) {
        let mut events = Events::new(1 << 20);
        let mut all = Vec::new();
        for chunk in chunks {
            events.feed(chunk, |event| all.push(event)).unwrap();
        }
        (all, events)
    }

    fn data(stream: &[u8]) -> Vec<String> {
        let (events, _) = read_in(&[stream]);
        events.into_iter().map(|event| String::from_utf8(event.data).unwrap()).collect()
    }

    #[test]
    fn lines_of_data_are_joined_and_a_blank_line_ends_the_event() {
        assert_eq!(data(b"data: a\ndata:b\ndata:  c\n\ndata: d\n\n"), ["a\nb\n c", "d"]);
    }

    #[test]
    fn every_line_end_of_the_standard_is_one() {
        assert_eq!(data(b"data: a\rdata: b\r\ndata: c\n\r\n"), ["a\nb\nc"]);
        assert_eq!(data(b"data: a\r\rdata: b\r\n\r\n"), ["a", "b"]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_field() {
        assert_eq!(data(b"\xEF\xBB\xBFdata: a\n\n"), ["a"]);
        assert_eq!(data(b"data: a\n\xEF\xBB\xBFdata: b\n\n"), ["a"]);
    }

    #[test]
    fn comments_and_unknown_fields_say_nothing() {
        assert_eq!(data(b": keep-alive\n\nfoo: bar\ndata\nDATA: x\n\n"), [""]);
    }

    #[test]
    fn an_event_that_the_end_cuts_off_is_none() {
        let (events, state) = read_in(&[b"id: 1\ndata: a\n\nid: 2\ndata: b\n"]);
        assert_eq!(events.len(), 1);
        assert_eq!(state.last_id(), Some("1"));
    }

    #[test]
    fn an_id_holds_until_the_next_and_may_come_without_data() {
        let (events, state) =
            read_in(&[b"id: 7\n\ndata: a\n\nid: x\0y\ndata: b\n\nevent: endpoint\ndata: c\n\n"]);
        let ids: Vec<_> = events.iter().map(|event| event.id.as_deref()).collect();
        assert_eq!(ids, [Some("7"); 3]);
        assert_eq!(events[2].name, "endpoint");
        assert_eq!(state.last_id(), Some("7"));
        let (_, state) = read_in(&[b"id: 7\n\nid\n\n"]);
        assert_eq!(state.last_id(), None);
    }

    #[test]
    fn a_stream_that_is_resumed_forgets_what_was_cut_off() {
        let (_, mut state) = read_in(&[b"retry: 5\nid: 1\ndata: a\n\nevent: x\nid: 2\ndata: b"]);
        state.resume();
        let mut all = Vec::new();
        state.feed(b"data: c\n\n", |event| all.push(event)).unwrap();
        assert_eq!(all, [Event { name: "message".into(), id: Some("1".into()), data: b"c".to_vec() }]);
        assert_eq!((state.last_id(), state.retry_ms()), (Some("1"), Some(5)));
    }

    #[test]
    fn only_digits_are_a_time_to_wait() {
        let (_, state) = read_in(&[b"retry: 1500\nretry: 1s\nretry:\n"]);
        assert_eq!(state.retry_ms(), Some(1500));
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let mut events = Events::new(16);
        assert_eq!(events.feed(&[b'x'; 17], |_| ()), Err(TooLong));
        let mut events = Events::new(16);
        let mut fed = Ok(());
        for _ in 0..8 {
            fed = fed.and_then(|()| events.feed(b"data: ab\n", |_| ()));
        }
        assert_eq!(fed, Err(TooLong));
    }

    #[test]
    fn what_stdio_gets_is_one_line() {
        assert_eq!(one_line(b"{\r\n  \"a\": 1\n}\n".to_vec()), b"{    \"a\": 1 }\n");
        assert_eq!(one_line(b"  {}".to_vec()), b"{}\n");
        assert_eq!(one_line(b" \n".to_vec()), b"\n");
    }

    #[test]
    fn a_name_or_id_cannot_smuggle_a_line() {
        let event = Event { name: "a\ndata: x".into(), id: Some("1\r\n2".into()), data: b"d".to_vec() };
        let mut out = Vec::new();
        event.encode(&mut out);
        assert_eq!(out, b"data: d\n\n");
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = ("[a-z]{1,8}", proptest::option::of("[a-z0-9:é ]{1,8}"), "[ -~é\n]{0,40}");
        let event = event.prop_map(|(name, id, data)| Event { name, id, data: data.into_bytes() });
        proptest::collection::vec(event, 0..6)
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(events in events()) {
            let mut stream = Vec::new();
            for event in &events {
                event.encode(&mut stream);
            }
            let (read, _) = read_in(&[&stream]);
            // An id holds until the next one.
            let mut last = None;
            let expected: Vec<_> = events.into_iter().map(|event| {
                last = event.id.clone().or(last.take());
                Event { id: last.clone(), ..event }
            }).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn chunks_make_no_difference(stream in "(data|id|event|retry|:|\u{feff}|\r|\n| |x|[0-9]|é){0,60}", size in 1..9_usize) {
            let stream = stream.as_bytes();
            let (whole, one) = read_in(&[stream]);
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            let (pieces, other) = read_in(&chunks);
            prop_assert_eq!(whole, pieces);
            prop_assert_eq!(one.last_id(), other.last_id());
            prop_assert_eq!(one.retry_ms(), other.retry_ms());
        }
    }
}
