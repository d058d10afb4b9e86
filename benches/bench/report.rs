//! The rows, the table and the file.

use std::path::Path;

use serde::Serialize;

/// Where the rows go, for programs.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench.json");

/// One figure. `ratio` is `value` divided by the figure of `versus`, in the same unit.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    ratio: Option<f64>,
    versus: Option<&'static str>,
}

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// A raw probe: a figure that others are compared with.
    pub(crate) fn probe(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.rows.push(Row { name, value, unit, ratio: None, versus: None });
    }

    /// A figure of Assay, compared with a probe already reported in the same unit.
    pub(crate) fn figure(
        &mut self,
        name: &'static str,
        value: f64,
        unit: &'static str,
        versus: &'static str,
    ) {
        let probe = self.rows.iter().find(|row| row.name == versus).expect("the probe comes first");
        assert_eq!(probe.unit, unit, "{name} and {versus} are in different units");
        let ratio = Some(value / probe.value);
        self.rows.push(Row { name, value, unit, ratio, versus: Some(versus) });
    }

    /// Prints the table and writes the file.
    pub(crate) fn finish(self) {
        println!("{}", machine());
        println!("{:<24} {:>12} {:<4} {:>8}  versus", "name", "value", "unit", "ratio");
        for row in &self.rows {
            let ratio = row.ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}"));
            let versus = row.versus.unwrap_or("(raw probe)");
            println!("{:<24} {:>12.3} {:<4} {ratio:>8}  {versus}", row.name, row.value, row.unit);
        }
        let text = serde_json::to_string_pretty(&self.rows).unwrap();
        std::fs::create_dir_all(Path::new(FILE).parent().unwrap()).unwrap();
        std::fs::write(FILE, text + "\n").unwrap();
        println!("written to target/bench.json");
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|rest| rest.split(':').nth(1))
        .map_or("unknown processor", str::trim);
    format!("{model}, {cores} cores, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}
