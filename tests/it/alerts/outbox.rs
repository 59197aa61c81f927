//! What becomes of alerts while nobody takes them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::{await_list, policy, session, states};
use crate::support::home::{Home, until};
use crate::support::process::{Deadline, Line, PATIENCE};
use crate::support::web::{Reply, Web};

/// How often each alert came, by its id.
type Taken = Arc<Mutex<BTreeMap<String, u32>>>;

/// A receiver that takes everything.
fn receiver(address: SocketAddr) -> (Web, Taken) {
    let taken = Taken::default();
    let counts = Arc::clone(&taken);
    let web = Web::start_at(address, move |heard| {
        let id = heard.header("x-callgate-alert-id").unwrap().to_owned();
        *counts.lock().unwrap().entry(id).or_default() += 1;
        Reply::empty(204)
    });
    (web, taken)
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn hook(address: SocketAddr) -> String {
    format!("[alerts]\nrepeat = \"0s\"\n[alerts.to.hook]\nkind = \"webhook\"\nurl = \"http://{address}/\"\n")
}

fn await_taken(taken: &Taken, count: usize, within: Duration) -> BTreeMap<String, u32> {
    let all = until(within, || Some(taken.lock().unwrap().clone()).filter(|taken| taken.len() >= count));
    all.unwrap_or_else(|| panic!("{} of {count}", taken.lock().unwrap().len()))
}

/// Calls as fast as they go, and waits for all their answers.
fn burst(client: &mut crate::support::process::McpClient, count: usize) {
    let mut stdin = client.server.take_stdin().unwrap();
    let writer = std::thread::spawn(move || {
        for number in 0..count {
            let call = json!({"jsonrpc": "2.0", "id": format!("b{number}"), "method": "tools/call",
                "params": {"name": format!("delete_{number}"), "arguments": {}}});
            std::io::Write::write_all(&mut stdin, format!("{call}\n").as_bytes()).unwrap();
        }
        stdin
    });
    let mut answers = 0;
    while answers < count {
        let Line::Said(line) = client.server.line(PATIENCE) else { panic!("{answers} answers") };
        answers += usize::from(memchr::memmem::find(&line, b"\"id\":\"b").is_some());
    }
    client.server.return_stdin(writer.join().unwrap());
}

#[test]
fn ten_thousand_alerts_outlast_a_receiver_that_is_down() {
    const ALERTS: usize = 10_000;
    let down: u64 =
        std::env::var("CALLGATE_DOWN_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let address = nobody();
    let home = Home::with_policy(&policy("enforce", &hook(address)));
    let mut client = session(&home, &[], &[]);
    let deadline = Deadline::within(Duration::from_secs(down));
    burst(&mut client, ALERTS);
    until(deadline.left(), || None::<()>);
    let (_web, taken) = receiver(address);
    await_taken(&taken, ALERTS, Duration::from_secs(down) + 2 * PATIENCE);
    await_list(&home, "delivered", |alerts| {
        alerts.len() == ALERTS && states(alerts).iter().all(|state| *state == "delivered")
    });
    once_each(&taken, ALERTS);
}

#[test]
fn a_process_that_is_killed_leaves_its_alerts_to_the_next() {
    const ALERTS: usize = 300;
    let address = nobody();
    let home = Home::with_policy(&policy("enforce", &hook(address)));
    let mut client = session(&home, &[], &[]);
    burst(&mut client, ALERTS);
    client.server.kill();
    await_list(&home, "waiting", |alerts| {
        alerts.len() == ALERTS && states(alerts).iter().all(|state| *state == "waiting")
    });
    let (_web, taken) = receiver(address);
    let _next = session(&home, &[], &[]);
    // What it was just sending is its own for a while yet.
    let taken = await_taken(&taken, ALERTS, 2 * PATIENCE);
    assert_eq!(taken.len(), ALERTS, "the same alert keeps its id");
}

#[test]
fn two_that_share_a_store_tell_each_alert_once() {
    const EACH: usize = 200;
    let (web, taken) = receiver(nobody());
    let home = Home::with_policy(&policy("enforce", &hook(web.address())));
    let mut two = [session(&home, &[], &[]), session(&home, &[], &[])];
    std::thread::scope(|scope| {
        for client in &mut two {
            scope.spawn(|| burst(client, EACH));
        }
    });
    await_list(&home, "delivered", |alerts| {
        alerts.len() == 2 * EACH && states(alerts).iter().all(|state| *state == "delivered")
    });
    once_each(&taken, 2 * EACH);
}

/// Nothing broke, so nothing comes twice.
fn once_each(taken: &Taken, count: usize) {
    let taken = taken.lock().unwrap();
    let twice = taken.values().filter(|times| **times > 1).count();
    assert_eq!((taken.len(), twice), (count, 0));
}

#[test]
fn what_nobody_took_is_listed_and_sent_by_retry() {
    let address = nobody();
    let home = Home::with_policy(&policy("enforce", &hook(address)));
    let mut client = session(&home, &[], &["delete_file"]);
    let alerts = await_list(&home, "tried", |alerts| {
        alerts.iter().any(|alert| alert["deliveries"][0]["error"].is_string())
    });
    assert_eq!(states(&alerts), ["waiting"]);
    client.server.close_stdin();
    client.server.wait(PATIENCE).unwrap();
    let told = home.run(&["alerts", "retry"]);
    assert!(told.code == Some(1) && told.out.ends_with("0 of 1 delivered\n"), "{told:?}");
    let told = home.run(&["alerts", "retry", "nosuchid"]);
    assert!(told.code == Some(1) && told.err.contains("no alert has the id `nosuchid`"), "{told:?}");
    let (_web, taken) = receiver(address);
    let told = home.run(&["alerts", "retry"]);
    assert_eq!((told.code, &*told.out), (Some(0), "1 of 1 delivered\n"), "{told:?}");
    assert_eq!(taken.lock().unwrap().len(), 1);
    assert_eq!(home.run(&["alerts", "retry"]).out, "nothing waits\n");
}
