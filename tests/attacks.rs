//! The attacks of `tests/attacks/`, through every door: library, interface, admission, command.
//!
//! The library is held to what each row says must come of it; the other doors are held to the
//! library, byte for byte. A row is never made to pass here: what it says is in its `case.yaml`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod attacks_doors;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use attacks_doors::Answer;
#[cfg(feature = "server")]
use attacks_doors::command::Folder;
use attacks_doors::library::{self, Evidence};
#[cfg(feature = "server")]
use attacks_doors::service::Service;
use attest::Timestamp;
use fixtures::{Outcome, Row, Scene, Verdict};
use jiff::SignedDuration;

/// When every scene is, except where the command reads the clock.
const NOON: &str = "2026-11-24T12:00:00Z";

/// The rules of the threat model that something must hold: those after them are of the gate, which
/// is not there yet.
const RULES: std::ops::RangeInclusive<u32> = 1..=32;
/// The rules of the threat model that have cases here, by their numbers.
const HELD: [u32; 26] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 22, 25, 26, 28, 29, 31];
/// The tests of rules that no door can be shown as a scene (what a step does while it is recorded,
/// what the disk or the network does to a register, what two copies of a register come to), and of
/// the parts of others of which that is so: rule, file, tests.
const ELSEWHERE: [(u32, &str, &[&str]); 22] = [
    (5, "verify/tests/evidence/bundle.rs", &["an_honest_bundle_is_believed_with_its_places"]),
    (5, "verify/tests/sigstore/conformance.rs", &["every_good_case_is_told_from_its_neighbours"]),
    (
        6,
        "verify/tests/evidence/governing.rs",
        &[
            "the_next_version_counts_when_the_owners_of_both_have_signed_it",
            "versions_come_in_their_order_and_never_back",
            "a_revoked_owner_counts_no_longer_and_a_revocation_outlives_its_revoker",
            "nobody_is_answered_by_a_document_that_was_superseded",
        ],
    ),
    (6, "server/src/seen.rs", &["a_trust_document_never_goes_back"]),
    (
        6,
        "tests/governance.rs",
        &[
            "nothing_goes_back_behind_a_version_that_was_seen",
            "another_machine_believes_a_register_by_the_digest_in_a_line_alone",
            "what_a_first_use_makes_satisfies_no_stage_that_enforces_where_others_are_answered",
        ],
    ),
    (
        23,
        "policy/src/rego/tests.rs",
        &[
            "what_is_no_rule_is_refused",
            "what_takes_too_much_is_an_error_and_never_a_verdict",
            "an_answer_that_is_no_denial_is_an_error",
            "every_function_that_is_allowed_is_there",
            "a_rule_that_reads_the_time_is_known_to",
        ],
    ),
    (
        24,
        "policy/tests/simulated.rs",
        &[
            "what_is_supposed_as_it_is_believed_is_answered_alike_and_in_another_form",
            "what_is_changed_is_judged_as_changed_and_the_lineage_stays",
            "what_stood_against_an_artifact_at_another_time_decides_nothing",
        ],
    ),
    (24, "verify/tests/unforgeable.rs", &["nobody_outside_makes_or_changes_what_is_believed"]),
    (25, "tests/governance.rs", &["what_is_activated_judges_from_then_on_without_a_restart"]),
    (
        31,
        "tests/governance.rs",
        &["the_owners_of_the_document_consent_to_another_key_of_the_register"],
    ),
    (
        4,
        "attest/tests/recording.rs",
        &[
            "the_command_sees_none_of_our_secrets",
            "secrets_are_not_written_down",
            "background_writers_are_waited_for",
        ],
    ),
    (
        16,
        "attest/tests/recording.rs",
        &[
            "a_material_that_changed_is_an_error_even_when_it_was_put_back",
            "a_product_is_new_or_written_anew",
            "background_writers_are_waited_for",
            "what_cannot_be_a_material_is_refused_before_anything_runs",
        ],
    ),
    (
        27,
        "tests/restored.rs",
        &[
            "its_own_folder_refuses_a_register_that_came_back_from_yesterday",
            "a_client_refuses_a_service_that_came_back_from_yesterday",
            "a_witness_holds_up_every_door_of_a_register_that_came_back_from_yesterday",
        ],
    ),
    (27, "server/tests/witness.rs", &["a_register_that_its_witness_does_not_know_is_held_up"]),
    (
        30,
        "server/src/register/recovery/tests.rs",
        &[
            "after_a_failed_sync_nothing_is_accepted_until_opened_anew",
            "a_whole_record_that_was_not_published_is_kept_and_written_anew",
            "a_tail_cut_at_any_byte_is_put_aside",
            "no_acknowledged_record_is_lost_wherever_power_fails",
        ],
    ),
    (
        30,
        "server/src/register/faults/failing.rs",
        &["any_one_call_may_fail", "any_one_change_may_fail_half_done_or_done"],
    ),
    (
        31,
        "tests/rotation.rs",
        &[
            "trust_files_are_changed_one_after_the_other_while_both_keys_sign",
            "whoever_has_the_old_key_afterwards_is_not_believed",
            "a_rotation_by_anybody_else_puts_no_key_into_a_trust_file",
        ],
    ),
    (
        31,
        "server/src/register/rotation/tests.rs",
        &[
            "both_keys_sign_from_the_statement_on_and_the_new_one_alone_after_the_end",
            "only_the_word_of_the_old_key_lets_it_be_finished",
            "a_power_cut_leaves_a_register_with_a_key_that_is_known",
            "a_power_cut_at_the_end_leaves_both_keys_or_the_new_one",
        ],
    ),
    (
        31,
        "verify/tests/evidence/log_keys.rs",
        &[
            "a_key_counts_as_far_as_the_trust_file_says",
            "whoever_follows_comes_through_the_last_good_tree",
            "a_log_gets_another_key_by_the_word_of_the_one_that_it_has",
        ],
    ),
    (32, "server/src/register/erase/tests.rs", &["what_may_speak_against_somebody_is_not_erased"]),
    (
        32,
        "server/tests/tiles.rs",
        &["entries_and_tiles_are_for_those_who_may_write_unless_the_register_is_public"],
    ),
    (32, "tests/rotation.rs", &["every_statement_that_is_signed_has_random_bits_of_its_own"]),
];

