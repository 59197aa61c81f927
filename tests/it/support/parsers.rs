//! What other languages' JSON parsers see in bytes that reached a server.
//!
//! It refuses to rank them: each parser's reading stands beside the others, and a test looks at all.
//!
//! Invariant: a parser that did not run is absent from the answer and was named as not run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::frames::Report;
use super::parts;
use super::process::{Line, Piped, command_line};

/// A parser reads the bytes many times over, line by line.
const READING_TIME: Duration = Duration::from_mins(2);

/// The longest stream of a hostile case that is worth reading a dozen times.
const LONGEST_READ: usize = 4 << 20;

/// For each parser the calls that it sees, as method and tool; the tool is empty where there is none.
pub type Sightings = BTreeMap<String, Vec<(String, String)>>;

/// What Python's json, pydantic-core, orjson, Node's `JSON.parse` and Go's encoding/json see in these streams of bytes,
/// taken together; each is read from its beginning. `test` is named for the parsers that this machine lacks.
pub fn seen_calls(test: &str, streams: &[&[u8]]) -> Sightings {
    let folder = tempfile::tempdir().unwrap();
    let save = |(number, bytes): (usize, &&[u8])| {
        let file = folder.path().join(number.to_string());
        std::fs::write(&file, bytes).unwrap();
        file
    };
    let files: Vec<PathBuf> = streams.iter().enumerate().map(save).collect();
    let python = parts::python(test).map(|python| python.script("parsers/see.py"));
    let node = parts::node(test).map(|node| node.script("parsers/see.mjs"));
    let go = parts::go(test, "parsers/see.go").map(|program| vec![program.to_str().unwrap().to_owned()]);
    [python, node, go].into_iter().flatten().flat_map(|reader| sightings(&reader, &files)).collect()
}

/// For each parser how many calls it sees of tools that no policy of the corpus lets through.
pub fn denied_calls_seen(test: &str, reports: &[Report]) -> BTreeMap<String, usize> {
    let arrived: Vec<&[u8]> = reports
        .iter()
        // What is larger is judged by its outcome alone; a dozen readings of 64 MiB in each language take minutes.
        .filter(|report| report.to_server && report.strict && report.arrived.len() <= LONGEST_READ)
        .map(|report| report.arrived.as_slice())
        .collect();
    let denied = |(_, tool): &&(String, String)| matches!(tool.as_str(), "delete_file" | "wipe_volume");
    seen_calls(test, &arrived)
        .into_iter()
        .map(|(parser, calls)| (parser, calls.iter().filter(denied).count()))
        .collect()
}

fn sightings(reader: &[String], files: &[PathBuf]) -> Sightings {
    let reader = Piped::start(&mut command_line(reader, files));
    let Line::Said(told) = reader.line(READING_TIME) else {
        panic!("no reading; stderr:\n{}", reader.stderr())
    };
    serde_json::from_slice(&told).unwrap()
}
