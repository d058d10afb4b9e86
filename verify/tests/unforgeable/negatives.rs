fn forge(mut old: verify::Negatives) {
    old.revocations.clear();
}

fn main() {}
