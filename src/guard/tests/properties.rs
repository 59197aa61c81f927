//! What holds for all traffic, in all chunks, under all modes.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::sample::{Index, select};

use super::{Driven, Step, terms};
use crate::guard::Side;
use crate::policy::Mode;
use crate::record::Record;

/// Denies one tool, holds another, warns of a third.
fn policy(mode: &str) -> String {
    let rule = |id: &str, action: &str| {
        format!("[[rule]]\nid = \"{id}\"\ntools = [\"{id}\"]\naction = \"{action}\"\n")
    };
    format!(
        "version = 1\nmode = \"{mode}\"\n{}{}{}",
        rule("delete", "deny"),
        rule("pay", "require_approval"),
        rule("post", "warn")
    )
}

/// The same, and denies what servers ask about paying.
fn asking(mode: &str) -> String {
    let asked = "methods = [\"elicitation/create\", \"sampling/createMessage\"]\nany = [{ \"/message | /url\" = \
        { glob = \"*pay*\" } }]\n";
    format!("{}[[rule]]\nid = \"asked\"\n{asked}action = \"deny\"\n", policy(mode))
}

/// A line of a client, how many records of calls it must give, and whether enforce lets it pass.
#[derive(Debug, Clone)]
struct Said {
    line: Vec<u8>,
    records: usize,
    passes: bool,
}

/// Lines of all kinds; ids are filled in later, so that each is used once.
fn kinds() -> impl Strategy<Value = (&'static str, usize, bool)> {
    let call = |tool: &'static str, passes| (tool, 1, passes);
    select(vec![
        call(r#"{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"name":"read"}}"#, true),
        call(
            r#"{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"name":"post","arguments":{}}}"#,
            true,
        ),
        call(r#"{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"name":"delete"}}"#, false),
        call(r#"{"jsonrpc":"2.0","id":"IDx","method":"tools/call","params":{"name":"pay"}}"#, false),
        call(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"read"}}"#, false),
        call(r#"{"jsonrpc":"2.0","id":ID,"method":"resources/read","params":{"uri":"a:b"}}"#, true),
        call(r#"{"jsonrpc":"2.0","id":ID,"method":"vendor/own","params":{}}"#, true),
        call(
            r#"{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"name":"read","name":"read"}}"#,
            false,
        ),
        call(r#"[{"jsonrpc":"2.0","id":ID,"method":"ping"}]"#, false),
        call("nonsense", false),
        call("{", false),
        (r#"{"jsonrpc":"2.0","id":ID,"method":"ping"}"#, 0, true),
        (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, 0, true),
        (r#"{"jsonrpc":"2.0","id":ID,"result":{}}"#, 0, true),
        ("", 0, true),
        ("\r", 0, true),
    ])
}

fn traffic() -> impl Strategy<Value = Vec<Said>> {
    vec(kinds(), 0..12).prop_map(|kinds| {
        let numbered = kinds.into_iter().enumerate();
        numbered
            .map(|(number, (line, records, passes))| Said {
                line: (line.replace("ID", &number.to_string()) + "\n").into_bytes(),
                records,
                passes,
            })
            .collect()
    })
}

fn all(traffic: &[Said]) -> Vec<u8> {
    traffic.iter().flat_map(|said| said.line.clone()).collect()
}

fn chunks<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..10)
}

/// Everything that came of some steps.
fn whole(steps: Vec<Step>) -> (Vec<u8>, Vec<u8>, Vec<Record>) {
    let mut whole = (Vec::new(), Vec::new(), Vec::new());
    for step in steps {
        whole.0.extend(step.to_server);
        whole.1.extend(step.to_client);
        whole.2.extend(step.out.records);
    }
    whole
}

fn run(policy: &str, chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>, Vec<Record>) {
    let mut driven = Driven::new(policy);
    let mut steps: Vec<Step> = chunks.iter().map(|chunk| driven.client(chunk)).collect();
    // What waits for people is settled by the end.
    let out = driven.session.client_gone(driven.now);
    steps.push(driven.perform(out, None));
    whole(steps)
}

/// Lines by which a server asks, and which it may spell in many ways.
fn asked() -> impl Strategy<Value = Vec<u8>> {
    let lines = select(vec![
        r#"{"jsonrpc":"2.0","id":ID,"method":"elicitation/create","params":{"message":"pay"}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"method":"elicit\u0061tion/create","params":{"mode":"url","url":"https://pay"}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"method":"sampling/createMessage","params":{"messages":[]}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"method":"sampling/createMessage","params":{"a":1,"a":2}}"#,
        r#"{"jsonrpc":"2.0","method":"sampling/createMessage","params":{}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"method":"vendor/ask"}"#,
        r#"{"jsonrpc":"2.0","id":ID,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"pay"}}}}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"result":{"inputRequests":1,"InputRequests":{}}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"result":{"task":{"taskId":"tID"}}}"#,
        r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32042,"message":"","data":{"elicitations":[{"url":"https://pay"}]}}}"#,
        r#"[{"jsonrpc":"2.0","id":ID,"result":{}},{"jsonrpc":"2.0","id":ID,"method":"elicitation/create","params":{"message":"pay"}}]"#,
        r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"tID","status":"completed","result":{}}}"#,
    ]);
    vec(lines, 0..8).prop_map(|lines| {
        let numbered = lines.into_iter().enumerate();
        numbered
            .flat_map(|(number, line)| (line.replace("ID", &number.to_string()) + "\n").into_bytes())
            .collect()
    })
}

/// Bytes that look like traffic, and bytes that look like nothing.
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let bytes = vec(any::<u8>(), 0..300);
    let marks = vec(select(b"{}[]\":,\n\r \\\0\xff1aresultmethodid".to_vec()), 0..300);
    prop::strategy::Union::new([bytes.boxed(), marks.boxed(), traffic().prop_map(|said| all(&said)).boxed()])
}

