//! What a rule answers: a set of objects, each with what is wrong, a name for it, and what it is
//! said of. Anything else is an error, and not a denial that nobody sees.

use attest::ArtifactId;
use regorus::Value;

use super::{Answer, Denial, MAX_DENIALS, RunError};

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 800;
/// The longest code, in bytes.
const MAX_CODE: usize = 64;

/// Reads the value of `deny`.
pub(super) fn read(value: &Value) -> Answer {
    let Value::Set(denials) = value else {
        return Err(RunError::Answer("it is no set".into()));
    };
    if denials.len() > MAX_DENIALS {
        let problem = format!("it has {} members, more than {MAX_DENIALS}", denials.len());
        return Err(RunError::Answer(problem));
    }
    let mut read: Vec<Denial> =
        denials.iter().map(denial).collect::<Result<_, String>>().map_err(RunError::Answer)?;
    read.sort();
    Ok(read)
}

fn denial(value: &Value) -> Result<Denial, String> {
    let Value::Object(fields) = value else { return Err("a member is no object".into()) };
    if fields.len() != 3 {
        return Err(format!("a member has {} keys, not 3", fields.len()));
    }
    let field = |name: &str| match fields.get(&Value::from(name)) {
        Some(Value::String(text)) => Ok(text.as_ref()),
        Some(_) => Err(format!("`{name}` is no text")),
        None => Err(format!("a member has no `{name}`")),
    };
    let (message, code, subject) = (field("msg")?, field("code")?, field("subject")?);
    if message.trim().is_empty() || message.len() > MAX_MESSAGE {
        return Err(format!("`msg` is empty or has more than {MAX_MESSAGE} bytes"));
    }
    let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if code.len() > MAX_CODE
        || !code.split('.').all(|part| !part.is_empty() && part.bytes().all(letter))
    {
        return Err(format!(
            "`code` must be lowercase letters, digits and `-`, in parts joined by `.`, of at most \
             {MAX_CODE} bytes"
        ));
    }
    let subject: ArtifactId = subject.parse().map_err(|_| "`subject` is no artifact".to_owned())?;
    Ok(Denial { code: code.into(), message: message.into(), subject })
}