/// What goes wrong at a door, one line each.
type Problems = Vec<String>;

fn noon() -> Timestamp {
    NOON.parse().unwrap()
}

/// How many rows are tried at once: the command waits for its disk most of the time.
const AT_ONCE: usize = 4;

/// Tries every row that `door` takes, and fails with everything that went wrong.
fn every_row(door: &str, attempt: impl Fn(&Row) -> Problems + Sync) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let cases = fixtures::load(&folder).unwrap();
    let rows = cases.iter().flat_map(|case| case.rows.iter().map(|row| (case.name.as_str(), row)));
    let rows: Vec<(&str, &Row)> = rows.filter(|(_, row)| row.takes(door)).collect();
    assert!(rows.len() > 100, "only {} rows go through the door `{door}`", rows.len());
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some((case, row)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = attempt(row);
            if !found.is_empty() {
                problems.lock().unwrap().insert((*case, row.name.as_str()), found);
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let lines: Vec<String> = problems
        .into_inner()
        .unwrap()
        .into_iter()
        .flat_map(|((case, row), found)| {
            found.into_iter().map(move |found| format!("{case}, `{row}`: {found}"))
        })
        .collect();
    assert!(lines.is_empty(), "{} problems\n{}", lines.len(), lines.join("\n"));
}

/// The ways in which the evidence of a row comes to whoever judges, with what must come of it.
fn ways(row: &Row) -> impl Iterator<Item = (Evidence, &Outcome)> {
    let ways = [
        (Evidence::Registered, &row.registered),
        (Evidence::Claimed, &row.claimed),
        (Evidence::Presented, &row.presented),
    ];
    ways.into_iter().filter_map(|(way, want)| Some((way, want.as_ref()?)))
}

#[test]
fn every_rule_that_is_held_has_a_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = fixtures::load(&root.join("tests/attacks")).unwrap();
    let numbers = cases.iter().filter_map(|case| case.name.split_once('-')?.0.parse().ok());
    let numbers: BTreeSet<u32> = numbers.collect();
    assert_eq!(numbers, HELD.into_iter().collect());
    let elsewhere = ELSEWHERE.iter().map(|(rule, ..)| *rule);
    let held: BTreeSet<u32> = numbers.into_iter().chain(elsewhere).collect();
    assert_eq!(held, RULES.collect(), "every rule is tried, here or elsewhere");
    for (rule, file, tests) in ELSEWHERE {
        assert!(!tests.is_empty(), "rule {rule} is tried in {file}");
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for test in tests {
            assert!(has_test(&text, test), "rule {rule} is tried by `{test}` in {file}");
        }
    }
}

