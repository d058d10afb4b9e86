//! Secrets in the arguments of a command.

use super::names::{Suspicion, flag, flag_suspicion, is_name, suspicion};
use super::{redact_suspected, redact_text};

/// Programs to which `-pTEXT` gives a password; `-p` alone makes them ask for it.
const ATTACHED: [&str; 14] = [
    "mysql",
    "mysqladmin",
    "mysqlbinlog",
    "mysqlcheck",
    "mysqldump",
    "mysqlimport",
    "mysqlpump",
    "mysqlshow",
    "mysqlslap",
    "mariadb",
    "mariadb-admin",
    "mariadb-dump",
    "mariadb-import",
    "sshpass",
];

/// Of these, the one to which `-p TEXT` does, too.
const APART: &str = "sshpass";

/// Command line arguments without secrets.
pub fn redact_command(arguments: &[String]) -> Vec<String> {
    let mut awaited: Option<Suspicion> = None;
    let mut found = Vec::with_capacity(arguments.len());
    let mut previous = "";
    let mut client = None;
    for argument in arguments {
        let before = std::mem::replace(&mut previous, argument);
        client = client_of(argument).or(client);
        if let Some(suspicion) = awaited.take().filter(|_| !argument.starts_with('-')) {
            found.push(redact_suspected(suspicion, argument));
            continue;
        }
        if let Some(value) = argument.strip_prefix('=')
            && let Some(suspicion) = suspicion(before)
        {
            // `token =x` or `token = x`: the sign stands apart from the name.
            awaited = value.is_empty().then_some(suspicion);
            found.push(format!("={}", redact_suspected(suspicion, value)));
            continue;
        }
        if let Some(value) = attached(client, argument) {
            awaited = value.is_empty().then_some(Suspicion::Certain);
            let shown = redact_suspected(Suspicion::Certain, value);
            found.push(format!("-p{shown}"));
            continue;
        }
        awaited = flag(argument).and_then(flag_suspicion);
        let whole = argument.split_once('=').filter(|(name, _)| is_name(name));
        found.push(match whole.and_then(|(name, value)| Some((name, suspicion(name)?, value))) {
            Some((name, suspicion, value)) => {
                format!("{name}={}", redact_suspected(suspicion, value))
            }
            None => redact_text(argument),
        });
    }
    found
}

/// The program of [`ATTACHED`] that a word calls.
pub(super) fn client_of(word: &str) -> Option<&'static str> {
    let name = word.rsplit('/').next().unwrap_or(word);
    ATTACHED.into_iter().find(|known| *known == name)
}

/// The password that a word gives to such a program; empty when the next word is it.
pub(super) fn attached<'a>(client: Option<&str>, word: &'a str) -> Option<&'a str> {
    let value = word.strip_prefix("-p")?;
    let client = client?;
    (!value.is_empty() || client == APART).then_some(value)
}