proptest! {
    #[test]
    fn a_tee_passes_all_bytes_in_both_directions(
        mode in select(vec!["off", "shadow", "warn"]),
        from_client in anything(),
        from_server in prop::strategy::Union::new([anything().boxed(), asked().boxed()]),
        client_cuts in cuts(),
        server_cuts in cuts(),
    ) {
        let mut driven = Driven::new(&asking(mode));
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        let (client, server) = (chunks(&from_client, &client_cuts), chunks(&from_server, &server_cuts));
        for turn in 0..client.len().max(server.len()) {
            for (side, all) in [(Side::Client, &client), (Side::Server, &server)] {
                let Some(chunk) = all.get(turn) else { continue };
                let step = driven.feed(side, chunk, Some("the store is gone"));
                to_server.extend(step.to_server);
                to_client.extend(step.to_client);
                prop_assert!(!step.out.commit_first);
            }
        }
        let out = driven.session.client_gone(driven.now);
        to_server.extend(out.to_server);
        let out = driven.session.server_gone("exit status: 0", driven.now);
        to_client.extend(out.to_client);
        prop_assert_eq!(to_server, from_client);
        prop_assert_eq!(to_client, from_server);
    }

    #[test]
    fn chunking_does_not_matter(
        mode in select(vec!["off", "shadow", "warn", "enforce"]),
        said in traffic(),
        noise in anything(),
        cuts in cuts(),
    ) {
        let bytes = [all(&said), noise].concat();
        prop_assert_eq!(run(&policy(mode), &[&bytes]), run(&policy(mode), &chunks(&bytes, &cuts)));
    }

    #[test]
    fn what_passes_is_what_was_sent_and_nothing_else_passes(said in traffic(), cuts in cuts()) {
        let passing: Vec<u8> = said.iter().filter(|said| said.passes).flat_map(|said| said.line.clone()).collect();
        prop_assert_eq!(run(&policy("enforce"), &chunks(&all(&said), &cuts)).0, passing);
    }

    #[test]
    fn every_governed_frame_gives_one_record_together_with_its_bytes(
        mode in select(vec!["off", "shadow", "warn", "enforce"]),
        said in traffic(),
    ) {
        let mut driven = Driven::new(&policy(mode));
        let mut waits = 0;
        for said in said {
            let step = driven.client(&said.line);
            // A call about which people are asked has its record when they have answered.
            let waiting = said.records - step.calls().count();
            prop_assert!(waiting == 0 || mode == "enforce" && driven.session.has_held());
            waits += waiting;
            let is_kept = step.out.records.iter().any(|record| matches!(record, Record::Call(_) | Record::Question(_)));
            prop_assert_eq!(step.out.commit_first, mode == "enforce" && is_kept);
            let passing = if mode == "enforce" && said.passes { said.records } else { 0 };
            prop_assert_eq!(step.out.passing.len(), passing);
            for frame in &step.out.passing {
                prop_assert!(frame.enforced);
                prop_assert!(step.calls().any(|call| Some(call.number) == frame.call));
                prop_assert_eq!(&step.to_server[frame.bytes.clone()], &*said.line);
            }
        }
        let out = driven.session.client_gone(driven.now);
        let withdrawn = driven.perform(out, None);
        prop_assert_eq!(withdrawn.calls().count(), waits);
        prop_assert!(withdrawn.to_server.is_empty() && withdrawn.to_client.is_empty());
    }

    #[test]
    fn the_mode_changes_the_outcome_and_never_the_verdict(said in traffic(), cuts in cuts()) {
        let bytes = all(&said);
        let verdicts = |mode: &str| {
            let (_, _, records) = run(&policy(mode), &chunks(&bytes, &cuts));
            let rows = records.into_iter().filter_map(|record| match record {
                Record::Call(call) => Some(call),
            Record::Completion(_)
            | Record::Gap(_)
            | Record::Notice(_)
            | Record::Tools(_)
            | Record::Trace(_)
            | Record::Question(_)
            | Record::Turn(_)
            | Record::Warning(_)
            | Record::Course(_) => None,
            });
            let mut rows: Vec<_> = rows.collect();
            rows.sort_by_key(|call| call.number);
            rows.into_iter().map(|call| (call.method, call.tool, call.verdict, call.rule)).collect::<Vec<_>>()
        };
        let enforced = verdicts("enforce");
        prop_assert_eq!(&verdicts("shadow"), &enforced);
        prop_assert_eq!(&verdicts("warn"), &enforced);
        let off = verdicts("off");
        prop_assert_eq!(off.len(), enforced.len());
        prop_assert!(off.iter().all(|(_, _, verdict, rule)| verdict.is_none() && rule.is_none()));
    }

    #[test]
    fn modes_that_come_and_go_change_no_byte_of_what_may_pass(said in traffic(), cuts in cuts(), modes in vec(
        select(vec!["off", "shadow", "warn", "enforce"]), 12)) {
        let passing: Vec<u8> = said.iter().filter(|said| said.passes).flat_map(|said| said.line.clone()).collect();
        let mut driven = Driven::new(&policy("off"));
        let mut to_server = Vec::new();
        for (chunk, mode) in chunks(&passing, &cuts).into_iter().zip(modes) {
            driven.session.adopt(terms(&policy(mode)));
            prop_assert_eq!(driven.session.mode(), Mode::from_word(mode).unwrap());
            to_server.extend(driven.client(chunk).to_server);
        }
        prop_assert_eq!(to_server, passing);
    }

    #[test]
    fn under_enforce_only_lines_that_one_reader_understands_reach_the_server(noise in anything(), cuts in cuts()) {
        let (to_server, _, _) = run(&policy("enforce"), &chunks(&noise, &cuts));
        prop_assert!(to_server.is_empty() || to_server.ends_with(b"\n"));
        for line in to_server.split_inclusive(|byte| *byte == b'\n') {
            prop_assert!(crate::wire::read(line.strip_suffix(b"\n").unwrap()).is_ok());
        }
    }

    #[test]
    fn what_a_store_that_fails_lets_out_is_what_the_fail_mode_says(
        fail_mode in select(vec!["open", "closed", "error"]),
        said in traffic(),
    ) {
        let policy = policy("enforce").replacen("version = 1", &format!("version = 1\nfail_mode = \"{fail_mode}\""), 1);
        let mut driven = Driven::new(&policy);
        let expected = said.iter().filter(|said| said.passes && (fail_mode == "open" || said.records == 0));
        let expected: Vec<u8> = expected.flat_map(|said| said.line.clone()).collect();
        let step = driven.feed(Side::Client, &all(&said), Some("full"));
        prop_assert_eq!(step.to_server, expected);
        let governed = said.iter().filter(|said| said.passes && said.records > 0).count();
        let failed = step.out.records.iter().filter(|record| matches!(record, Record::Call(call)
            if call.outcome.as_str() == if fail_mode == "open" { "fail_open" } else { "fail_closed" })).count();
        prop_assert_eq!(failed, governed);
    }

    #[test]
    fn under_enforce_no_server_asks_what_is_denied_and_each_of_its_lines_passes_whole_or_not_at_all(
        from_server in asked(),
        cuts in cuts(),
        fail in select(vec!["open", "closed"]),
        is_lost in any::<bool>(),
    ) {
        let policy = asking("enforce").replacen("version = 1", &format!("version = 1\nfail_mode = \"{fail}\""), 1);
        let mut driven = Driven::new(&policy);
        for id in 0..8 {
            driven.client(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"read\"}}}}\n").as_bytes());
        }
        let lost = is_lost.then_some("full");
        let steps = chunks(&from_server, &cuts).into_iter().map(|chunk| driven.feed(Side::Server, chunk, lost));
        let (to_server, to_client, _) = whole(steps.collect());
        let sent: Vec<&[u8]> = from_server.split_inclusive(|byte| *byte == b'\n').collect();
        for line in to_client.split_inclusive(|byte| *byte == b'\n') {
            let text = std::str::from_utf8(line).unwrap();
            prop_assert!(text.contains("-32001") || text.contains("-32600") || sent.contains(&line), "{}", text);
            prop_assert!(!text.contains("pay"), "{}", text);
        }
        for line in to_server.split_inclusive(|byte| *byte == b'\n') {
            prop_assert!(matches!(crate::wire::glance(line.strip_suffix(b"\n").unwrap()).kind, crate::wire::GlanceKind::Error));
        }
    }
}
