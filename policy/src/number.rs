//! Exact numbers as people and frameworks write them, with an exponent or without.

use attest::Decimal;

/// The largest exponent, either way: a decimal has at most 28 digits.
const MAX_EXPONENT: i32 = 28;

/// The exact decimal that `text` is: as [`Decimal`] reads it, or such a number with an exponent
/// (`1e-3`). `None` for what is no number, or has more digits than a decimal holds.
pub(crate) fn exact(text: &str) -> Option<Decimal> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return text.parse().ok();
    };
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let exponent: i32 = exponent.parse().ok().filter(|one: &i32| one.abs() <= MAX_EXPONENT)?;
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if mantissa.ends_with('.') || mantissa.parse::<Decimal>().is_err() {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let text = match usize::try_from(point) {
        Ok(point) if point >= digits.len() => format!("{sign}{digits:0<point$}"),
        Ok(point) if point > 0 => {
            let (whole, fraction) = digits.split_at_checked(point)?;
            format!("{sign}{whole}.{fraction}")
        }
        _ => {
            let zeros = "0".repeat(usize::try_from(point.unsigned_abs()).ok()?);
            format!("{sign}0.{zeros}{digits}")
        }
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_exponents_are_exact() {
        let cases = [
            ("0.001", Some("0.001")),
            ("1e-3", Some("0.001")),
            ("1E-3", Some("0.001")),
            ("-2.5e+2", Some("-250")),
            ("2.55e1", Some("25.5")),
            ("12e-1", Some("1.2")),
            ("5e0", Some("5")),
            ("1e", None),
            ("e3", None),
            ("1.e3", None),
            ("1e3.5", None),
            ("1e99", None),
            ("1e-99999999999", None),
            ("NaN", None),
            ("0x1e3", None),
            ("1e--3", None),
        ];
        for (text, want) in cases {
            let want = want.map(|want| want.parse::<Decimal>().unwrap());
            assert_eq!(exact(text), want, "{text}");
        }
    }
}
