fn main() {
    let _ = verify::Verified::<u8>::new;
}
