//! Questions: asked by sessions, ruled by whoever has the store, good for what they are bound to and no more.

use super::*;
use crate::clock::unix_ms;
use crate::guard::{Earlier, Elsewhere, Heard, Like, Taken};
use crate::policy::{Class, Severity};
use crate::record::{Channel, Confirm, Grant, Question, Turn, TurnKind};

const BINDING: [u8; 32] = [7; 32];

fn asked(id: &str, grant: Grant) -> Question {
    let now = unix_ms();
    Question {
        id: id.into(),
        unix_ms: now,
        until_ms: now + 600_000,
        number: 3,
        owner: "agent:ci-bot".into(),
        method: "tools/call".into(),
        tool: "pay".into(),
        arguments: Some(format!(r#"{{"amount":1.10,"token":"{SECRET}"}}"#).into()),
        rule: "money".into(),
        reason: "rule 1 (pay) in policy \"p\"".into(),
        why: None,
        severity: Severity::High,
        class: Class::Normal,
        policy: "revision".into(),
        grant,
        confirm: Confirm::None,
        channels: vec![Channel::Local],
        binding: BINDING,
        telling: None,
    }
}

fn ask(path: &Path, session: &str, records: Vec<Record>) {
    let store = Store::start(Options::new(path.to_owned()), info(session));
    store.queue(records);
    assert_eq!(store.finish(PATIENCE).unwritten, 0);
}

fn like(owner: &str) -> Like<'_> {
    Like { binding: &BINDING, owner, policy: "revision", now_ms: unix_ms() }
}

fn approve(path: &Path, id: &str) -> Ruled {
    Approvals::open(path).unwrap().rule(id, &Decision::Approve(None), &Ruler::default(), None).unwrap()
}

#[test]
fn a_question_is_listed_until_it_is_ruled_and_keeps_no_secret() {
    let (_folder, path) = folder();
    ask(&path, "one", vec![Record::Question(Box::new(asked("question1", Grant::Once)))]);
    let approvals = Approvals::open(&path).unwrap();
    let open = approvals.list(Which::Open).unwrap();
    let [question] = &open[..] else { panic!("{open:?}") };
    assert_eq!((&*question.id, question.state, &*question.tool), ("question1", QuestionState::Open, "pay"));
    let arguments = question.arguments.as_deref().unwrap();
    assert!(arguments.contains("1.10") && !arguments.contains(SECRET), "{arguments}");
    let by = Ruler { uid: Some(7), pid: Some(8), ancestry: Some(ancestry()), ..Ruler::default() };
    let ruled = approvals.rule("ques", &Decision::Deny, &by, Some("not today")).unwrap();
    let Ruled::Taken(question) = ruled else { panic!("{ruled:?}") };
    assert_eq!(question.state, QuestionState::Denied);
    let last = question.turns.last().unwrap();
    assert_eq!((last.reason.as_deref(), &last.by), (Some("not today"), &by));
    assert!(approvals.list(Which::Open).unwrap().is_empty());
    assert_eq!(approvals.list(Which::All).unwrap(), [*question.clone()]);
    assert_eq!(approve(&path, "question1"), Ruled::Closed(question));
    assert_eq!(approve(&path, "question2"), Ruled::Unknown);
}

#[test]
fn an_approval_for_one_call_lets_one_call_through_whichever_session_asks() {
    let (_folder, path) = folder();
    ask(&path, "one", vec![Record::Question(Box::new(asked("question1", Grant::Once)))]);
    let (here, there) = (Others::new(path.clone(), "two".into()), Others::new(path.clone(), "three".into()));
    assert!(matches!(Elsewhere::earlier(&here, &like("agent:ci-bot")), Some(Earlier::Open { .. })));
    assert_eq!(here.take("question1", 1, unix_ms()), Some(Taken::No), "nobody has ruled");
    assert!(matches!(approve(&path, "question1"), Ruled::Taken(_)));
    assert!(matches!(Elsewhere::earlier(&here, &like("agent:ci-bot")), Some(Earlier::Granted { .. })));
    assert_eq!(Elsewhere::earlier(&here, &like("agent:other")), Some(Earlier::Nothing));
    let other = Like { binding: &[8; 32], ..like("agent:ci-bot") };
    assert_eq!(Elsewhere::earlier(&here, &other), Some(Earlier::Nothing));
    let revised = Like { policy: "another", ..like("agent:ci-bot") };
    assert_eq!(Elsewhere::earlier(&here, &revised), Some(Earlier::Nothing));
    assert_eq!(there.take("question1", 1, unix_ms()), Some(Taken::Yes));
    assert_eq!(here.take("question1", 1, unix_ms()), Some(Taken::No));
    assert_eq!(Elsewhere::earlier(&here, &like("agent:ci-bot")), Some(Earlier::Nothing));
}

#[test]
fn a_denial_beats_an_approval_by_which_no_call_has_gone() {
    let (_folder, path) = folder();
    let questions = ["question1", "question2"].map(|id| Record::Question(Box::new(asked(id, Grant::Once))));
    ask(&path, "one", questions.into());
    let others = Others::new(path.clone(), "one".into());
    approve(&path, "question1");
    approve(&path, "question2");
    assert_eq!(others.take("question2", 1, unix_ms()), Some(Taken::Yes));
    let approvals = Approvals::open(&path).unwrap();
    let deny = |id| approvals.rule(id, &Decision::Deny, &Ruler::default(), None).unwrap();
    assert!(matches!(deny("question1"), Ruled::Taken(_)));
    assert!(matches!(deny("question2"), Ruled::Closed(_)), "its call has gone");
    assert_eq!(others.take("question1", 2, unix_ms()), Some(Taken::Denied));
}

#[test]
fn a_grant_for_a_session_ends_with_it_and_one_for_a_time_with_that() {
    let (_folder, path) = folder();
    let questions = [
        asked("session1", Grant::Session),
        Question { binding: [9; 32], ..asked("seconds1", Grant::For(60_000)) },
    ];
    ask(&path, "one", questions.map(|question| Record::Question(Box::new(question))).into());
    approve(&path, "session1");
    approve(&path, "seconds1");
    let (own, other) = (Others::new(path.clone(), "one".into()), Others::new(path.clone(), "two".into()));
    for number in 1..3 {
        assert_eq!(own.take("session1", number, unix_ms()), Some(Taken::Yes));
        assert_eq!(other.take("session1", number, unix_ms()), Some(Taken::No));
        assert_eq!(other.take("seconds1", number, unix_ms()), Some(Taken::Yes));
    }
    assert_eq!(other.take("seconds1", 3, unix_ms() + 61_000), Some(Taken::No));
}

#[test]
fn a_question_for_a_terminal_is_approved_from_one_only() {
    let (_folder, path) = folder();
    let question = Question { confirm: Confirm::Tty, ..asked("question1", Grant::Once) };
    ask(&path, "one", vec![Record::Question(Box::new(question))]);
    assert!(matches!(approve(&path, "question1"), Ruled::Unconfirmed(_)));
    let by = Ruler { tty: Some("/dev/pts/1".into()), ..Ruler::default() };
    let ruled =
        Approvals::open(&path).unwrap().rule("question1", &Decision::Approve(None), &by, None).unwrap();
    assert!(matches!(ruled, Ruled::Taken(_)), "{ruled:?}");
}

#[test]
fn what_becomes_of_a_question_is_told_by_its_session_too() {
    let (_folder, path) = folder();
    let turn = |kind| {
        Record::Turn(Turn { question: "question1".into(), unix_ms: 5, number: Some(3), kind, reason: None })
    };
    let question = Record::Question(Box::new(asked("question1", Grant::Once)));
    ask(&path, "one", vec![question, turn(TurnKind::Pending), turn(TurnKind::Withdrawn)]);
    let all = Approvals::open(&path).unwrap().list(Which::All).unwrap();
    let kinds: Vec<&str> = all[0].turns.iter().map(|turn| turn.kind.as_str()).collect();
    assert_eq!((all[0].state, &kinds[..]), (QuestionState::Withdrawn, &["pending", "withdrawn"][..]));
}

#[test]
fn rulings_come_to_whoever_looks_once_each() {
    let (_folder, path) = folder();
    let mut rulings = Rulings::new(path.clone());
    assert_eq!(rulings.news(), []);
    ask(&path, "one", vec![Record::Question(Box::new(asked("question1", Grant::Once)))]);
    assert_eq!(rulings.news(), []);
    approve(&path, "question1");
    let news = rulings.news();
    assert_eq!((news.len(), &*news[0].question, news[0].heard), (1, "question1", Heard::Yes));
    assert_eq!(rulings.news(), []);
}
