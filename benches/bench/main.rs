//! What `make bench` measures, each figure beside a raw probe of the same run.
//!
//! Writes `target/bench.json`, a list of `{name, value, unit, ratio, versus}`, and prints it as
//! a table with the machine. A ratio compares with what `versus` names, measured in this very
//! run: machines drift, ratios hold. Only medians are reported; nothing here can fail for being
//! slow, because a limit that depends on the machine belongs in a report, not in a test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark prints, reads the clock and stops at the first surprise"
)]

mod command;
mod judge;
mod report;
mod timing;

use report::Report;

fn main() {
    // Cargo asks benchmarks to list or test themselves; measuring is all that this one does.
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return;
    }
    let mut report = Report::default();
    command::measure(&mut report);
    judge::measure(&mut report);
    report.finish();
}
