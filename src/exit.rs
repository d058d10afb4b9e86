//! What the exit status says. Nothing else in the command picks a number.

use std::process::ExitCode;

use ::policy::Report;

/// How a command ended, as a caller in a script sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done; or, of a question: yes. Status 0.
    Success,
    /// The question was answered, and the answer is no. Status 1.
    Denied,
    /// The question could not be asked or not be decided, or the work not be done. Status 2; never
    /// "allowed".
    Undecided,
    /// `assay run` ends as the command did that it ran.
    #[cfg(feature = "server")]
    Child(u8),
}

impl Exit {
    /// What a decision says, where `yes` is whether it is what was hoped for.
    pub fn of(report: &Report, yes: bool) -> Self {
        match (yes, report.is_undecided()) {
            (true, _) => Self::Success,
            (false, true) => Self::Undecided,
            (false, false) => Self::Denied,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Denied => Self::from(1),
            Exit::Undecided => Self::from(2),
            #[cfg(feature = "server")]
            Exit::Child(status) => Self::from(status),
        }
    }
}
