fn main() {
    let _ = verify::Verified { content: 1 };
}
