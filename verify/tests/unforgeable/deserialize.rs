use serde::Deserialize as _;

fn main() {
    let _ = verify::Verified::<u8>::deserialize;
}
