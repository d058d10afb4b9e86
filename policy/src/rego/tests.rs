//! What a rule may say, and what happens to one that asks for more than there is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and says how long it took"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use fixtures::{LOG_ORIGIN, Scene};
use regorus::Value;
use verify::{Direction, Follower, Lineage, Trace, Trust};

use super::builtins::NAMES;
use super::fence::behind;
use super::module::{MAX_INSTRUCTIONS, MAX_SECONDS, execute};
use super::*;

const STEPS: [&str; 2] = ["prepare", "train"];
const NOW: &str = "2026-11-20T12:00:00Z";
const INPUT: &str = r#"{
    "version": "assay/rego-input/v1", "artifact": "oci-manifest:sha256:00", "stage": "production",
    "now": "2026-11-20T12:00:00Z", "statements": [{"index": 1}, {"index": 2}], "chain": {"prepare": [], "train": []}
}"#;
const SUBJECT: &str =
    "file:sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn compiled(text: &str) -> Result<Module, ModuleError> {
    Module::compile("R-1", text, &STEPS)
}

/// A rule whose `deny` has this body.
fn rule(body: &str) -> String {
    format!(
        "package assay\nsubject := \"{SUBJECT}\"\ndeny contains {{\"msg\": m, \"code\": \"a.b\", \"subject\": subject}} if {{\n  input.stage == \"production\"\n  {body}\n  m := \"no\"\n}}\n"
    )
}

