//! Belief cannot be made up: nothing outside the crate makes a `Verified` value, or changes one.
//!
//! Each file of `unforgeable/` is one try, and `rustc` refuses it. `TRYBUILD=overwrite` writes the
//! refusals anew when a compiler words them otherwise.

#[test]
fn nobody_outside_makes_or_changes_what_is_believed() {
    trybuild::TestCases::new().compile_fail("tests/unforgeable/*.rs");
}
