//! The one value moves, whatever the syntax, and nothing else does.

use proptest::prelude::*;

use super::{NoPlace, with_agent_mode};
use crate::policy::Mode;
use crate::settings::{Environment, read};

fn edited(source: &str, agent: &str) -> String {
    with_agent_mode(source, agent, Mode::Shadow).unwrap_or_else(|error| panic!("{error}: {source}"))
}

#[test]
fn a_mode_that_is_there_is_replaced_where_it_stands() {
    for (before, after) in [
        ("[agents.ci]\nmode = \"enforce\"\n", "[agents.ci]\nmode = \"shadow\"\n"),
        (
            "[agents.ci]\n\tmode='enforce'# so\nfail_mode = \"open\"",
            "[agents.ci]\n\tmode=\"shadow\"# so\nfail_mode = \"open\"",
        ),
        ("[agents.\"ci\"]\r\n\"mode\" = \"enforce\"\r\n", "[agents.\"ci\"]\r\n\"mode\" = \"shadow\"\r\n"),
        ("[agents]\nci = { mode = \"enforce\", }\n", "[agents]\nci = { mode = \"shadow\", }\n"),
        ("[agents]\nci.mode = \"\"\"enforce\"\"\"\n", "[agents]\nci.mode = \"shadow\"\n"),
        ("agents.ci.mode = \"enforce\"\n[x]\n", "agents.ci.mode = \"shadow\"\n[x]\n"),
        ("agents = { ci = { mode = \"enforce\" } }", "agents = { ci = { mode = \"shadow\" } }"),
        ("\u{feff}[agents.ci]\nmode = \"enforce\"\n", "\u{feff}[agents.ci]\nmode = \"shadow\"\n"),
    ] {
        assert_eq!(edited(before, "ci"), after);
    }
}

#[test]
fn a_mode_that_is_not_there_finds_its_place_in_the_table() {
    for (before, after) in [
        ("[agents.ci]", "[agents.ci]\nmode = \"shadow\"\n"),
        ("[agents.ci] # robots\r\n[x]\r\n", "[agents.ci] # robots\r\nmode = \"shadow\"\r\n[x]\r\n"),
        (
            "a = 1\n[agents.ci]\n# why\n  fail_mode = \"open\"\n",
            "a = 1\n[agents.ci]\n  mode = \"shadow\"\n# why\n  fail_mode = \"open\"\n",
        ),
        ("[agents]\nci = {}\n", "[agents]\nci = { mode = \"shadow\" }\n"),
        (
            "[agents]\nci = { fail_mode = \"open\" }\n",
            "[agents]\nci = { mode = \"shadow\", fail_mode = \"open\" }\n",
        ),
        (
            "[agents]\n ci.fail_mode = \"open\"\n",
            "[agents]\n ci.mode = \"shadow\"\n ci.fail_mode = \"open\"\n",
        ),
        ("agents.ci.fail_mode = \"open\"\n", "agents.ci.mode = \"shadow\"\nagents.ci.fail_mode = \"open\"\n"),
    ] {
        assert_eq!(edited(before, "ci"), after);
    }
}

#[test]
fn an_agent_that_is_not_there_is_appended() {
    for (before, after) in [
        ("", "[agents.ci]\nmode = \"shadow\"\n"),
        ("version = 1", "version = 1\n\n[agents.ci]\nmode = \"shadow\"\n"),
        (
            "[[rule]]\n[[rule.test]]\r\n",
            "[[rule]]\n[[rule.test]]\r\n\r\n[agents.ci]\r\nmode = \"shadow\"\r\n",
        ),
        (
            "[agents.other]\nmode = \"off\"\n# end\n",
            "[agents.other]\nmode = \"off\"\n# end\n\n[agents.ci]\nmode = \"shadow\"\n",
        ),
        ("agents.other.mode = \"off\"\n", "agents.other.mode = \"off\"\n\n[agents.ci]\nmode = \"shadow\"\n"),
        ("agents = {other={}}\n", "agents = { ci = { mode = \"shadow\" }, other={}}\n"),
    ] {
        assert_eq!(edited(before, "ci"), after);
    }
}

