//! Names that give away what stands beside them.

/// How sure it is that what a name stands beside is a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Suspicion {
    /// Whatever the value, unless it is a reference or a switch.
    Certain,
    /// Unless the value is a number, which `token` and `key` often name.
    Likely,
    /// A user name, with a password after a colon.
    User,
}

/// Parts of names that always mean a secret.
const CERTAIN_PARTS: [&str; 7] =
    ["password", "passwd", "passphrase", "secret", "credential", "apikey", "privatekey"];

/// Whole words that always mean a secret.
const CERTAIN_WORDS: [&str; 7] = ["pwd", "pw", "pass", "authorization", "bearer", "cookie", "jwt"];

/// What may follow `token` in the name of a secret.
const AFTER_TOKEN: [&str; 4] = ["value", "string", "text", "data"];

/// What before `token` means a token of a language model.
const BEFORE_MODEL_TOKEN: [&str; 19] = [
    "pad",
    "eos",
    "bos",
    "unk",
    "sep",
    "cls",
    "mask",
    "image",
    "special",
    "additional",
    "stop",
    "start",
    "end",
    "prompt",
    "completion",
    "next",
    "per",
    "user",
    "assistant",
];

/// What before `key` means the key of a table or a map.
const BEFORE_TABLE_KEY: [&str; 33] = [
    "sort",
    "primary",
    "foreign",
    "partition",
    "group",
    "index",
    "join",
    "cache",
    "column",
    "label",
    "target",
    "text",
    "image",
    "feature",
    "metric",
    "row",
    "public",
    "map",
    "dict",
    "lookup",
    "dataset",
    "id",
    "split",
    "best",
    "monitor",
    "score",
    "input",
    "output",
    "query",
    "value",
    "object",
    "order",
    "hash",
];

/// Last words of names that describe a secret without being it.
const DESCRIBES: [&str; 21] = [
    "file",
    "path",
    "dir",
    "directory",
    "name",
    "type",
    "url",
    "uri",
    "endpoint",
    "length",
    "size",
    "count",
    "column",
    "columns",
    "field",
    "policy",
    "provider",
    "manager",
    "version",
    "format",
    "stdin",
];

/// The name of a flag whose value is the next argument.
pub(super) fn flag(argument: &str) -> Option<&str> {
    let name = argument.trim_start_matches('-');
    (name.len() < argument.len() && is_name(name)).then_some(name)
}

pub(super) fn is_name(text: &str) -> bool {
    let in_name = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !text.is_empty() && text.chars().all(in_name)
}

pub(super) fn flag_suspicion(name: &str) -> Option<Suspicion> {
    match name {
        "u" | "user" | "proxy-user" => Some(Suspicion::User),
        _ => suspicion(name),
    }
}

/// How much a name says that its value is a secret.
pub(super) fn suspicion(name: &str) -> Option<Suspicion> {
    let words = words(name);
    let (last, before) = words.split_last()?;
    let describes = DESCRIBES.contains(&last.as_str());
    let joined = words.concat();
    if !describes
        && (CERTAIN_PARTS.iter().any(|part| joined.contains(part))
            || CERTAIN_WORDS.contains(&last.as_str()) && (last != "pass" || before.len() < 2))
    {
        return Some(Suspicion::Certain);
    }
    let previous = before.last().map(String::as_str).unwrap_or_default();
    let token = match last.as_str() {
        "token" => !BEFORE_MODEL_TOKEN.contains(&previous),
        after if AFTER_TOKEN.contains(&after) => previous == "token",
        _ => false,
    };
    let key = match last.as_str() {
        "key" => !BEFORE_TABLE_KEY.contains(&previous),
        "accesskey" | "authkey" | "auth" => true,
        _ => false,
    };
    (token || key).then_some(Suspicion::Likely)
}

/// The words of a name, in lowercase: `api-key`, `api_key` and `apiKey` are two words each.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut lowercase = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || lowercase && letter.is_uppercase() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        lowercase = letter.is_lowercase();
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}
