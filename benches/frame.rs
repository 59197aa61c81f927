//! What reading a line costs: the strict pass over a client's, the look at a server's.

use std::hint::black_box;

use callgate::wire::{glance, read};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn call(text: &str) -> Vec<u8> {
    format!(
        r#"{{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{{"name":"write_file","arguments":{{"path":"/srv/app/notes.txt","content":"{text}"}},"_meta":{{"progressToken":7}}}}}}"#
    )
    .into_bytes()
}

fn result(text: &str) -> Vec<u8> {
    format!(r#"{{"jsonrpc":"2.0","id":42,"result":{{"content":[{{"type":"text","text":"{text}"}}],"isError":false}}}}"#)
        .into_bytes()
}

/// An object with so many keys that they are sorted.
fn many_keys() -> Vec<u8> {
    let keys: Vec<_> = (0..10_000).map(|i| format!("\"key{i}\":{i}")).collect();
    format!(
        r#"{{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{{"name":"x","arguments":{{{}}}}}}}"#,
        keys.join(",")
    )
    .into_bytes()
}

fn strict(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    let cases = [
        ("small", call("hello")),
        ("1KiB", call(&"x".repeat(1 << 10))),
        ("1MiB", call(&"x".repeat(1 << 20))),
        ("10k keys", many_keys()),
    ];
    for (name, line) in &cases {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), line, |b, line| {
            b.iter(|| read(black_box(line)).is_ok());
        });
    }
    group.finish();
}

fn tolerant(c: &mut Criterion) {
    let mut group = c.benchmark_group("glance");
    for (name, line) in &[("small", result("hello")), ("1MiB", result(&"x".repeat(1 << 20)))] {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), line, |b, line| {
            b.iter(|| glance(black_box(line)).kind);
        });
    }
    group.finish();
}

criterion_group!(benches, strict, tolerant);
criterion_main!(benches);