fn answer(text: &str) -> Answer {
    let module = compiled(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let now = NOW.parse().unwrap();
    behind(|| {
        let input = Value::from_json_str(INPUT).unwrap();
        execute(&module.program, input, now, Duration::from_secs(MAX_SECONDS))
    })
    .unwrap()
}

#[test]
fn a_denial_is_read_and_silence_is_none() {
    let denial =
        Denial { code: "a.b".into(), message: "no".into(), subject: SUBJECT.parse().unwrap() };
    let cases = [
        ("denies", rule("count(input.statements) == 2"), vec![denial.clone()]),
        ("the least change", rule("count(input.statements) == 3"), vec![]),
        (
            "the time is the question's",
            rule("time.now_ns() == 1795176000000000000"),
            vec![denial.clone()],
        ),
        (
            "sets and numbers",
            rule("{1, 2} - {2} == {1}; 7 % 4 == 3; 6 / 2 == 3; 2 * 3 - 1 == 5"),
            vec![denial.clone()],
        ),
        (
            "text and patterns",
            rule(
                r#"regex.match("^s.{2}$", sprintf("%s%02d", ["s", 7])); time.clock([0, "Europe/Berlin"])[0] == 1"#,
            ),
            vec![denial.clone()],
        ),
        (
            "helpers",
            format!(
                "{}\nhas(s, n) if s.index == n\nlarge contains s if {{ some s in input.statements; has(s, 2) }}\n",
                rule("count(large) == 1")
            ),
            vec![denial.clone()],
        ),
        ("every", rule("every s in input.statements { s.index > 0 }"), vec![denial]),
    ];
    for (name, text, want) in cases {
        assert_eq!(answer(&text), Ok(want), "{name}");
    }
}

#[test]
fn what_is_no_rule_is_refused() {
    let denies = "deny contains {\"msg\": \"a\", \"code\": \"a\", \"subject\": input.artifact}";
    let cases = [
        ("a word missing", "package assay\ndeny contains {".to_owned(), "line 2"),
        (
            "another package",
            format!("package other\n{denies}"),
            "package `other`; write `package assay`",
        ),
        ("below the package", format!("package assay.more\n{denies}"), "package `assay.more`"),
        ("no deny", "package assay\nallow if input.stage".into(), "denies nothing"),
        ("a deny that is no set", "package assay\ndeny := input.stage".into(), "denies nothing"),
        (
            "a deny that is a map",
            "package assay\ndeny[x] := 1 if some x in input.statements".into(),
            "denies nothing",
        ),
        (
            "nothing read",
            format!(
                "package assay\ndeny contains {{\"msg\": \"a\", \"code\": \"a\", \"subject\": \"{SUBJECT}\"}} if 1 == 2"
            ),
            "reads nothing of `input`",
        ),
        (
            "read elsewhere only",
            format!(
                "package assay\nx := input.stage\ndeny contains {{\"msg\": \"a\", \"code\": \"a\", \"subject\": \"{SUBJECT}\"}} if 1 == 2"
            ),
            "reads nothing of `input`",
        ),
        ("a field that is not there", rule("input.statments"), "no `input.statments`"),
        (
            "a step that is not there",
            rule("count(input.chain.evaluate) == 0"),
            "no `input.chain.evaluate`; known are `prepare`, `train`",
        ),
        (
            "the same in brackets",
            rule("count(input.chain[\"evaluate\"]) == 0"),
            "no `input.chain[\"evaluate\"]`",
        ),
        (
            "the network",
            rule("http.send({\"method\": \"get\", \"url\": \"http://localhost\"})"),
            "`http.send` is not there",
        ),
        ("the machine", rule("opa.runtime()"), "opa.runtime"),
        ("a name server", rule("net.lookup_ip_addr(\"localhost\")"), "net.lookup_ip_addr"),
        ("chance", rule("rand.intn(\"a\", 10) > 4"), "`rand.intn` is not there"),
        ("an identifier by chance", rule("uuid.rfc4122(\"a\")"), "uuid.rfc4122"),
        ("output", rule("print(\"a\")"), "`print` is not there"),
        ("a trace", rule("trace(\"a\")"), "`trace` is not there"),
        ("the host", rule("__builtin_host_await(1, \"a\")"), "`__builtin_host_await` is not there"),
        ("data", rule("data.secrets.x == 1"), ""),
        ("data by a name that is made", rule("some x in [\"subject\"]; data.assay[x]"), ""),
        (
            "itself",
            "package assay\ndeny contains x if { some x in deny; input.stage }".into(),
            "`deny` would need itself",
        ),
        (
            "two that need each other",
            format!("{}\nf(x) := g(x)\ng(x) := f(x)\n", rule("f(1)")),
            "`f` would need itself",
        ),
        (
            "two values for one name",
            format!(
                "{}\nx := 1 if input.stage == \"a\"\nx := 2 if input.stage == \"b\"\n",
                rule("x > 1")
            ),
            "`x` is given several times",
        ),
        (
            "a function with two values",
            format!("{}\nf(y) := 1 if y == 1\nf(y) := 2 if y > 0\n", rule("f(1) > 1")),
            "`f` is given several times",
        ),
        (
            "two values, one after the other",
            format!("{}\nf(y) := 1 if y == 1\nelse := 2 if y > 0\n", rule("f(1) > 1")),
            "-",
        ),
        (
            "one value by two ways",
            format!("{}\nf(y) if y == 1\nf(y) if y > 0\n", rule("f(1)")),
            "-",
        ),
        (
            "another input",
            rule("x := count(input.statements) with input as {\"statements\": []}; x == 0"),
            "",
        ),
        ("another function", rule("x := count(input.statements) with count as 0; x == 0"), ""),
        ("a long number", rule(&format!("1{} > 0", "0".repeat(100))), "more than 100 digits"),
        ("a number that is written short", rule("1e1000000000 > 0"), "out of range"),
        ("deep", rule(&format!("{}1{}", "[".repeat(200), "]".repeat(200))), "brackets in brackets"),
        (
            "lists as deep as they may be",
            rule(&format!("{}1{}", "[".repeat(10), "]".repeat(10))),
            "-",
        ),
        (
            "sets as deep as they may be",
            rule(&format!("{}1{}", "{".repeat(10), "}".repeat(10))),
            "-",
        ),
        (
            "maps as deep as they may be",
            rule(&format!("{}1{}", "{1:".repeat(8), "}".repeat(8))),
            "-",
        ),
        (
            "groups as deep as they may be",
            rule(&format!("{}1{} > 0", "(".repeat(9), ")".repeat(9))),
            "-",
        ),
        (
            "calls as deep as they may be",
            rule(&format!("{}1{} > 0", "abs(".repeat(8), ")".repeat(8))),
            "-",
        ),
        (
            "lists as deep and as long as they may be",
            rule(&format!("{}{}1{}", "[".repeat(8), "1,".repeat(15), "]".repeat(8))),
            "-",
        ),
        (
            "too long",
            format!("package assay\n#{}", "x".repeat(MAX_REGO_BYTES)),
            "more than the limit",
        ),
        (
            "many words",
            format!("package assay\ndeny contains x if {{\n{}}}", "1\n".repeat(31 << 10)),
            "",
        ),
        ("a long sum", rule(&format!("x := 1{}", "+\n1".repeat(15 << 10))), ""),
        (
            "many rules",
            format!(
                "{}{}",
                rule("input.stage"),
                (0..4000).map(|at| format!("r{at}:=1\n")).collect::<String>()
            ),
            "-",
        ),
    ];
    for (name, text, want) in cases {
        let begun = Instant::now();
        let found = compiled(&text);
        println!(
            "{name}: {:?}, {found:?}",
            begun.elapsed(),
            found = found.as_ref().err().map(ToString::to_string)
        );
        match found {
            Err(error) => assert!(error.to_string().contains(want), "{name}: {error}"),
            Ok(_) => assert_eq!(want, "-", "{name}"),
        }
    }
}

#[test]
fn what_takes_too_much_is_an_error_and_never_a_verdict() {
    let doubled = |function: &str| {
        let lines = (1..40).map(|at| {
            function.replace("NEW", &format!("x{at}")).replace("OLD", &format!("x{}", at - 1))
        });
        lines.collect::<Vec<_>>().join("\n  ")
    };
    let nested = |levels: usize| {
        let mut text = String::from("f0(x) := [x]\n");
        for level in 1..=levels {
            text.push_str(&format!("f{level}(x) := f{0}(f{0}(x))\n", level - 1));
        }
        text
    };
    let chain: String = (0..1000).map(|at| format!("r{at} := r{} + 1\n", at + 1)).collect();
    let memory = || RunError::Memory(super::meter::MAX_MADE);
    let cases: Vec<(&str, String, RunError)> = vec![
        (
            "a loop in loops",
            rule(
                "some a in numbers.range(1, 1000); some b in numbers.range(1, 1000); some c in numbers.range(1, 1000); a + b + c == 0",
            ),
            RunError::Instructions(MAX_INSTRUCTIONS),
        ),
        ("a large list", rule("x := numbers.range(1, 10000000000); count(x) == 1"), memory()),
        (
            "a list that never ends",
            rule("x := numbers.range_step(1, 10, 0); count(x) == 1"),
            memory(),
        ),
        (
            "text that doubles",
            rule(&format!(
                "x0 := \"aaaaaaaaaaaaaaaa\"\n  {}\n  x39 == \"\"",
                doubled("NEW := concat(\"\", [OLD, OLD])")
            )),
            memory(),
        ),
        (
            "lists that double",
            rule(&format!(
                "x0 := [1]\n  {}\n  x39 == []",
                doubled("NEW := array.concat(OLD, OLD)")
            )),
            memory(),
        ),
        (
            "text that is squared",
            rule(
                "x := concat(\"\", [\"a\" | some i in numbers.range(1, 100000)]); y := replace(x, \"a\", x); y == \"\"",
            ),
            memory(),
        ),
        ("padding", rule("x := sprintf(\"%0999999999d\", [1]); x == \"\""), memory()),
        ("a shift", rule("x := bits.lsh(1, 100000000000); x == 0"), memory()),
        (
            "numbers that double",
            rule(&format!("x0 := 99999999\n  {}\n  x39 == 0", doubled("NEW := OLD * OLD"))),
            RunError::Undefined("a number has more than 100 digits".into()),
        ),
        ("a number in a text", rule("to_number(\"1e1000000000\") > 0"), memory()),
        (
            "sets less one",
            rule(
                "big := {i | some i in numbers.range(1, 20000)}; x := [d | some i in numbers.range(1, 20000); d := big - {i}]; count(x) == 0",
            ),
            memory(),
        ),
        (
            "a large set",
            rule(
                "x := {[a, b, c] | some a in numbers.range(1, 200); some b in numbers.range(1, 200); some c in numbers.range(1, 200)}; count(x) == 0",
            ),
            RunError::Instructions(MAX_INSTRUCTIONS),
        ),
        (
            "a pattern that is large",
            rule(r#"regex.match("((a{1,1000}){1,1000}){1,1000}", "a")"#),
            RunError::Pattern,
        ),
        (
            "a pattern on a long text",
            rule(
                r#"x := concat("", ["a" | some i in numbers.range(1, 100000)]); regex.match(concat("", ["(a|aa)+$" | some i in numbers.range(1, 1000)]), x)"#,
            ),
            memory(),
        ),
        (
            "the machine's zone",
            rule("time.clock([0, \"Local\"])[0] >= 0"),
            RunError::Undefined(
                "the time zone `Local` is another one on every machine; name a zone".into(),
            ),
        ),
        (
            "a conversion that fails",
            rule("to_number(\"one\") > 2"),
            RunError::Undefined("could not parse string as number".into()),
        ),
        (
            "a division by zero",
            rule("1 / (count(input.statements) - 2) > 2"),
            RunError::Undefined("divide by zero".into()),
        ),
        (
            "a value that is deep",
            format!("{}{}", rule("x := f15(0); x == 0"), nested(15)),
            RunError::Undefined("-".into()),
        ),
        (
            "a value that is too deep",
            format!("{}{}", rule("x := f24(0); x == 0"), nested(24)),
            RunError::Instructions(MAX_INSTRUCTIONS),
        ),
        (
            "calls that are deep",
            format!("{}{chain}r1000 := count(input.statements)\n", rule("r0 == 0")),
            RunError::Undefined("-".into()),
        ),
    ];
    for (name, text, want) in cases {
        let begun = Instant::now();
        let found = answer(&text);
        println!("{name}: {:?}, {found:?}", begun.elapsed());
        match (&found, &want) {
            (Ok(denials), RunError::Undefined(text)) if text == "-" => {
                assert!(denials.is_empty(), "{name}")
            }
            // A machine that is busy with other tests comes to the other limit first.
            (Err(RunError::Time(MAX_SECONDS)), RunError::Instructions(_)) => {}
            _ => assert_eq!(found, Err(want), "{name}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{name}");
    }
}

#[test]
fn a_catastrophic_pattern_is_linear() {
    let text = rule(
        r#"x := concat("", ["a" | some i in numbers.range(1, 5000)]); regex.match("^(a+)+$", concat("", [x, "b"]))"#,
    );
    assert_eq!(answer(&text), Ok(vec![]));
}

#[test]
fn an_answer_that_is_no_denial_is_an_error() {
    let denies =
        |what: &str| format!("package assay\ndeny contains {what} if count(input.statements) == 2");
    let long = format!(
        "{{\"msg\": \"{}\", \"code\": \"a\", \"subject\": \"{SUBJECT}\"}}",
        "x".repeat(801)
    );
    let cases = [
        ("a text", "\"no\"", "a member is no object"),
        ("no subject", "{\"msg\": \"a\", \"code\": \"a\"}", "2 keys"),
        (
            "more than it may say",
            &format!(
                "{{\"msg\": \"a\", \"code\": \"a\", \"subject\": \"{SUBJECT}\", \"level\": 1}}"
            ),
            "4 keys",
        ),
        (
            "another key",
            &format!("{{\"message\": \"a\", \"code\": \"a\", \"subject\": \"{SUBJECT}\"}}"),
            "no `msg`",
        ),
        (
            "a number",
            &format!("{{\"msg\": 1, \"code\": \"a\", \"subject\": \"{SUBJECT}\"}}"),
            "`msg` is no text",
        ),
        (
            "nothing said",
            &format!("{{\"msg\": \" \", \"code\": \"a\", \"subject\": \"{SUBJECT}\"}}"),
            "`msg` is empty",
        ),
        ("too much said", &long, "`msg` is empty or"),
        (
            "a code with a space",
            &format!("{{\"msg\": \"a\", \"code\": \"a b\", \"subject\": \"{SUBJECT}\"}}"),
            "`code` must be",
        ),
        (
            "a code with an empty part",
            &format!("{{\"msg\": \"a\", \"code\": \"a..b\", \"subject\": \"{SUBJECT}\"}}"),
            "`code` must be",
        ),
        (
            "no artifact",
            "{\"msg\": \"a\", \"code\": \"a\", \"subject\": \"the model\"}",
            "`subject` is no artifact",
        ),
    ];
    for (name, what, want) in cases {
        let Err(RunError::Answer(found)) = answer(&denies(what)) else { panic!("{name}") };
        assert!(found.contains(want), "{name}: {found}");
    }
    let many = format!(
        "package assay\ndeny contains {{\"msg\": m, \"code\": \"a\", \"subject\": \"{SUBJECT}\"}} if {{ count(input.statements) == 2; some i in numbers.range(1, LAST); m := sprintf(\"%d\", [i]) }}"
    );
    assert_eq!(answer(&many.replace("LAST", "100")).map(|denials| denials.len()), Ok(100));
    assert!(matches!(answer(&many.replace("LAST", "101")), Err(RunError::Answer(_))));
}

#[test]
fn every_function_that_is_allowed_is_there() {
    for name in NAMES {
        assert!(regorus::unstable::BUILTINS.contains_key(name), "{name}");
    }
}

#[test]
fn a_rule_that_reads_the_time_is_known_to() {
    let cases = [
        ("count(input.statements) == 2", false),
        ("time.now_ns() > 0", true),
        ("input.now > \"2026\"", true),
        ("input[\"now\"] > \"2026\"", true),
        ("some x in input; x == 1", true),
        ("name := \"now\"; input[name] == \"\"", true),
        ("x := {\"a\": input}; x.a.now == \"\"", true),
        ("x := {\"input\": {\"now\": 1}}; x.input.now == 1", false),
    ];
    for (body, want) in cases {
        assert_eq!(compiled(&rule(body)).unwrap().reads_time(), want, "{body}");
    }
}

/// The lineage of the scene's artifact, with its log followed.
fn lineage(scene: &Scene) -> Lineage {
    let trust = Trust::parse(&scene.trust).unwrap();
    let mut follower = Follower::new(LOG_ORIGIN, &trust).unwrap();
    for (index, (leaf, body)) in (0..).zip(&scene.leaves) {
        follower.leaf(index, leaf.bytes(), body.as_deref()).unwrap();
    }
    let followed = follower.finish(&scene.checkpoint, &trust).unwrap();
    let negatives = &followed.negatives;
    let mut trace = Trace::new(scene.artifact, Direction::Up, &trust, negatives, scene.now);
    while let Some(wanted) = trace.wanted().first().copied() {
        let about = scene.evidence.iter().filter(|one| one.subjects.contains(&wanted));
        trace.supply(wanted, about.filter_map(|one| one.registered.clone()).collect(), None);
    }
    trace.finish()
}

#[test]
fn what_a_rule_is_given_is_as_the_schema_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read(here.join("../schemas/rego/input.v1.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for case in fixtures::load(&here.join("tests/cases")).unwrap() {
        let Some(row) = case.rows.iter().find(|row| row.registered.is_some()) else { continue };
        let scene = row.scene(NOW.parse().unwrap()).unwrap();
        let Ok(policy) = crate::Policy::parse(&scene.policy) else { continue };
        let lineage = lineage(&scene);
        let question = crate::rules::Question {
            model: &policy.model,
            artifact: scene.artifact,
            lineage: &lineage,
            now: scene.now,
        };
        let past = crate::rules::past::Past::of(&lineage, scene.artifact);
        let chain = crate::rules::chain::Chain::of(question, &past);
        let input = super::input::of(question, scene.stage.as_str(), &chain, scene.now).unwrap();
        let mut input: serde_json::Value =
            serde_json::from_str(&input.to_json_str().unwrap()).unwrap();
        let problems: Vec<String> =
            validator.iter_errors(&input).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", case.name);
        assert_eq!(
            input["chain"].as_object().map(|chain| chain.len()),
            Some(policy.model.steps.len())
        );
        input["trusted"] = true.into();
        assert!(!validator.is_valid(&input), "{}", case.name);
    }
}
