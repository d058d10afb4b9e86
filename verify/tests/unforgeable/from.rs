fn forge(content: u8) -> verify::Verified<u8> {
    content.into()
}

fn main() {}
