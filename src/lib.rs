//! `callgate`: a policy sidecar for the Model Context Protocol.
//!
//! An agent host starts callgate as the command of an MCP server; callgate starts the server, or connects to it, and
//! stands between the two. Agents with a key reach the same gate over HTTP. This page is the map of the code. What the
//! product does is told in `README.md`.
//!
//! ```text
//!  host ──── stdio ── proxy ─┐                             ┌─ transport/child ─── a process of ours
//!                            ├─ guard::Session ─── lines ──┤
//!  agent ─ key, HTTP ─ serve ─┘     one a session          └─ transport/remote ── a server behind a URL
//! ```
//!
//! # The way of a call
//!
//! ```text
//!          wire             call            policy              guard                guard
//!  host ─▶ Frame ─┬─▶ Exchange<Called> ─▶ Exchange<Judged> ─▶ Exchange<Settled> ─▶ into_parts ─┬─▶ Record ─▶ store
//!                 │        Call               + Verdict           + Outcome                    │
//!                 │                              ▲                                             └─▶ Emit
//!                 │           Policy (one revision), World: facts, links, time,                     ├─▶ server:
//!                 │           what happened before, what the server claims                          │   as it came
//!                 │                                                                                 └─▶ host:
//!                 ├─▶ Malformed: an Exchange like a call's, judged by what it is                        a Refusal
//!                 └─▶ other traffic: as it came, requests noted for their answers
//! ```
//!
//! A call that needs a person is held instead: see `guard/question.rs` and `guard/ruling.rs`. Whatever ends the waiting, a
//! ruling, a clock, a revision or an end, sends its bytes this way once more.
//!
//! What the server asks of the client (sampling, elicitation) walks the same way, in the other direction: see
//! `guard/asked.rs`. Its lists of tools are pinned on the way back: see `guard/pins.rs`.
//!
//! A [`wire::Frame`] is one line, read strictly. [`call::read_call`] tells whether it is a [`call::Call`], malformed,
//! or traffic that the policy has no say in. [`policy::Policy::evaluate`] gives the [`policy::Verdict`]: what the
//! policy says were everything enforced, and what of that takes force. The [`guard::Session`] makes an outcome of it
//! and collects effects in an [`guard::Outbox`]; the driver in [`proxy`] performs them. Answers of the server come
//! back through the same session, which matches them to the requests in flight and completes their records.
//!
//! # What always holds
//!
//! - There is no way from bytes to the server but through an `Exchange`, and no way out of an `Exchange` but
//!   `into_parts`, which gives the record with the bytes: no governed frame leaves unjudged, judged twice, both
//!   forwarded and refused, or without its record.
//! - Nothing is serialised again. What passes leaves as the bytes it came in; a warning is spliced into them. The frames
//!   that callgate writes itself contain no argument's value, but for what a host shows its own person.
//! - A line that cannot be read is never "no call". It has a verdict like any other, and where something can enforce
//!   it stays out.
//! - The mode is not an input of the verdict, only of the outcome. Shadow, warn, enforce, `check` and `policy test`
//!   share one evaluator; only off has none.
//! - A list of tools leaves whole or with elements cut out of its bytes; what was left out is judged when it is called.
//! - A definition that is pinned stays pinned, and what is not known to be pinned restricts more.
//! - Evaluation has no error. What cannot be told is opaque, and opaque tightens.
//! - The index only says which rules surely do not match. Tests hold it against asking every rule.
//! - What a label or a rate looks back on is noted in the step that judges the call, before the next call is judged.
//! - While nothing in a session can enforce, nothing in it can hold a byte back: a chunk leaves before it is looked
//!   at, but for lines that may be an answer with which the agent is told something, or one to a question of our own.
//! - A call is held with a question that is in the store, is judged anew by the bytes that were held, and is answered once.
//!   No frame names a question; an approval for one call lets one call through. Where an outbox must be committed first,
//!   no byte of it leaves before the commit, unless `fail_mode` says so.
//! - No call sees two policies: a reload is taken over between frames, and each record names its revision.
//! - What rules look back on changes in the step that judges a call, so that no call beside it comes in between. What
//!   is lost of it restricts more, never less.
//! - The pure rooms have no clock, file, socket, environment or SQL. Time, the answers of the file system and what other
//!   processes have done are arguments.
//! - No secret that redaction knows reaches a byte of the store: rows are made in one place, and it works there.
//!
//! # The rooms
//!
//! Imports point down only, and a room is wholly pure or wholly I/O; `tests/it/tidy.rs` keeps it so.
//!
//! ```text
//!  I/O    cli                      sub-commands, printing, exit codes; the only home of clap and anyhow
//!         alert                    who is told of what the policy did: the outbox, emptied by a thread of its own
//!         proxy                    the driver, reload, the end of a run, who is at work
//!         serve                    the HTTP face: sessions of agents that are not on stdio
//!         transport   store        streams, the server's process, servers behind a URL; the audit database
//!         clock                    the only reader of time
//!  pure   settings                 all of mcp.toml, read at once, every fault with its place
//!         guard                    the enforcement point: Session, Exchange, Refusal
//!         record                   what is kept of a call
//!         policy                   the decision point: schema, compile, evaluate, diagnostics, redaction
//!         call                     the decision request
//!         wire                     frames, ids, JSON read strictly, the frames that we write
//! ```
//!
//! # The hot path
//!
//! One thread runs everything that a call meets: two pumps, host to server and back, share one session that is never
//! borrowed across an await. A pump reads a chunk, hands all whole lines in it to the session, does at most one
//! commit and one write for them, so that calls in flight together share both. In shadow the chunk is written to the
//! other end before it is looked at, and the records go to a bounded queue that the store's writer thread empties;
//! nothing waits for it. Under enforce the commit happens on the spot, on a connection of the path's own that waits
//! for no lock; where another process holds one, the batch goes to the writer and only this direction waits.
//! Checkpoints, reloading and everything else that may take long live on threads of their own.
//!
//! # The decision in a few lines
//!
//! ```
//! use callgate::call::{Reading, read_call};
//! use callgate::policy::{Effect, Facts, World};
//! use callgate::settings::{Environment, read};
//! use callgate::wire::{self, Frame};
//!
//! let file = "version = 1\nmode = \"enforce\"\n[[rule]]\ntools = [\"delete_*\"]\naction = \"deny\"\n";
//! let policy = read(file, &Environment::default()).expect("no fault in it").config.policy;
//!
//! let line = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"d\u0065lete_file"}}"#;
//! let Ok(Frame::Message(message)) = wire::read(line) else { panic!("one message") };
//! let Reading::Call(call) = read_call(&message) else { panic!("a call") };
//!
//! let stance = policy.stance(None, "files");
//! let verdict = policy.evaluate(&stance, &call, World::of(&Facts::default())).expect("not off");
//! assert_eq!(verdict.effect, Effect::Deny);
//! assert_eq!(policy.reason(verdict.by, verdict.mode, &call.name), "rule 1 (delete_file) in policy \"default\"");
//! ```
//!
//! # Where to begin
//!
//! 1. [`call`], [`record`] and `policy/verdict.rs`: the three nouns.
//! 2. `policy/world.rs` and `policy/evaluate.rs`, then `matcher.rs` and `predicate.rs`: the decision. Below it `paths.rs`,
//!    `url.rs`, `shell` and `sql` read what arguments really are, `past.rs` what happened before; `index.rs` finds the
//!    rules to ask; `explain.rs` retraces the way for people.
//! 3. `guard/exchange.rs` and `guard/session.rs`, then `client.rs` and `server.rs`: the enforcement, without I/O.
//!    `guard/asked.rs` and `within.rs` are what servers ask, `tasks.rs` is work that goes on after its call is answered.
//!    `guard/past.rs` is what a session remembers, `store/past.rs` what it tells other processes. `guard/hold.rs`,
//!    `holds.rs`, `question.rs`, `ruling.rs` and `in_host.rs` are people in the loop, with `proxy/waiting.rs` and
//!    `store/approvals.rs`; `proxy/held.rs` and `cli/approvals.rs` are what people see of a call that waits;
//!    `guard/warn.rs` is what agents are told.
//! 4. `wire/strict.rs` and `wire/frame.rs`: what a frame must be, and `wire/malformed.rs` for what it must not.
//! 5. `proxy/driver.rs`, `evidence.rs`, `reload.rs`, `shutdown.rs`: how effects become I/O. `transport/remote.rs` and
//!    `http.rs` with what is below them: how a server behind a URL becomes two streams. `serve/mod.rs`: how a session
//!    becomes HTTP, and `store/keys.rs`: who may open one. `proxy/edit.rs` and `settings/edit.rs`: how a program changes
//!    the policy file.
//! 6. `store/mod.rs` and `store/migrations`: what is kept, and how many processes share it; `place.rs`: the file itself.
//! 7. `settings.rs`, `policy/schema` and `policy/compile`: how a file becomes a policy; `policy/parts.rs`: how several do;
//!    `policy/lint.rs` and `policy/blind.rs`: what its author may not have meant.
//! 8. `guard/catalog.rs` and `guard/pins.rs`: what servers list; `policy/imprint.rs`: when a definition is another one;
//!    `store/pins.rs` and `standing.rs`: which are kept and accepted; `policy/could_pass.rs` and `guard/hidden.rs`:
//!    lists without the tools of which no call could pass.
//! 9. `guard/alerts.rs`, `store/alerts.rs` and `alert/post.rs`: who hears of what, how that outlasts the process, and how
//!    it is sent.

pub mod alert;
pub mod call;
pub mod cli;
pub mod clock;
pub mod guard;
pub mod policy;
pub mod proxy;
pub mod record;
pub mod serve;
pub mod settings;
pub mod store;
pub mod transport;
pub mod wire;
