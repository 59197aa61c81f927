//! Any bytes as an event stream, cut anywhere: the same events come out, and what is encoded again is read back.
//!
//! The first byte says how the rest is cut.
#![no_main]

use callgate::wire::events::{Event, Events, one_line};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((size, stream)) = bytes.split_first() else { return };
    let whole = read(&[stream]);
    let chunks: Vec<&[u8]> = stream.chunks(usize::from(*size) + 1).collect();
    assert_eq!(whole, read(&chunks));
    for event in whole {
        let mut again = Vec::new();
        event.encode(&mut again);
        let read = read(&[&again]);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].data, event.data);
        let line = one_line(event.data);
        assert_eq!(line.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count(), 1);
    }
});

fn read(chunks: &[&[u8]]) -> Vec<Event> {
    let mut events = Events::new(LIMIT);
    let mut all = Vec::new();
    for chunk in chunks {
        if events.feed(chunk, |event| all.push(event)).is_err() {
            break;
        }
    }
    all
}
