fn forge(old: verify::Verified<u8>) -> verify::Verified<u8> {
    verify::Verified { content: 1, ..old }
}

fn main() {}
