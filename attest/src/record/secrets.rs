//! Taking out of what is recorded whatever looks like a secret.
//!
//! A statement is for ever and for everybody, so here a false alarm is cheap and a miss is not.
//! Three things give a secret away: the name beside it (`--token`, `password=`), the shape that
//! its issuer gave it (`AKIA…`, `ghp_…`, a JWT, a PEM block, the user part of a URL), and many
//! random characters in a row. What is recognised is replaced by [`REDACTED`] as a whole.
//!
//! Digests, commits and run identifiers are random, too: strings of hex digits alone pass
//! unless their name says otherwise. This module guards against accidents; it cannot find a
//! secret that looks like a word and stands beside no telling name.

mod commands;
mod names;
mod shapes;
mod url;

pub use self::commands::redact_command;
use self::commands::{attached, client_of};
use self::names::{Suspicion, flag, flag_suspicion, suspicion};
use self::shapes::looks_secret;
pub use self::url::redact_url;
use self::url::url_start;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The value of a parameter or environment variable without secrets.
pub fn redact_value(name: &str, value: &str) -> String {
    match suspicion(name) {
        Some(suspicion) => redact_suspected(suspicion, value),
        None => redact_text(value),
    }
}

/// A text without secrets: a value, a URL, a line of a script.
pub fn redact_text(text: &str) -> String {
    if text.contains("-----BEGIN") {
        return REDACTED.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut previous = "";
    let mut client = None;
    let mut rest = text;
    while !rest.is_empty() {
        let (atom, after) = rest.split_at(rest.find(delimits).unwrap_or(rest.len()));
        client = client_of(atom).or(client);
        let quoted = after.starts_with(['"', '\'', '`']);
        let awaited = if atom.is_empty() {
            None
        } else if let Some(value) = attached(client, atom)
            .or_else(|| (client.is_some() && atom == "-p" && quoted).then_some(""))
        {
            out.push_str("-p");
            rest = rest.get(2..).unwrap_or_default();
            if value.starts_with(['-', '=']) {
                // What is awaited does not begin so.
                out.push_str(REDACTED);
                rest = after;
            }
            rest.starts_with(value).then_some(Suspicion::Certain)
        } else if is_scheme(atom) {
            out.push_str(atom);
            rest = after;
            Some(Suspicion::Likely)
        } else if atom.starts_with(['=', ':']) {
            // `token = x`: the sign stands apart from the name.
            let value = atom.trim_start_matches(['=', ':']);
            let (signs, left) = rest.split_at(atom.len() - value.len());
            out.push_str(signs);
            rest = left;
            suspicion(previous)
        } else if let Some(suspicion) = flag(atom).and_then(flag_suspicion) {
            out.push_str(atom);
            rest = after;
            Some(suspicion)
        } else {
            let (taken, awaited) = redact_atom(atom, &mut out);
            rest = rest.get(taken..).unwrap_or_default();
            awaited
        };
        if !atom.is_empty() {
            previous = atom;
        }
        if let Some(suspicion) = awaited {
            rest = redact_awaited(suspicion, rest, &mut out);
        } else if let Some(delimiter) = rest.chars().next().filter(|letter| delimits(*letter)) {
            // Another command begins.
            client = client.filter(|_| !";|\n".contains(delimiter));
            out.push(delimiter);
            rest = rest.get(delimiter.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

/// What separates the parts of a script that are looked at by themselves.
fn delimits(letter: char) -> bool {
    letter.is_whitespace() || "\"'`;|(){}<>,[]\\".contains(letter)
}

/// Writes what follows a suspicious name: up to the closing quote, or to the next space. What
/// is left of the text.
fn redact_awaited<'a>(suspicion: Suspicion, text: &'a str, out: &mut String) -> &'a str {
    let start = text.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\\');
    out.push_str(text.get(..text.len() - start.len()).unwrap_or_default());
    let quote = start.chars().next().filter(|letter| "\"'`".contains(*letter));
    let (value, left) = match quote {
        Some(quote) => {
            out.push(quote);
            let inner = start.get(quote.len_utf8()..).unwrap_or_default();
            inner.split_at(inner.find(quote).unwrap_or(inner.len()))
        }
        None => {
            let ends = |letter: char| letter.is_whitespace() || "\"'`".contains(letter);
            start.split_at(start.find(ends).unwrap_or(start.len()))
        }
    };
    if is_scheme(value) || value.starts_with(['-', '=']) || value.starts_with(REDACTED) {
        // Not yet the value, or no more: looked at like any other part.
        return if quote.is_some() { start.get(1..).unwrap_or_default() } else { start };
    }
    let core = value.trim_end_matches(|letter| ",;|)}]>\\".contains(letter));
    out.push_str(&redact_suspected(suspicion, core));
    out.push_str(value.get(core.len()..).unwrap_or_default());
    left
}

/// Writes one part without secrets. How much of it is written, and the suspicion under which
/// the rest and what follows is, if any.
fn redact_atom(atom: &str, out: &mut String) -> (usize, Option<Suspicion>) {
    let mut start = 0;
    loop {
        let part = atom.get(start..).unwrap_or_default();
        let scheme = url_start(part);
        if scheme == Some(0) {
            out.push_str(&redact_url(part));
            return (atom.len(), None);
        }
        let Some(at) = part.find(['=', ':']) else {
            out.push_str(if looks_secret(part) { REDACTED } else { part });
            return (atom.len(), None);
        };
        let (name, value) = (part.get(..at).unwrap_or_default(), part.get(at + 1..));
        if let Some(suspicion) = suspicion(name) {
            out.push_str(part.get(..=at).unwrap_or_default());
            return (start + at + 1, Some(suspicion));
        }
        // The sign may stand in the middle of the secret: base64 ends in `=`.
        let later = value.is_some_and(looks_secret);
        if scheme.is_none() && looks_secret(part) && !later {
            out.push_str(REDACTED);
            return (atom.len(), None);
        }
        out.push_str(if looks_secret(name) { REDACTED } else { name });
        out.push_str(part.get(at..=at).unwrap_or_default());
        start += at + 1;
    }
}

/// The value beside a suspicious name.
fn redact_suspected(suspicion: Suspicion, value: &str) -> String {
    let switch = matches!(
        value.to_ascii_lowercase().as_str(),
        "" | "true" | "false" | "yes" | "no" | "none" | "null"
    );
    if switch || is_reference(value) {
        return value.into();
    }
    match suspicion {
        Suspicion::Certain => REDACTED.into(),
        Suspicion::Likely if value.len() <= 18 && value.parse::<f64>().is_ok() => value.into(),
        Suspicion::Likely => REDACTED.into(),
        Suspicion::User => match value.split_once(':') {
            Some((user, group)) if !is_number(user) || !is_number(group) => {
                format!("{user}:{REDACTED}")
            }
            _ => redact_text(value),
        },
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A reference to a variable, which says where the secret is and not what it is.
fn is_reference(value: &str) -> bool {
    let Some(name) = value.strip_prefix('$') else { return false };
    let name = name.trim_start_matches('{').trim_end_matches('}');
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether a part says that the secret follows it.
fn is_scheme(atom: &str) -> bool {
    atom.eq_ignore_ascii_case("bearer") || atom.eq_ignore_ascii_case("basic")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made up, and put together here so that no scanner takes this file for a leak.
    fn issued_secret(prefix: &str) -> String {
        format!("{prefix}{}", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0")
    }

    #[test]
    fn what_looks_like_a_secret_is_taken_out() {
        let jwt =
            format!("{}.{}.{}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "abcd");
        let aws = format!("AKIA{}", "IOSFODNN7EXAMPLE");
        let aws_secret = format!("wJalrXUtnFEMI/K7MDENG/bPx{}", "RfiCYEXAMPLEKEY");
        let cases = [
            ("--token abc".to_owned(), "--token [redacted]"),
            ("--token=abc".into(), "--token=[redacted]"),
            ("--hf-token abc -v".into(), "--hf-token [redacted] -v"),
            ("HF_TOKEN=abc python".into(), "HF_TOKEN=[redacted] python"),
            ("--password 1234".into(), "--password [redacted]"),
            ("PGPASSWORD=x psql".into(), "PGPASSWORD=[redacted] psql"),
            ("client_secret=x".into(), "client_secret=[redacted]"),
            ("apiKey: x".into(), "apiKey: [redacted]"),
            ("WANDB_API_KEY=x".into(), "WANDB_API_KEY=[redacted]"),
            ("--credentials x".into(), "--credentials [redacted]"),
            ("--pw foo".into(), "--pw [redacted]"),
            ("mysql -u root -phunter2 db".into(), "mysql -u root -p[redacted] db"),
            ("/usr/bin/mysqldump -phunter2".into(), "/usr/bin/mysqldump -p[redacted]"),
            ("mysql -p'hunter 2' db".into(), "mysql -p'[redacted]' db"),
            ("mysql -p-x db".into(), "mysql -p[redacted] db"),
            ("sshpass -p hunter2 ssh host".into(), "sshpass -p [redacted] ssh host"),
            ("sshpass -phunter2 ssh host".into(), "sshpass -p[redacted] ssh host"),
            ("token =abc".into(), "token =[redacted]"),
            ("token = abc".into(), "token = [redacted]"),
            ("PASSWORD='a, b' c".into(), "PASSWORD='[redacted]' c"),
            ("--password a,b;c d".into(), "--password [redacted] d"),
            ("--password=a,b;c d".into(), "--password=[redacted] d"),
            ("{\\\"secret\\\": \\\"a b\\\"}".into(), "{\\\"secret\\\": \\\"[redacted]\\\"}"),
            ("--key x".into(), "--key [redacted]"),
            ("-u ada:lovelace".into(), "-u ada:[redacted]"),
            ("-H 'Authorization: Bearer abc'".into(), "-H 'Authorization: Bearer [redacted]'"),
            ("login(token = 'abc', x=1)".into(), "login(token = '[redacted]', x=1)"),
            ("{\"token\":\"abc\",\"x\":1}".into(), "{\"token\":\"[redacted]\",\"x\":1}"),
            ("x -----BEGIN PRIVATE KEY-----\nMC4".into(), "[redacted]"),
            ("https://ada:pw@host/x".into(), "https://[redacted]@host/x"),
            ("https://tok@host/x".into(), "https://[redacted]@host/x"),
            ("index=https://a:b@h/x".into(), "index=https://[redacted]@h/x"),
            ("s3://b/x?X-Amz-Signature=ab&v=1".into(), "s3://b/x?X-Amz-Signature=[redacted]&v=1"),
            ("https://h/x?access_token=ab#y".into(), "https://h/x?access_token=[redacted]#y"),
            (format!("run {jwt}"), "run [redacted]"),
            (format!("run {aws}"), "run [redacted]"),
            (format!("aws configure set x {aws_secret}"), "aws configure set x [redacted]"),
            (format!("x={aws_secret}"), "x=[redacted]"),
            (issued_secret("ghp_"), "[redacted]"),
            (issued_secret("github_pat_"), "[redacted]"),
            (issued_secret("hf_"), "[redacted]"),
            (issued_secret("sk-proj-"), "[redacted]"),
            (format!("x:{}", issued_secret("glpat-")), "x:[redacted]"),
            (issued_secret(""), "[redacted]"),
            (
                format!("https://hooks.example/{}/y", issued_secret("")),
                "https://hooks.example/[redacted]/y",
            ),
        ];
        for (text, want) in cases {
            let arguments: Vec<String> = text.split(' ').map(Into::into).collect();
            // As one argument (a script), and as the arguments that a shell makes of it.
            assert_eq!(redact_text(&text), want, "{text}");
            if !text.contains(['\'', '"', '(', '\n', ':']) {
                assert_eq!(redact_command(&arguments).join(" "), want, "{text}");
            }
        }
    }

    #[test]
    fn what_does_not_stays() {
        let cases = [
            "python train.py --epochs 3 --lr 1e-4",
            "--max-tokens 512 --num_tokens=4 --tokenizer bert-base-uncased",
            "--pad-token [PAD] --eos_token=</s>",
            "--token-file /run/token --key-column id --sort-key price --secret-name x",
            "--token $HF_TOKEN --password ${PASSWORD}",
            "--use-password=false --token 3",
            "mkdir -pv a/b && tool -pfast --pw-column x",
            "mysql -p db -P 3306 --port=3306",
            "sort -n mysql; mkdir -pv x",
            "docker run --user 1000:1000 image",
            "docker login --password-stdin registry.example",
            "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "git checkout 0123456789abcdef0123456789abcdef01234567",
            "run=4bf92f3577b34da6a3ce929d0e0e4736 id=123e4567-e89b-12d3-a456-426614174000",
            "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwv",
            "models/Meta-Llama-3-8B-Instruct-Q4_K_M.gguf",
            "BertForSequenceClassification s3://bucket/path/2026-11-23T08:00:00Z/part-0001.parquet",
            "https://host.example:8080/a/b?page=2&sort=name#top",
            "ssh://git@host.example/x.git git@host.example:x.git",
            "http://127.0.0.1:9000/@scope/name C:/x/y a:b =x x= :: monkey=1 key1=2",
            "sklearn==1.9.1 uv.lock:12 {\"seed\": 7, \"keys\": [\"a\"]}",
            "ünïcödé=ß",
        ];
        for text in cases {
            assert_eq!(redact_text(text), text);
            let arguments: Vec<String> = text.split(' ').map(Into::into).collect();
            assert_eq!(redact_command(&arguments), arguments);
        }
    }

    #[test]
    fn values_are_judged_with_their_names() {
        let cases = [
            ("optimizer.api_key", "plain", REDACTED),
            ("db.password", "1234", REDACTED),
            ("learning_rate", "0.5", "0.5"),
            ("eos_token", "</s>", "</s>"),
            ("token", "3", "3"),
            ("model", "https://a:b@host/m", "https://[redacted]@host/m"),
        ];
        for (name, value, want) in cases {
            assert_eq!(redact_value(name, value), want, "{name}={value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn redacting_is_total_and_settles(text in ".{0,80}") {
            let once = redact_text(&text);
            proptest::prop_assert_eq!(redact_text(&once), once.clone());
            let _ = redact_url(&text);
            let _ = redact_command(&[text.clone(), text]);
        }
    }
}
