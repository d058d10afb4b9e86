//! What `make bench` measures, each figure beside a raw probe of the same run.
//!
//! Writes `target/bench.json`, a list of `{name, value, unit, ratio, versus}`, and prints it as
//! a table with the machine. A ratio compares with what `versus` names, measured in this very
//! run: machines drift, ratios hold. Only medians are reported; nothing here can fail for being
//! slow, because a limit that depends on the machine belongs in a report, not in a test.
//! `--only` with `command`, `judge`, `bundles`, `writers`, `register`, `model` or `large` measures
//! that part alone; `--bytes N` makes the large model of `model` smaller.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark prints, reads the clock and stops at the first surprise"
)]

mod bundles;
mod command;
mod judge;
mod ledger;
mod model;
mod register;
mod report;
mod timing;

use report::Report;

/// A name for `--only`, and what it measures.
type Part = (&'static str, fn(&mut Report));

fn main() {
    // Cargo asks benchmarks to list or test themselves; measuring is all that this one does.
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return;
    }
    let given: Vec<String> = std::env::args().collect();
    if let Some(at) = given.iter().position(|argument| argument == "--resident") {
        return register::say_resident(given[at + 1].as_ref());
    }
    if let Some(at) = given.iter().position(|argument| argument == "--hash-below") {
        return model::hash_below(given[at + 1].as_ref());
    }
    let parts: [Part; 7] = [
        ("command", command::measure),
        ("judge", judge::measure),
        ("bundles", bundles::measure),
        ("writers", register::measure_writers),
        ("register", register::measure_filled),
        ("model", model::measure),
        ("large", register::measure_large),
    ];
    let only = given.iter().position(|argument| argument == "--only").map(|at| &given[at + 1]);
    let mut report = Report::default();
    for (name, measure) in parts {
        // A million entries take minutes: only when they are asked for.
        if only.map_or(name != "large", |only| only == name) {
            measure(&mut report);
        }
    }
    report.finish();
}