/// Whether a file of Rust has a test of this name.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| {
        let is_test = pair[0] == "#[test]" || pair[0].starts_with("#[tokio::test");
        is_test && pair[1].trim_start_matches("async ") == format!("fn {name}() {{")
    })
}

#[test]
fn the_library_answers_as_the_row_says() {
    every_row("library", |row| {
        let scene = row.scene(noon()).unwrap();
        let mut problems = Vec::new();
        for (way, want) in ways(row) {
            let found = library::answer(&scene, way, scene.now).differs_from(want, &scene);
            problems.extend(found.into_iter().map(|found| format!("{way:?}: {found}")));
        }
        problems
    });
}

#[test]
fn a_rule_that_refuses_is_the_only_one_that_does() {
    every_row("library", |row| {
        if row.without.is_empty() {
            return Vec::new();
        }
        let scene = row.scene_without(noon()).unwrap();
        let mut problems = Vec::new();
        for (way, _) in ways(row) {
            let answer = library::answer(&scene, way, scene.now);
            if answer.verdict() != Verdict::Allowed {
                problems.push(format!("{way:?} without {:?}: {answer}", row.without));
            }
        }
        problems
    });
}

#[test]
fn a_decision_holds_as_long_as_it_says_and_no_longer() {
    every_row("library", |row| {
        let scene = row.scene(noon()).unwrap();
        ways(row).flat_map(|(way, _)| holds(row, &scene, way)).collect()
    });
}

/// Judges again just before and just after the end of the time that a decision holds, with
/// nothing new in the register.
fn holds(row: &Row, scene: &Scene, way: Evidence) -> Problems {
    let second = SignedDuration::from_secs(1);
    let Answer::Report(report) = library::answer(scene, way, scene.now) else { return Vec::new() };
    let mut problems = Vec::new();
    if let Some(away) = &row.holds_for {
        let until = fixtures::moment(scene.now, away).unwrap();
        if report.holds.until != Some(until) {
            problems.push(format!("{way:?} holds until {:?}, not {until}", report.holds.until));
        }
    }
    let Some(until) = report.holds.until else { return problems };
    let codes = |at: Timestamp| {
        let answer = library::answer(scene, way, at);
        (answer.verdict(), answer.codes())
    };
    let now = codes(scene.now);
    let (before, after) = (codes(until - second), codes(until + second));
    if before != now {
        problems.push(format!("{way:?} has {before:?} within the time that it holds, not {now:?}"));
    }
    // Before the end it may be allowed or denied; past it, something has come or gone.
    if after == now && row.holds_for.is_some() {
        problems.push(format!("{way:?} still has {now:?} past the time that it holds"));
    }
    problems
}

#[cfg(feature = "server")]
#[test]
fn the_interface_answers_as_the_library_does() {
    every_row("api", |row| {
        let Some(want) = &row.registered else { return Vec::new() };
        let scene = row.scene(noon()).unwrap();
        let service = match Service::of(&scene) {
            Ok(service) => service,
            Err(problem) => return vec![problem],
        };
        service.set_time(asked(row, &scene));
        let (answer, bytes) = service.check(&scene);
        let mut problems = answer.differs_from(want, &scene);
        // What cannot be asked here has no answer that could be compared.
        if want.verdict != Verdict::Undecided {
            let at = asked(row, &scene);
            let ours = library::answer_for_others(&scene, Evidence::Registered, at);
            problems.extend(ours.is_written_as(&bytes, &answer));
        }
        if let Some(opinion) = row.opinion {
            let policy = row.scene_of_opinion(noon()).unwrap().policy;
            problems.extend(service.check_by(&scene, &policy).is_no_more_than(opinion));
            if service.promotes_by(&scene, &policy) {
                problems.push("promoted by a policy of one's own".into());
            }
        }
        problems
    });
}

/// When the question of a row is asked.
#[cfg(feature = "server")]
fn asked(row: &Row, scene: &Scene) -> Timestamp {
    let away = row.asked.as_ref();
    away.map_or(scene.now, |away| fixtures::moment(scene.now, away).unwrap())
}

