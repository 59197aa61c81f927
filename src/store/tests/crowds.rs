//! Several writers, locks and a full queue: nobody waits, nothing is lost uncounted.

use super::*;

#[test]
fn another_process_holding_the_lock_delays_nobody() {
    let (_folder, path) = folder();
    let mut store = ready(&path, "s");
    put(&mut store, one(1));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = clock::now().steady_us;
    store.queue(one(2));
    let back = match store.commit_now(one(3)) {
        Err(NotNow::Busy(records)) => records,
        other => panic!("{other:?}"),
    };
    let took = clock::now().steady_us - began;
    assert!(took < 1_000_000, "{took} µs");
    assert_eq!(back, one(3));
    let late = runtime().block_on(store.commit_by_writer(one(4), Duration::from_millis(30)));
    assert!(matches!(late, Err(StoreError::Busy)), "{late:?}");
    let waiting = store.commit_by_writer(back, PATIENCE);
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || answer.send(runtime().block_on(waiting)));
    // For as long as another process has the lock, nobody is answered; how long that is is what is tested.
    let held = answered.recv_timeout(Duration::from_secs(2));
    assert!(matches!(held, Err(mpsc::RecvTimeoutError::Timeout)), "{held:?}");
    other.execute_batch("ROLLBACK").unwrap();
    answered.recv_timeout(PATIENCE).unwrap().unwrap();
    finish(store);
    let ids: Vec<_> = rows(&path).into_iter().filter_map(|row| row.tool_call_id).collect();
    assert_eq!(ids, ["s-1", "s-2", "s-3"]);
    sound(&path);
}

fn crowd(writers: usize, calls: u64) {
    let (_folder, path) = folder();
    thread::scope(|scope| {
        for writer in 0..writers {
            let path = &path;
            scope.spawn(move || {
                let troubles = Arc::new(Mutex::new(Vec::new()));
                let seen = Arc::clone(&troubles);
                let mut options = Options::new(path.clone());
                options.on_trouble = Box::new(move |line| seen.lock().unwrap().push(line.to_owned()));
                let mut store = Store::start(options, info(&format!("w{writer}")));
                for number in 1..=calls {
                    if number % 3 == 0 {
                        store.queue(one(number));
                    } else if let Err(NotNow::Busy(records)) = store.commit_now(one(number)) {
                        runtime().block_on(store.commit_by_writer(records, PATIENCE)).unwrap();
                    }
                    store.queue(vec![Record::Completion(completion(number))]);
                }
                finish(store);
                assert_eq!(*troubles.lock().unwrap(), Vec::<String>::new());
            });
        }
    });
    let all = rows(&path);
    assert_eq!(all.len() as u64, writers as u64 * calls);
    assert!(all.iter().all(|row| row.status.as_deref() == Some("ok")));
    assert_eq!(sound(&path).sessions, writers as u64);
}

#[test]
fn two_writers_lose_nothing() {
    crowd(2, 300);
}

#[test]
fn twenty_writers_on_a_fresh_file_lose_nothing() {
    crowd(20, 30);
}

#[test]
fn what_does_not_fit_is_counted_and_becomes_a_gap() {
    let (_folder, path) = folder();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let mut options = Options::new(path.clone());
    options.queue_bytes = 4_096;
    options.on_trouble = Box::new(move |line| seen.lock().unwrap().push(line.to_owned()));
    let mut store = Store::start(options, info("s"));
    await_open(&store);
    put(&mut store, one(1));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    (2..=100).for_each(|number| store.queue(one(number)));
    other.execute_batch("ROLLBACK").unwrap();
    finish(store);
    let kept = rows(&path).len() as u64;
    let notices = Reader::open(&path).unwrap().notices(0).unwrap();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0].kind, "gap");
    assert_eq!(notices[0].missing, Some(i64::try_from(100 - kept).unwrap()));
    assert!(kept > 1 && kept < 100, "{kept}");
    assert_eq!(lines.lock().unwrap().len(), 1);
}
