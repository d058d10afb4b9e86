#![no_main]

use attest::in_toto::{Content, Form, Metadata, Rule, sign};
use policy::layout::Pattern;

// Layouts and links: what is read is read the same again, and its patterns are bounded.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(metadata) = Metadata::parse(bytes) else { return };
    match metadata.content() {
        Content::Link(link) => {
            let document = link.to_value().expect("what was read can be written");
            // A byproduct can hold a fraction, which has no canonical spelling, and be nested as
            // deeply as can be read.
            let Ok(written) = sign(&document, Form::Metablock, &[]) else { return };
            let Ok(again) = Metadata::parse(&written) else { return };
            assert_eq!(again.content(), metadata.content());
        }
        Content::Layout(layout) => {
            let rules = layout.steps.iter().flat_map(|step| &step.expected_products);
            for rule in rules.take(100) {
                let words: Vec<String> = rule.words().into_iter().map(str::to_owned).collect();
                assert_eq!(Rule::parse(&words).as_ref(), Ok(rule));
                for word in &words {
                    Pattern::new(word).matches(word);
                }
            }
        }
    }
});