#[cfg(feature = "server")]
#[test]
fn admission_admits_what_the_library_allows() {
    every_row("admission", |row| {
        let scene = row.scene(noon()).unwrap();
        // Only images are admitted.
        let is_image = scene.artifact.kind() == Some(attest::Kind::OciManifest);
        let Some(want) = row.registered.as_ref().filter(|_| is_image) else { return Vec::new() };
        let service = match Service::of(&scene) {
            Ok(service) => service,
            Err(problem) => return vec![problem],
        };
        let answer = library::answer_for_others(&scene, Evidence::Registered, scene.now);
        let mut problems = admission(&service, &scene, &answer);
        if row.asked.is_some() {
            service.set_time(asked(row, &scene));
            let (allowed, why) = service.admit(&scene);
            if allowed != (want.verdict == Verdict::Allowed) {
                problems.push(format!("asked at another time, admitted: {allowed}: {why}"));
            }
        } else if let Answer::Report(report) = &answer {
            problems.extend(admission_ends(&service, &scene, report));
        }
        problems
    });
}

/// What is promoted is admitted; what is denied is not, even if the gate once promoted it.
#[cfg(feature = "server")]
fn admission(service: &Service, scene: &Scene, answer: &Answer) -> Problems {
    let Answer::Report(report) = answer else { return admits_nothing(service, scene) };
    let mut problems = Vec::new();
    match service.promote(scene) {
        Ok(promoted) if promoted == report.passed => {}
        answer => problems.push(format!("promotion: {answer:?}, passed: {}", report.passed)),
    }
    if !report.passed {
        service.say_promoted(scene);
    }
    let (allowed, why) = service.admit(scene);
    if allowed != report.admitted {
        problems.push(format!("admitted: {allowed}, not {}: {why}", report.admitted));
    }
    // One of the findings is the reason that is given.
    if !allowed && !answer.codes().iter().any(|code| why.contains(code)) {
        problems.push(format!("refused without a reason of {:?}: {why}", answer.codes()));
    }
    problems
}

/// Where the question cannot be asked nothing is promoted, and nothing admitted.
#[cfg(feature = "server")]
fn admits_nothing(service: &Service, scene: &Scene) -> Problems {
    let mut problems = Vec::new();
    if let Ok(promoted) = service.promote(scene) {
        problems.push(format!("the question cannot be asked, and promotion answers {promoted}"));
    }
    service.say_promoted(scene);
    if let (true, why) = service.admit(scene) {
        problems.push(format!("the question cannot be asked, and it is admitted: {why}"));
    }
    problems
}

/// Past its time, a verdict admits nothing where the stage enforces.
#[cfg(feature = "server")]
fn admission_ends(service: &Service, scene: &Scene, report: &policy::Report) -> Problems {
    let Some(until) = report.holds.until.filter(|_| report.passed) else { return Vec::new() };
    service.set_time(until + SignedDuration::from_secs(1));
    let (allowed, why) = service.admit(scene);
    let enforced = report.mode == policy::Mode::Enforce;
    if allowed == enforced || (enforced && !why.contains("verdict.expired")) {
        return vec![format!("past its time, admitted: {allowed}: {why}")];
    }
    Vec::new()
}

#[cfg(feature = "server")]
#[test]
fn the_command_answers_as_the_library_does() {
    every_row("command", |row| {
        let now = attacks_doors::command::now();
        // The command reads the clock: it is the register that is at another time.
        let entered = match row.asked.as_deref() {
            None => now,
            Some(away) => fixtures::moment(now, &away.replace('-', "+")).unwrap(),
        };
        let scene = row.scene(entered).unwrap();
        let folder = match Folder::of(&scene) {
            Ok(folder) => folder,
            Err(problem) => return vec![problem],
        };
        let mut problems = Vec::new();
        for (way, want) in ways(row).filter(|(way, _)| *way != Evidence::Claimed) {
            let said = folder.check(&scene, way, &[]);
            problems.extend(said.answer.differs_from(want, &scene));
            if want.verdict != Verdict::Undecided {
                let ours = library::answer(&scene, way, now);
                problems.extend(ours.is_drawn_as(&said.output, &said.answer));
            }
            problems.extend(said.ends_with(match want.verdict {
                Verdict::Allowed => 0,
                Verdict::Denied | Verdict::Tolerated if said.answer.is_undecided() => 2,
                Verdict::Denied | Verdict::Tolerated => 1,
                Verdict::Undecided => 2,
            }));
            if want.verdict == Verdict::Tolerated {
                problems.extend(folder.check(&scene, way, &["--follow-mode"]).ends_with(0));
            }
        }
        if let Some(opinion) = row.opinion {
            let policy = folder.write("own.yaml", &row.scene_of_opinion(entered).unwrap().policy);
            let said = folder.check(&scene, Evidence::Registered, &["--policy", &policy]);
            problems.extend(said.answer.is_no_more_than(opinion));
        }
        problems
    });
}
