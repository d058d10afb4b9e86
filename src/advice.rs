//! The line of advice for each error: what to do next, never what went wrong.

use std::io;
use std::path::Path;

use attest::content::ContentError;
use attest::hash::HashError;
#[cfg(feature = "server")]
use attest::record::parameters::ParametersError;
use attest::root::OpenError;
use attest::{KeyError, StatementError};
use verify::TrustError;

use crate::error::{Action, Error};

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Model(trouble) => return trouble.hint(),
            Self::Io { action, source, .. } => return for_system(*action, source.kind()),
            Self::NotAFolder(_) => "name a folder, or move the file away".into(),
            Self::NotAFile(_) => "name a file in it".into(),
            Self::ForeignFolder { path, .. } => format!(
                "if you believe what its owner believes, name it outright with `--dir {}`",
                path.display()
            ),
            Self::NoFolder => {
                "name one with `--dir DIR`; `assay run`, `assay attest` and `assay key generate` \
                 make one here"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::NoTrustNamed => {
                "a service does not say whom to believe: join its register by the line of its owners \
                 (`assay trust join LINE`), or have `verify` and `why` judge by `--trust FILE`"
                    .into()
            }
            Self::NoFolderAt(_) => {
                "name the `.assay` folder itself; `assay run`, `assay attest` and `assay key \
                 generate` make it"
                    .into()
            }
            Self::TooLarge { .. } => "check that this is the file you mean; of large evidence, attest the digest".into(),
            Self::NotText(_) => "check that this is the file you mean".into(),
            #[cfg(feature = "server")]
            Self::OutputInStep { .. } => "name another file with `--output`".into(),
            Self::Keys(error) => return error.hint(),
            #[cfg(feature = "server")]
            Self::LinkInStep { .. } => "name another folder with `--link`".into(),
            #[cfg(feature = "server")]
            Self::Link(_) => "the statement of the step was registered; run it without `--link`".into(),
            Self::NotAnObject(_) => "a predicate is written `{…}`; nothing was signed".into(),
            Self::Placeholder { .. } => {
                "write there what is so; nothing was signed, and nobody but whoever signs knows".into()
            }
            Self::NotAType(_) => {
                "write a URI, such as `https://example.com/review/v1`, or a word such as `approval`"
                    .into()
            }
            Self::Layout { .. } => {
                "give an in-toto layout or link: a metablock or a DSSE envelope".into()
            }
            Self::LayoutKey { .. } => {
                "give a public key in PEM, or as securesystemslib writes it in JSON: Ed25519, P-256, P-384, or RSA from 2048 bits"
                    .into()
            }
            Self::LayoutUndecided { .. } => "`assay layout show FILE` says what it asks for".into(),
            Self::Links { .. } => "put the links into a folder of their own and name it with `--links`".into(),
            Self::LayoutParameter(_) => "give it as `--parameter NAME=VALUE`".into(),
            Self::Inspection { .. } => "see that its command is there; `assay layout show FILE` lists it".into(),
            Self::InspectionFiles { .. } => "run this in a folder that holds the product alone".into(),
            Self::Trust { .. } => {
                "correct the file; `assay trust add` writes entries of the right shape".into()
            }
            Self::NotAdded { source, .. } => return for_addition(source),
            Self::Document { .. } => "correct the file; nothing was signed".into(),
            Self::NotASbom(_) => "write it as JSON: it has `bomFormat` or `spdxVersion`; for another format use `--type` and `--predicate`".into(),
            Self::NotAScan(_) => {
                "for another format use `assay attest --type URI --predicate FILE`".into()
            }
            Self::Policy { .. } => "correct the file and try it with `assay policy check`".into(),
            #[cfg(feature = "server")]
            Self::NothingToReplay(_) => {
                "go further back with `--against`; `assay promote` registers verdicts".into()
            }
            #[cfg(feature = "server")]
            Self::Starter(_) => {
                "see with `assay lineage` that its steps are registered by signers whom you trust".into()
            }
            Self::NoCases(_) => {
                "write some under `tests` in the policy, or name their folder with `--cases DIR`".into()
            }
            Self::Case { .. } => "correct the file; the schema of `tests` says what it can hold".into(),
            Self::NoEvidence(_) => {
                "put the bundles of the case there, as `.json` or `.jsonl`, beside `trust.yaml`".into()
            }
            Self::NoLibraryPolicy(_) | Self::Library(_) => return None,
            Self::PolicyFile { .. } => "put it below the folder of the policy".into(),
            Self::NoPolicy(_) => {
                "name one with `--policy FILE`, or put the register's own there".into()
            }
            Self::Lint(_) => {
                "take an artifact that `assay check` allows there by this policy".into()
            }
            Self::Governed(_) => {
                "change a copy: `assay trust show --document > next.yaml`, `assay trust add … --trust next.yaml`, then `assay trust propose next.yaml`"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::Ungoverned(_) => "make it version 1 with `assay trust init`".into(),
            #[cfg(feature = "server")]
            Self::Governance(_) => "name keys that the trust document has, and a threshold that their owners can meet".into(),
            #[cfg(feature = "server")]
            Self::Version(_) => "correct the file and propose it again: `assay trust propose`".into(),
            #[cfg(feature = "server")]
            Self::Draft { .. } | Self::NoDraft | Self::OtherDraft(_) => "name what `assay trust propose` or `assay policy propose` wrote".into(),
            #[cfg(feature = "server")]
            Self::Carried(_) => "give the bundle as the signer wrote it".into(),
            #[cfg(feature = "server")]
            Self::Unconfirmed => "read what `--dry-run` lists, then give `--yes`".into(),
            #[cfg(feature = "server")]
            Self::NobodyRevokes => "let a key sign `revocation` in the trust file: `may.predicates`".into(),
            #[cfg(feature = "server")]
            Self::NobodyBelieves(_) => "sign it with a key that may sign `revocation` (`assay trust list` shows them): `--key NAME`; `--force` registers it all the same".into(),
            #[cfg(feature = "server")]
            Self::NotARevocation(_) => "`assay find --type revocation` lists those that there are".into(),
            #[cfg(feature = "server")]
            Self::NothingToCosign(_) => "name the entry of the statement: `assay find` lists them".into(),
            #[cfg(feature = "server")]
            Self::Signature(_) => "choose another key with `--key`".into(),
            #[cfg(feature = "server")]
            Self::TooManySigners(_) => "the owners' signatures alone are needed".into(),
            #[cfg(feature = "server")]
            Self::NotNext(_) => "see `assay trust show`; if another version came first, propose it again".into(),
            #[cfg(feature = "server")]
            Self::NotInForce(_) => "see `assay trust history` and `assay policy history`; if something else came first, propose it again".into(),
            #[cfg(feature = "server")]
            Self::NoOwner(_) => "choose an owner's key with `--key`; `assay trust show` lists the roles".into(),
            #[cfg(feature = "server")]
            Self::NoSuchKey(_) => "`assay trust list` shows the names".into(),
            #[cfg(feature = "server")]
            Self::NoJoinUrl => "name the service with `--server URL`".into(),
            #[cfg(feature = "server")]
            Self::NoSuchDocument { .. } | Self::NotOfRegister { .. } => "get the line again from somebody whom you know, and believe nothing until it fits".into(),
            #[cfg(feature = "server")]
            Self::OtherTrust(_) => "join in another folder (`--dir DIR`), or move the file away if you no longer believe what it says".into(),
            #[cfg(feature = "server")]
            Self::NotShown { .. } => "believe nothing that it says; ask its operator".into(),
            #[cfg(feature = "server")]
            Self::Rules(_) => "nothing was decided; activate a policy that can be read: `assay policy propose`".into(),
            #[cfg(feature = "server")]
            Self::NothingActive(_) => "name one that `assay policy history` lists, or a policy by `--digest`".into(),
            #[cfg(feature = "server")]
            Self::NotActive { .. } => "leave `--policy` out, or have its owners activate it: `assay policy propose`; `assay check --policy` gives an opinion".into(),
            #[cfg(feature = "server")]
            Self::NotPublished(_) => "register it first: `assay policy publish FILE --key NAME`".into(),
            #[cfg(feature = "server")]
            Self::NoSuchStage { .. } => "name one of its stages: `assay policy check FILE` lists them".into(),
            #[cfg(feature = "server")]
            Self::OldActivation(_) => "propose it again: `assay policy propose`".into(),
            #[cfg(feature = "server")]
            Self::Record(source) => return for_record(source),
            #[cfg(feature = "server")]
            Self::RoleOrPath { whole, .. } => format!("a path with `=`: write `./{whole}`"),
            #[cfg(feature = "server")]
            Self::Parameters { .. } => "write `{\"NAME\": VALUE}`, or use `--param`".into(),
            #[cfg(feature = "server")]
            Self::Parameter(source) => match **source {
                ParametersError::Twice(_) => "give each name once".into(),
                _ => "write it as `--param NAME=VALUE`".into(),
            },
            #[cfg(feature = "server")]
            Self::Name(_) => "use lower-case letters, digits and `-`".into(),
            Self::Metrics { .. } => "correct the file; nothing was signed".into(),
            Self::NothingToTrust => "see `assay trust add --help`".into(),
            Self::PastUntil => "give a later date, or a length of time such as `365d`".into(),
            Self::Content { path, source } => return for_content(source, path),
            Self::NothingToAttest => "see `assay attest --help`".into(),
            Self::PastExpiry => "give a later date, or a length of time such as `90d`".into(),
            Self::FutureWindow => "give an earlier date, or a length of time such as `24h`".into(),
            Self::Statement(StatementError::Name(_)) => {
                "nothing was signed; say `--name NAME` for the subject".into()
            }
            Self::Statement(_) => "nothing was signed; give the subject another `--name`, or correct the document".into(),
            Self::Bundle { .. } => {
                "give Sigstore bundles of version 0.3, as `assay` writes them".into()
            }
            Self::LogProof { .. } => {
                "give a file that `assay log prove INDEX --output FILE` wrote, or another log's \
                 `.tlog-proof`"
                    .into()
            }
            Self::LeafIsNoFile => {
                "write the leaf with `assay log entry INDEX --leaf FILE` and give that file".into()
            }
            Self::SigstoreBundle { .. } => "give a Sigstore bundle, as `cosign` writes it".into(),
            Self::TrustedRoot { .. } => {
                "give the `trusted_root.json` of the instance that signed".into()
            }
            Self::Signer(_) => "check the options that name the signer".into(),
            Self::RevocationList { .. } => {
                "give it in PEM (`BEGIN X509 CRL`) or in DER, as the authority publishes it".into()
            }
            Self::Pattern(_) => "write a value, `under:…`, `glob:…` or `regex:…`".into(),
            Self::Claim(_) => "write `--claim NAME=PATTERN`".into(),
            Self::NoSigner => {
                "name `--certificate-identity` and `--certificate-oidc-issuer`, or `--key`".into()
            }
            Self::Json(_) => "leave `--json` out, and report this".into(),
            Self::Output(_) => "check where the output goes: a full disk, a closed file".into(),
            Self::Ambiguous { choices, .. } => format!("say which: {}", list(choices)),
            #[cfg(feature = "server")]
            Self::NoRegister(_) => {
                "`assay run` and `assay attest` make one; or name a service with `--server`".into()
            }
            #[cfg(feature = "server")]
            Self::Served { .. } => "stop the service, run this, and start it again".into(),
            #[cfg(feature = "server")]
            Self::Erase(source) => return for_erase(source),
            #[cfg(feature = "server")]
            Self::Rotate(source) => return for_rotate(source),
            Self::Rotation { .. } => {
                "take it from the register itself: `assay log entry INDEX --output FILE`".into()
            }
            Self::NoRotationOf(_) => {
                "`assay trust add --log VKEY` names a log; `assay trust list` shows them".into()
            }
            Self::NotATree(_) => {
                "write `--last-good 120 sha256:…`, as `assay log head` showed them then".into()
            }
            #[cfg(feature = "server")]
            Self::ErasedBefore(_) => {
                "`assay find --type tombstone` shows who did, and why".into()
            }
            #[cfg(feature = "server")]
            Self::Submit(source) => return for_submit(source),
            #[cfg(feature = "server")]
            Self::Register { .. }
            | Self::Read(_)
            | Self::Backup(_)
            | Self::Copy(_)
            | Self::Archive(_)
            | Self::Restore(_) => return None,
            #[cfg(feature = "server")]
            Self::NoAccessKey(_) => {
                "set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and `AWS_SESSION_TOKEN` \
                 where the key is a temporary one"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::Endpoint { .. } => {
                "give a URL such as `https://store.example`; without TLS, `--allow-http` lets \
                 everybody on the way read every statement"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::NoReceipt | Self::NoLeaf(_) => "check with `assay find`, and report this".into(),
            #[cfg(feature = "server")]
            Self::TooLargeToFollow { .. } => "run the command where the register is, or on a copy of it (`assay log backup`)".into(),
            #[cfg(feature = "server")]
            Self::Unsent { source, command, .. } => {
                let first = source.hint().map(|hint| format!("{hint}; then ")).unwrap_or_default();
                format!("{first}run `{command}` to register what is kept")
            }
            #[cfg(feature = "server")]
            Self::Waiting { source, path } => {
                let first = source.hint().map(|hint| format!("{hint}; or ")).unwrap_or_default();
                format!("{first}remove `{}` if it is never to be registered", path.display())
            }
            #[cfg(feature = "server")]
            Self::Behind => "mend that first; the order of signing is kept".into(),
            #[cfg(feature = "server")]
            Self::Unwritten { index, .. } => {
                format!("do not run it again: `assay log entry {index} --output FILE` writes it")
            }
            Self::ClockUnset { .. } => "set the clock; nothing was opened".into(),
            #[cfg(feature = "server")]
            Self::Checkpoint(_)
            | Self::Log(_)
            | Self::Proof(_)
            | Self::NotSigned { .. }
            | Self::OtherEvidence { .. } => {
                "believe nothing that it says; keep the register as it is and ask who runs it"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::UnknownLog(_) => {
                "name its key with `--key VKEY`, or `assay trust add --log VKEY` if you believe it"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::Monitor(_) => {
                "nothing was remembered; look again, and if it stays, ask who runs the log".into()
            }
            #[cfg(feature = "server")]
            Self::WitnessList(_) => {
                "`assay log witness list` shows who is asked; `add` and `remove` change it".into()
            }
            #[cfg(feature = "server")]
            Self::Cosigning(_) => "correct what is named and ask again".into(),
            #[cfg(feature = "server")]
            Self::AskedByService => "its log says what came of it".into(),
            #[cfg(feature = "server")]
            Self::Forked(_) => {
                "compare the two notes; restore the newer register, or, if this one is right, run \
                 `assay log witness settle`"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::Witness(_) => "correct what is named; a witness never goes back".into(),
            #[cfg(feature = "server")]
            Self::Cosigner { .. } => {
                "make an Ed25519 key with `assay key generate --algorithm ed25519`; a name has no \
                 white space and no `+`"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::LogList { .. } => "write one verifier key a line; `assay log head` shows it".into(),
            #[cfg(feature = "server")]
            Self::NoLogs => "name one with `--log VKEY`, or several with `--logs-file`".into(),
            #[cfg(feature = "server")]
            Self::NoBundle(_) => "it was erased, or only its hash was ever submitted".into(),
            #[cfg(feature = "server")]
            Self::NoProofs => "the service may be of an older version: ask without `--proofs`".into(),
            #[cfg(feature = "server")]
            Self::NoWords(_) => "write a part of a name, such as `model.bin`".into(),
            #[cfg(feature = "server")]
            Self::NoType(_) => {
                let words: Vec<&str> = crate::predicate_name::words().collect();
                format!("write it whole (it has a `/` or a `:`), or as one of {}", words.join(", "))
            }
            #[cfg(feature = "server")]
            Self::NotAParameter(_) => "write it as `NAME=VALUE`".into(),
            #[cfg(not(feature = "server"))]
            Self::NoBundles => "name them with `--bundle`".into(),
            #[cfg(feature = "server")]
            Self::Follow(source) if is_by_another_key(source) => {
                "if the register got another key, its statement says so: `assay find --type \
                 key-rotation`, then `assay trust rotate`"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::Follow(_) => {
                "nothing is decided on a register that cannot be read whole; restore its folder \
                 from a backup"
                    .into()
            }
            Self::NoTrust(_) => {
                "say whom to believe with `assay trust add`; a first `assay run` or `assay attest` \
                 makes one that believes its own key"
                    .into()
            }
            Self::Contradicts { .. } => {
                "leave the option out, or say `--result failed`; nothing was signed".into()
            }
            #[cfg(feature = "server")]
            Self::TooManyPages(_) => "add another condition, such as `--since`".into(),
            #[cfg(feature = "server")]
            Self::UnnamedRegister(_) => {
                "ask its operator for the key that `assay log head` shows, and `assay trust add --log KEY`"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::NoServiceUrl => "say where clients reach it with `--url`".into(),
            #[cfg(feature = "server")]
            Self::NotAServiceUrl(_) => "write it as `https://HOST` or `http://HOST:PORT`".into(),
            #[cfg(feature = "server")]
            Self::NotOfSigstore { .. } => {
                "name the folder where the instance's `trusted_root.json` and `signing_config.json` are"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::UntrustedLog { key, .. } => {
                format!("if it is yours, run `assay trust add --log {key}`")
            }
            #[cfg(feature = "server")]
            Self::Seen { path, source } => for_seen(path, source),
            #[cfg(feature = "server")]
            Self::Judge(_) => "nothing was decided, and nothing may be taken for allowed".into(),
            #[cfg(feature = "server")]
            Self::NoVerifier(_) => {
                "run `assay trust add --verifier URI --key NAME` for the key that promotes, or \
                 choose another with `--key`"
                    .into()
            }
            #[cfg(feature = "server")]
            Self::PolicyOfAService => {
                "leave `--policy` out; `assay check --policy` asks for an opinion".into()
            }
            #[cfg(feature = "server")]
            Self::TrustOfAService => {
                "leave `--trust` out, or judge here by bundles: `assay check --bundle FILE`".into()
            }
            #[cfg(feature = "server")]
            Self::Serve(source) => return for_serve(source),
            #[cfg(feature = "server")]
            Self::TwoStages(_) => "give each namespace once".into(),
            #[cfg(feature = "server")]
            Self::Token { .. } => "make one with `openssl rand -base64 32`".into(),
            #[cfg(feature = "server")]
            Self::Runtime(_) => "check the limits of this user (`ulimit -a`)".into(),
            #[cfg(feature = "server")]
            Self::Service(error) => return error.hint(),
            #[cfg(feature = "server")]
            Self::Keyless(error) => return error.hint(),
            #[cfg(feature = "server")]
            Self::Unsigned { path, source } => {
                let why = source.hint().map_or_else(String::new, |why| format!("{why}; then "));
                format!(
                    "{why}sign it as it is, with a new token: `assay sign {} --statement --keyless …`",
                    path.display()
                )
            }
            #[cfg(feature = "server")]
            Self::Fresh(_) => "the instance answers what no bundle can hold; check its signing configuration".into(),
        })
    }
}

fn for_system(action: Action, kind: io::ErrorKind) -> Option<String> {
    Some(match (kind, action) {
        (io::ErrorKind::NotFound, Action::Read) => "check the path".into(),
        (io::ErrorKind::NotFound, _) => "make the folder that it is to stand in".into(),
        (io::ErrorKind::PermissionDenied, Action::Read) => {
            "give this user read access, or run as its owner".into()
        }
        (io::ErrorKind::PermissionDenied, _) => {
            "give this user write access to the folder, or choose another".into()
        }
        (io::ErrorKind::AlreadyExists, _) => "choose another name, or move the file away".into(),
        (io::ErrorKind::StorageFull, _) => "make room on the disk and run it again".into(),
        (_, Action::Read) => "check that this is the file you mean".into(),
        _ => return None,
    })
}

/// Of a path that was typed where an artifact is meant, and is not there.
fn not_there(path: &Path) -> String {
    let name = path.to_string_lossy();
    if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return format!("a digest is written `sha256:{name}`");
    }
    "check the path; a digest is written `sha256:` and 64 hex digits".into()
}

#[cfg(feature = "server")]
fn for_serve(error: &server::ServeError) -> Option<String> {
    use server::ServeError;

    Some(match error {
        ServeError::NeedsToken(_) => {
            "name a file with a token with `--token-file`, or let everybody write with `--open`"
                .into()
        }
        ServeError::Listen { .. } => {
            "choose another address with `--listen`; port 0 takes any that is free".into()
        }
        ServeError::Gate(_) => {
            "run `assay trust add --verifier URI --key NAME` for the key that promotes".into()
        }
        ServeError::Broken(broken) if broken.is_full => {
            "free some space and start it again: it recovers by itself, and nothing that was \
             acknowledged is lost"
                .into()
        }
        ServeError::Broken(_) => {
            "start it again, or let a supervisor do it: it recovers by itself, and nothing that was \
             acknowledged is lost"
                .into()
        }
        _ => return None,
    })
}

#[cfg(feature = "server")]
fn for_submit(error: &server::register::SubmitError) -> Option<String> {
    use server::register::SubmitError;

    match error {
        SubmitError::Statement(_) => {
            Some("nothing was registered; have the statement made and signed again".into())
        }
        SubmitError::ClockBehind { last, .. } => Some(format!(
            "if the clock is right now and was wrong then, the entry cannot be taken back: the \
             register takes nothing before {last}, or another is begun when its folder is put aside"
        )),
        // The others say themselves what to do.
        _ => None,
    }
}

/// What was remembered may be what is wrong; only a person can say so.
#[cfg(feature = "server")]
fn for_seen(path: &Path, error: &server::seen::SeenError) -> String {
    use server::seen::SeenError;

    match error {
        SeenError::ClockBehind { accepted, .. } => format!(
            "nothing was decided; if the clock is right now and was wrong at {accepted}, take \
             `accepted` with its time out of `{}`",
            path.display()
        ),
        _ => "nothing was decided, and nothing may be taken for allowed".into(),
    }
}

/// Whether nobody of the trust file signed what the register shows.
#[cfg(feature = "server")]
fn is_by_another_key(error: &server::register::RegisterFollowError) -> bool {
    use server::register::RegisterFollowError;
    use verify::FollowError;

    matches!(error, RegisterFollowError::Follow(FollowError::OtherKey(_)))
}

#[cfg(feature = "server")]
fn for_rotate(error: &server::register::RotateError) -> Option<String> {
    use server::register::RotateError;

    match error {
        RotateError::Submit(_) | RotateError::Read(_) => {
            Some("run it again: it goes on with what was begun".into())
        }
        // The others say themselves what to do.
        _ => None,
    }
}

#[cfg(feature = "server")]
fn for_erase(error: &server::register::EraseError) -> Option<String> {
    use server::register::EraseError;

    match error {
        EraseError::NoBody(_) => Some("`assay log entry INDEX` shows the body of an entry".into()),
        EraseError::Kept { .. } | EraseError::Unreadable { .. } => {
            Some("it stays, so that nothing that speaks against somebody can be hidden".into())
        }
        // The others say themselves what to do.
        _ => None,
    }
}

#[cfg(feature = "server")]
fn for_record(error: &attest::record::RecordError) -> Option<String> {
    use attest::record::{MetricsError, RecordError};

    match error {
        RecordError::Metrics { source: MetricsError::Json(_) | MetricsError::Shape(_), .. } => {
            Some("correct what the command writes; nothing was signed".into())
        }
        RecordError::Content(source) => for_content(source, Path::new("")),
        // The others say themselves what to do.
        _ => None,
    }
}

fn for_content(error: &ContentError, path: &Path) -> Option<String> {
    match error {
        ContentError::Hash(HashError::Open(OpenError::NotFound { .. })) => Some(not_there(path)),
        ContentError::Hash(HashError::Open(OpenError::Io { source, .. })) => {
            for_system(Action::Read, source.kind())
        }
        // These say themselves what to do.
        _ => None,
    }
}

/// Of what `assay trust add` was given: the option to change.
fn for_addition(error: &TrustError) -> Option<String> {
    Some(match error {
        TrustError::Duplicate { what: "key", .. } => "choose another `--name`".into(),
        TrustError::Duplicate { what: "log", .. } => {
            "it is trusted already; if it has got another key, `assay trust rotate` names that"
                .into()
        }
        TrustError::Duplicate { what: "signer" | "sigstore instance", .. } => {
            "choose another name; `assay trust list` shows those that there are".into()
        }
        TrustError::NoSuchRoot { .. } => {
            "add it first with `--sigstore`, or name another with `--instance`".into()
        }
        TrustError::NoSuchSigner { .. } | TrustError::Retired { .. } => {
            "`assay trust list` shows whom it names and until when".into()
        }
        TrustError::NoSuchLog { .. } => "name a log of the trust file with `--log`".into(),
        TrustError::NoClock { .. } => "name one with `--clock`".into(),
        TrustError::NoSuchClock { .. } => {
            "add it first with `--timestamp-authority`, or name another with `--clock`".into()
        }
        TrustError::NoSuchAuthority { .. } => {
            "add it first with `--authority`, or name another with `--certified-by`".into()
        }
        TrustError::UnknownAuthority { .. } => {
            "`assay trust list` shows the authorities; `assay trust add --authority` adds one"
                .into()
        }
        TrustError::RevocationLists { .. } => {
            "give the whole list that the authority publishes, and the certificate that signed it \
             with `--authority` or `--intermediates`"
                .into()
        }
        TrustError::EverybodysKey { .. } => "add the key that whoever signs has alone".into(),
        TrustError::NeedsKey { .. } => "name the types with `--predicate`".into(),
        TrustError::NotWaived { .. } => "leave `--without certificate-log` out".into(),
        TrustError::Duplicate { .. } => "it is trusted already; `assay trust list` shows it".into(),
        TrustError::NoSuchLogKey { .. } => {
            "`assay trust list` shows the logs and their keys; `assay trust add --log` adds a log"
                .into()
        }
        TrustError::SameKey { other, .. } => {
            format!(
                "give the `--owner` and the `--custody` of `{other}`; `assay trust list` shows them"
            )
        }
        TrustError::NoSuchKey { .. } => {
            "add the key first, or name another with `--key`; `assay trust list` shows them".into()
        }
        TrustError::NeverValid { .. } => "give an `--until` after the `--from`".into(),
        TrustError::Pattern { .. } => "correct the `--artifact`".into(),
        TrustError::Text { field: "id", .. } => "choose another `--name`".into(),
        TrustError::Text { field: "owner", .. } => "choose another `--owner`".into(),
        TrustError::Key { source, .. } => return for_key(source),
        TrustError::TooMany { .. } => "take out of the file what is no longer needed".into(),
        _ => "see `assay trust add --help`".into(),
    })
}

/// What to do about a key that cannot be used.
pub fn for_key(error: &KeyError) -> Option<String> {
    Some(match error {
        KeyError::PassphraseNeeded => {
            "set `ASSAY_KEY_PASSPHRASE`, or run it on a terminal to be asked".into()
        }
        KeyError::Dear => {
            "encrypt it again: `openssl pkcs8 -topk8 -scrypt -in KEY -out KEY.new`".into()
        }
        KeyError::PassphraseWrong => "try the passphrase again".into(),
        KeyError::Pem { .. } => {
            "give a PEM file: private keys in PKCS#8, public ones as SubjectPublicKeyInfo".into()
        }
        KeyError::Algorithm(_) | KeyError::Malformed(_) | KeyError::Weak => {
            "make a key with `assay key generate`".into()
        }
        KeyError::OtherSignature => {
            "its keeper signed with another key or signed something else; nothing was written"
                .into()
        }
        _ => return None,
    })
}

/// Names, in backticks.
pub fn list(items: &[impl ToString]) -> String {
    items.iter().map(|item| format!("`{}`", item.to_string())).collect::<Vec<_>>().join(", ")
}
