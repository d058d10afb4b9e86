//! What the exit status says. Nothing else in the command picks a number.

use std::process::ExitCode;

/// How a command ended, as a caller in a script sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done; or, of a question: yes. Status 0.
    Success,
    /// The question was answered, and the answer is no. Status 1.
    Denied,
    /// The question could not be asked, or the work not be done. Status 2; never "allowed".
    Undecided,
    /// `assay run` ends as the command did that it ran.
    #[cfg(feature = "server")]
    Child(u8),
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
