//! Texts that look like a secret by themselves: as their issuer shapes them, or random.

/// Beginnings that issuers give their secrets: the text, how many characters follow at least,
/// and how long the longest run of letters and digits among them is at least.
const ISSUED: [(&str, usize, usize); 33] = [
    ("AKIA", 16, 16),
    ("ASIA", 16, 16),
    ("ghp_", 30, 30),
    ("gho_", 30, 30),
    ("ghu_", 30, 30),
    ("ghs_", 30, 30),
    ("ghr_", 30, 30),
    ("github_pat_", 30, 20),
    ("glpat-", 16, 4),
    ("gldt-", 16, 4),
    ("xoxb-", 20, 8),
    ("xoxp-", 20, 8),
    ("xoxa-", 20, 8),
    ("xoxr-", 20, 8),
    ("xoxs-", 20, 8),
    ("xapp-", 20, 8),
    ("hf_", 20, 20),
    ("sk-", 20, 20),
    ("sk_live_", 16, 16),
    ("rk_live_", 16, 16),
    ("npm_", 30, 30),
    ("pypi-AgE", 40, 8),
    ("AIza", 30, 4),
    ("ya29.", 20, 4),
    ("dapi", 32, 32),
    ("SG.", 20, 4),
    ("dckr_pat_", 20, 4),
    ("dop_v1_", 40, 40),
    ("shpat_", 32, 32),
    ("nvapi-", 20, 4),
    ("gsk_", 30, 30),
    ("r8_", 30, 30),
    ("AGE-SECRET-KEY-", 20, 20),
];

/// Whether a text has the shape of a secret, or holds one.
pub(super) fn looks_secret(text: &str) -> bool {
    issued(text) || is_jwt(text) || is_random(text)
}

fn issued(text: &str) -> bool {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    ISSUED.iter().any(|(prefix, length, run)| {
        text.match_indices(prefix).any(|(at, _)| {
            let inside = text.as_bytes().get(..at).and_then(<[u8]>::last);
            let after = text.as_bytes().get(at + prefix.len()..).unwrap_or_default();
            let after: Vec<u8> = after.iter().copied().take_while(token).collect();
            let longest = after
                .split(|byte| !byte.is_ascii_alphanumeric())
                .map(<[u8]>::len)
                .max()
                .unwrap_or(0);
            !inside.is_some_and(u8::is_ascii_alphanumeric)
                && after.len() >= *length
                && longest >= *run
        })
    })
}

/// A JSON web token: `eyJ` begins the base64 of `{"`.
fn is_jwt(text: &str) -> bool {
    text.match_indices("eyJ").any(|(at, _)| {
        let parts = text.get(at..).unwrap_or_default().split('.');
        let long = |part: &str| {
            part.bytes()
                .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
                .count()
                >= 10
        };
        parts.take(2).filter(|part| long(part)).count() == 2
    })
}

/// Whether letters of both cases and digits stand in a row as only chance puts them.
fn is_random(text: &str) -> bool {
    if ["sha256-", "sha384-", "sha512-"].iter().any(|prefix| text.starts_with(prefix)) {
        return false; // subresource integrity: a digest
    }
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if text.len() == 40 && text.bytes().all(base64) && is_mixed(text.as_bytes(), 4.0) {
        return true; // a secret of AWS, whose `/` would break the run below
    }
    text.as_bytes()
        .split(|byte| !byte.is_ascii_alphanumeric())
        .any(|run| run.len() >= 20 && is_mixed(run, 3.5))
}

/// Whether all three classes occur, change often, and carry at least `bits` per character.
fn is_mixed(run: &[u8], bits: f64) -> bool {
    let class = |byte: &u8| match byte {
        b'a'..=b'z' => 0_u8,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let all = (0..3).all(|wanted| run.iter().any(|byte| class(byte) == wanted));
    let changes = run.iter().zip(run.iter().skip(1)).filter(|(a, b)| class(a) != class(b)).count();
    all && changes * 100 >= run.len().saturating_sub(1) * 30 && entropy(run) >= bits
}

/// Bits per character, by how often each occurs.
fn entropy(run: &[u8]) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for byte in run {
        *counts.entry(byte).or_insert(0_u32) += 1;
    }
    let length = run.len() as f64;
    counts.values().map(|count| f64::from(*count) / length).map(|share| -share * share.log2()).sum()
}
