//! Secrets in URLs: the user part, and values of telling names in the query.

use super::names::suspicion;
use super::shapes::looks_secret;
use super::{REDACTED, redact_text};

/// Parameters of signed URLs.
const URL_SECRETS: [&str; 8] = [
    "sig",
    "signature",
    "x-amz-signature",
    "x-amz-credential",
    "x-goog-signature",
    "x-goog-credential",
    "awsaccesskeyid",
    "code",
];

/// Where the scheme of a URL starts in a text.
pub(super) fn url_start(text: &str) -> Option<usize> {
    let end = text.find("://")?;
    let scheme = text.get(..end)?;
    let start = scheme
        .rfind(|letter: char| !(letter.is_ascii_alphanumeric() || "+-.".contains(letter)))
        .map_or(0, |at| at + 1);
    (start < end).then_some(start)
}

/// A URL without user part, without the secrets among its parameters, and without path segments
/// that look like one. The user name of an SSH URL stays: it is no secret and says how to log in.
pub fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return redact_text(url) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let mut out = format!("{scheme}://");
    match authority.rsplit_once('@') {
        None => out.push_str(authority),
        Some((user, host)) => {
            let keep = scheme.ends_with("ssh") && !user.contains(':') && !looks_secret(user);
            out.push_str(if keep { user } else { REDACTED });
            out.push('@');
            out.push_str(host);
        }
    }
    for part in rest.split_inclusive(['/', '?', '&', '#']) {
        let text = part.trim_end_matches(['/', '?', '&', '#']);
        let parameter = text.split_once('=').filter(|(name, value)| {
            let known = URL_SECRETS.contains(&name.to_ascii_lowercase().as_str());
            known || suspicion(name).is_some() || looks_secret(value)
        });
        match parameter {
            Some((name, _)) => out.extend([name, "=", REDACTED]),
            None => out.push_str(if looks_secret(text) { REDACTED } else { text }),
        }
        out.push_str(part.get(text.len()..).unwrap_or_default());
    }
    out
}
