//! Why a service gave no answer, each with what to do about it.

use std::time::Duration;

const TOKEN: &str =
    "name the file with the service's token in `ASSAY_TOKEN_FILE`; its operator has it";

/// Why a service gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The URL of a service cannot be used.
    #[error("cannot use the server `{url}`: {why}")]
    Url {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system's certificates cannot be found.
    #[error("no certificates to check servers with")]
    NoCertificates,
    /// A service did not answer.
    #[error("no answer from `{url}`")]
    Unreachable {
        /// The service.
        url: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// A service had too much to do, however often it was asked.
    #[error("`{url}` has too much to do (429); it was asked {attempts} times in {} s", waited.as_secs())]
    Busy {
        /// The service.
        url: String,
        /// How often it was asked.
        attempts: u32,
        /// How long was waited in all.
        waited: Duration,
        /// How long it wanted to be left alone.
        asked: Duration,
    },
    /// A service refused, and says why.
    #[error("`{url}` refuses ({status}): {detail}")]
    Refused {
        /// The service.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the service says.
        detail: String,
        /// What the service says to do.
        next: Option<String>,
    },
    /// A service answered something else than the interface says.
    #[error("cannot read the answer of `{url}`: {why}")]
    Unreadable {
        /// The service.
        url: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ServiceError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Url { .. } => {
                "give a URL such as `https://assay.example`, or `http://127.0.0.1:8080` on this \
                 machine"
                    .into()
            }
            Self::NoCertificates => {
                "install the package `ca-certificates`, or set `SSL_CERT_FILE`".into()
            }
            Self::Unreachable { .. } => {
                "check that the service runs there (`assay serve`) and that its address is right"
                    .into()
            }
            Self::Busy { asked, .. } => {
                let seconds = asked.as_secs().max(1);
                format!("wait {seconds} s or longer and try again: nothing was registered")
            }
            Self::Refused { status: 401, .. } => TOKEN.into(),
            Self::Refused { next, .. } => return next.clone(),
            Self::Unreadable { .. } => {
                "check that this is an Assay service of the same version".into()
            }
        })
    }
}
