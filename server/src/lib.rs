//! The register, the service, admission and audit.
