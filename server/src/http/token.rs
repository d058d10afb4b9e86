//! The bearer token that writes need (RFC 6750).
//!
//! Held only as its digest and compared in constant time, so that neither a memory dump of the
//! comparison nor its duration gives the token away. Never logged.

use std::fmt;
use std::str::FromStr;

use attest::Sha256;
use axum::http::{HeaderMap, header};

/// The fewest characters that a token may have: 128 bits in base64 are 22.
pub const MIN_LENGTH: usize = 22;

/// The most characters that a token may have.
pub const MAX_LENGTH: usize = 4096;

/// A token that a client must know in order to write.
#[derive(Clone)]
pub struct Token(Sha256);

/// Why a text is not a usable token.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Too short to resist guessing, or absurdly long.
    #[error(
        "a token has {MIN_LENGTH} to {MAX_LENGTH} characters; make one with `openssl rand -base64 32`"
    )]
    Length,
    /// Something that cannot stand in a header.
    #[error("a token has no spaces, control or non-ASCII characters")]
    Character,
}

impl Token {
    /// Whether `headers` carry this token.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.split_once(' '));
        match given {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                equal(&self.0, &Sha256::of(token.trim().as_bytes()))
            }
            _ => false,
        }
    }
}

/// Compares without stopping at the first difference.
fn equal(left: &Sha256, right: &Sha256) -> bool {
    let pairs = left.as_bytes().iter().zip(right.as_bytes());
    pairs.fold(0, |difference, (left, right)| std::hint::black_box(difference | (left ^ right)))
        == 0
}

impl FromStr for Token {
    type Err = TokenError;

    /// Reads the content of a token file; white space around the token is left away.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) {
            return Err(TokenError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Character);
        }
        Ok(Self(Sha256::of(text.as_bytes())))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TEXT: &str = "dGhpcyBpcyBhIHRva2VuIG9mIG91cnM";

    #[test]
    fn only_the_token_opens() {
        let token: Token = format!("{TEXT}\n").parse().unwrap();
        let cases = [
            (Some(format!("Bearer {TEXT}")), true),
            (Some(format!("bearer {TEXT}")), true),
            (Some(format!("Bearer {TEXT}x")), false),
            (Some(format!("Basic {TEXT}")), false),
            (Some(TEXT.into()), false),
            (Some("Bearer ".into()), false),
            (None, false),
        ];
        for (value, want) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = &value {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(token.is_in(&headers), want, "{value:?}");
        }
    }

    #[test]
    fn weak_tokens_are_refused() {
        let cases = [
            (String::new(), TokenError::Length),
            ("short".into(), TokenError::Length),
            ("a".repeat(MAX_LENGTH + 1), TokenError::Length),
            (format!("{TEXT} {TEXT}"), TokenError::Character),
            (format!("{TEXT}é"), TokenError::Character),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Token>().unwrap_err(), want);
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert_eq!(format!("{:?}", TEXT.parse::<Token>().unwrap()), "Token(…)");
    }
}
