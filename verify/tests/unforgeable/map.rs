fn forge(old: verify::Verified<u8>) -> verify::Verified<u8> {
    old.map(|_| 1)
}

fn main() {}
