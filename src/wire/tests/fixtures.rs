//! Every frame under `fixtures/frames`, and the public parser suite where it is at hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

use crate::wire::{Fault, Frame, Json, read};

fn frames(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/frames").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named =
        files.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()));
    named.collect()
}

#[test]
fn every_valid_fixture_is_accepted() {
    let frames = frames("valid");
    assert!(frames.len() > 20);
    for (name, bytes) in frames {
        let frame = read(&bytes).unwrap_or_else(|malformed| panic!("{name}: {malformed:?}"));
        let is_blank = matches!(frame, Frame::Blank);
        assert_eq!(is_blank, matches!(&*name, "blank" | "empty"), "{name}");
    }
}

#[test]
fn every_invalid_fixture_is_refused_for_the_fault_in_its_name() {
    let frames = frames("invalid");
    assert!(frames.len() > 50);
    for (name, bytes) in frames {
        let fault = read(&bytes).expect_err(&name).fault;
        assert_eq!(fault.as_str(), name.split('.').next().unwrap(), "{name}");
    }
}

#[test]
fn every_fault_that_a_line_can_have_has_a_fixture() {
    // Those that a line has only where it stands.
    let elsewhere = [
        Fault::TooLarge,
        Fault::BatchNotNegotiated,
        Fault::IdInFlight,
        Fault::BatchTooLong,
        Fault::TooManyInFlight,
        Fault::Unterminated,
    ];
    let shown: BTreeSet<String> =
        frames("invalid").into_iter().map(|(name, _)| name.split('.').next().unwrap().to_owned()).collect();
    for fault in Fault::ALL.iter().filter(|fault| !elsewhere.contains(fault)) {
        assert!(shown.contains(fault.as_str()), "{fault}");
    }
}

/// The folder with data that is not ours to copy.
fn data() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    env::var_os("CALLGATE_TEST_DATA").map_or_else(beside, PathBuf::from)
}

#[test]
fn the_public_parser_suite_agrees() {
    let file = data().join("json/jsontestsuite.jsonl");
    let Ok(cases) = fs::read_to_string(&file) else {
        println!(
            "no {}: only our own fixtures were checked (CALLGATE_TEST_DATA names the folder)",
            file.display()
        );
        return;
    };
    let mut checked = 0;
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        let (name, expect) = (case["name"].as_str().unwrap(), case["expect"].as_str().unwrap());
        let bytes = from_base64(case["b64"].as_str().unwrap());
        let accepted = str::from_utf8(&bytes).ok().and_then(Json::from_text).is_some();
        // Stricter on purpose: these are legal, but readers differ about them.
        let stricter = name.contains("duplicated_key");
        match expect {
            "accept" | "y" => assert_eq!(accepted, !stricter, "{name}"),
            "reject" | "n" => assert!(!accepted, "{name}"),
            _ => continue,
        }
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = 0_u32;
    let mut count = 0;
    let mut out = Vec::new();
    for b in text.bytes().filter(|b| *b != b'=') {
        bits = bits << 6 | u32::try_from(DIGITS.iter().position(|d| *d == b).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    out
}