#[test]
fn names_are_spelled_as_toml_wants_them() {
    assert_eq!(edited("", "a b"), "[agents.\"a b\"]\nmode = \"shadow\"\n");
    assert_eq!(edited("[agents.'a.b']\n", "a.b"), "[agents.'a.b']\nmode = \"shadow\"\n");
    assert_eq!(
        edited("[agents]\n\"\\u00e9\".mode = \"off\"\n", "é"),
        "[agents]\n\"\\u00e9\".mode = \"shadow\"\n"
    );
}

#[test]
fn where_there_is_no_place_nothing_is_guessed() {
    assert_eq!(with_agent_mode("[agents", "ci", Mode::Off), Err(NoPlace::NotToml));
    for source in [
        "agents = 1\n",
        "[[agents]]\n",
        "[agents]\nci = \"enforce\"\n",
        "[agents.ci.mode]\n",
        "agents = { ci.fail_mode = \"open\" }\n",
    ] {
        let error = with_agent_mode(source, "ci", Mode::Off).unwrap_err();
        assert!(error.to_string().ends_with("write [agents.ci] as a table of its own"), "{source}: {error}");
    }
}

/// Agents in every way to write them, between other things.
fn file() -> impl Strategy<Value = String> {
    let top = prop::sample::select(vec!["", "mode = 'shadow' # all\n", "default = \"allow\"\n\n"]);
    let agents = prop::sample::select(vec![
        "",
        "[agents.ci]\n",
        "[agents.ci]\n  mode = \"monitor\"   # for now\n",
        "[agents.ci] # x\nfail_mode = \"closed\"\n",
        "[agents]\nci = { fail_mode = \"open\" }\n",
        "[agents]\nci.mode = \"warn\"\nb = {}\n",
        "[agents.b]\nmode = \"off\"\n\n[ agents . \"ci\" ]\nmax_mode = \"warn\"\n",
    ]);
    let rest = prop::collection::vec(
        prop::sample::select(vec![
            "# a comment\n",
            "[[rule]]\nid = \"r\"\naction = \"deny\"\n[[rule.test]]\ntool = \"t\"\n  expect = \"deny\"\n",
            "[servers.files]\ncommand   =   'x'\n",
            "\n\n",
            "[identity]\nagent = \"ci\"\n",
        ]),
        0..3,
    );
    let in_lines = prop::sample::select(vec!["\n", "\r\n"]);
    (top, agents, rest, in_lines).prop_map(|(top, agents, mut rest, end)| {
        rest.sort_unstable();
        rest.dedup();
        format!("version = 1\n{top}{agents}{}", rest.concat()).replace('\n', end)
    })
}

proptest! {
    #[test]
    fn the_mode_holds_and_all_other_bytes_are_as_they_were(
        source in file(),
        agent in prop::sample::select(vec!["ci", "b", "new one"]),
        mode in prop::sample::select(vec![Mode::Off, Mode::Shadow, Mode::Warn, Mode::Enforce]),
    ) {
        let environment = Environment::default();
        let before = read(&source, &environment).unwrap().config.policy;
        let edited = with_agent_mode(&source, agent, mode).unwrap();
        let after = read(&edited, &environment).unwrap().config.policy;
        prop_assert_eq!(after.agents.get(agent).and_then(|own| own.mode), Some(mode));
        let others = |agents: &std::collections::BTreeMap<String, _>| {
            let mut agents = agents.clone();
            agents.remove(agent);
            agents
        };
        prop_assert_eq!(others(&before.agents), others(&after.agents));
        // One piece is new; what is before and behind it is the old text, but for a value in its place.
        let same = source.bytes().zip(edited.bytes()).take_while(|(old, new)| old == new).count();
        let left = source.len().min(edited.len()) - same;
        let behind = source.bytes().rev().zip(edited.bytes().rev()).take(left).take_while(|(old, new)| old == new).count();
        prop_assert!(source.len() - same - behind <= "\"monitor\"".len(), "{}", edited);
        // The same wish again changes nothing.
        prop_assert_eq!(with_agent_mode(&edited, agent, mode).unwrap(), edited);
    }
}
