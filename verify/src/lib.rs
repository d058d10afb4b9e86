//! Trust, bundle checks, Merkle proofs and lineage.
