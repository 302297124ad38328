//! Counting tokens: ours against tiktoken-rs on the same megabyte, in one run. The last line is the
//! ratio; below 1.5 the proxy is not worth its dependency.
#![allow(clippy::print_stdout, reason = "a benchmark reports on stdout")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use flyball::seed::Seed;
use flyball::usage::TokenCounter;
use tiktoken_rs::o200k_base_singleton;

const BYTES: usize = 1 << 20;
const ROUNDS: usize = 25;

/// A megabyte with the shapes of what agents read: code, prose, JSON, logs, other scripts.
fn realistic() -> String {
    const LINES: [&str; 14] = [
        "    let reservation = account.reserve(&path, bound, attempt_id)?;\n",
        "pub fn each_request(&self, prefix: Prefix) -> impl Iterator<Item = RequestUsage> {\n",
        "// Why: a cached prefix may have expired, so the bound takes the dearest rate.\n",
        "{\"type\":\"tool_use\",\"id\":\"toolu_01A09q90qw90lq917835lq9\",\"name\":\"Read\",\"input\":{}}\n",
        "2026-11-22T14:03:11.482Z INFO  gateway request=7f3a status=200 tokens=12,481\n",
        "The planner runs the script many times and groups the samples by how they end. ",
        "It doesn't matter which of them finishes first; what matters is that none is lost.\n\n",
        "const results = await Promise.all(findings.map((f) => agent(verifyPrompt(f), { label })));\n",
        "| phase | agents P50 | context | billed tokens | cost |\n|---|---:|---:|---:|---:|\n",
        "error[E0502]: cannot borrow `*self` as mutable because it is also borrowed as immutable\n",
        "diff --git a/src/main.rs b/src/main.rs\nindex 83db48f..bf2a1c3 100644\n@@ -1,7 +1,9 @@\n",
        "Der Regler hält die Drehzahl, bevor die Maschine durchgeht.\n",
        "模型在开始之前显示运行的成本，并在执行时保持预算。\n",
        "------------------------------------------------------------\n",
    ];
    let mut stream = Seed::new(1).stream(0);
    let mut text = String::with_capacity(BYTES + 256);
    while text.len() < BYTES {
        text.extend(stream.pick(&LINES).copied());
        text.push_str(&stream.below(100_000).to_string());
        text.push(' ');
    }
    text
}

fn main() {
    let text = realistic();
    let counter = TokenCounter::load();
    let tiktoken = o200k_base_singleton();
    assert_eq!(counter.count(&text), tiktoken.count_ordinary(&text) as u64, "counts differ");

    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let mut group = criterion.benchmark_group("count tokens of 1 MiB");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("ours", |bencher| bencher.iter(|| counter.count(black_box(&text))));
    group.bench_function("tiktoken-rs", |bencher| {
        bencher.iter(|| tiktoken.count_ordinary(black_box(&text)));
    });
    group.finish();
    criterion.final_summary();

    // Turn by turn, so that both meet the same load; the fastest is the least disturbed.
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        ours = ours.min(time(&mut || counter.count(black_box(&text))));
        theirs = theirs.min(time(&mut || tiktoken.count_ordinary(black_box(&text)) as u64));
    }
    let rulers = rulers();
    let bare = bpe_openai::o200k_base();
    let (mut guarded, mut unguarded) = (Duration::MAX, Duration::MAX);
    for _ in 0..3 {
        guarded = guarded.min(time(&mut || counter.count(black_box(&rulers))));
        unguarded = unguarded.min(time(&mut || bare.count(black_box(rulers.as_str())) as u64));
    }
    println!(
        "rulers: {:.2} (with the guard {guarded:.1?}, without {unguarded:.1?})",
        unguarded.as_secs_f64() / guarded.as_secs_f64()
    );
    println!(
        "ratio: {:.2} (ours {ours:.1?}, tiktoken-rs {theirs:.1?}, best of {ROUNDS})",
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
}

/// Long runs of one character, which a guard cuts before the vocabulary sees them.
fn rulers() -> String {
    let (mut text, mut stream) = (String::new(), Seed::new(9).stream(0));
    while text.len() < BYTES / 4 {
        text.extend((0..stream.below(9_000)).map(|_| '-'));
        text.push('=');
    }
    text
}

fn time(count: &mut dyn FnMut() -> u64) -> Duration {
    let begin = Instant::now();
    black_box(count());
    begin.elapsed()
}
