fn forge(layout: attest::in_toto::Layout, old: &verify::layout::SignedLayout) {
    let _ = verify::layout::SignedLayout { layout, ..old.clone() };
}

fn main() {}
