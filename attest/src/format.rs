//! What a file seems to be, by its first bytes: formats of model weights and of texts.
//!
//! Sources: the safetensors, GGUF, HDF5, NumPy, TensorFlow Lite, ONNX and ZIP formats, and
//! `pickletools` of Python 3.13 for pickle. A format is what programs would take the file for;
//! whoever makes a file can give it any first bytes, so that "no pickle" is as sure as that whoever
//! loads it does not load pickle. What nobody recognises is `unknown` and never a text.

/// How many bytes are looked at.
pub const HEAD_BYTES: usize = 512;
/// The annotation of a product that says what its files seem to be.
pub const DETECTED_FORMATS: &str = "detectedFormats";
/// What a file is that nobody recognises.
pub const UNKNOWN: &str = "unknown";

/// The largest header of a safetensors file, as its readers have it.
const MAX_SAFETENSORS_HEADER: u64 = 100_000_000;

/// What a file of `size` bytes that begins with `head` seems to be.
pub fn detect(head: &[u8], size: u64) -> &'static str {
    let at =
        |place: usize, mark: &[u8]| head.get(place..).is_some_and(|rest| rest.starts_with(mark));
    if is_safetensors(head, size) {
        return "safetensors";
    }
    let marks: [(usize, &[u8], &str); 9] = [
        (0, b"GGUF", "gguf"),
        (0, b"\x89HDF\r\n\x1a\n", "hdf5"),
        (0, b"\x93NUMPY", "numpy"),
        (4, b"TFL3", "tflite"),
        (0, b"\x1f\x8b", "compressed"),
        (0, b"BZh", "compressed"),
        (0, b"\xfd7zXZ", "compressed"),
        (0, b"\x28\xb5\x2f\xfd", "compressed"),
        (0, b"PK\x03\x04", "zip"),
    ];
    if let Some((_, _, found)) = marks.iter().find(|(place, mark, _)| at(*place, mark)) {
        return if *found == "zip" { of_archive(head) } else { found };
    }
    match head {
        [0x80, 2..=5, ..] => "pickle",
        // zlib, in which joblib packs what it pickles.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => "compressed",
        // Protocol 1: an empty dictionary, list or tuple, remembered under a number.
        [b'}' | b']' | b')', b'q' | b'r', ..] => "pickle",
        // The version of the format, then the producer, the domain or the graph.
        [0x08, 3..=30, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..] => "onnx",
        _ if is_old_pickle(head) => "pickle",
        _ => of_text(head),
    }
}

fn is_safetensors(head: &[u8], size: u64) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else { return false };
    let length = u64::from_le_bytes(*length);
    length <= MAX_SAFETENSORS_HEADER
        && length.checked_add(8).is_some_and(|end| end <= size)
        && rest.first() == Some(&b'{')
}

/// An archive by the name of its first file: frameworks write the same one first.
fn of_archive(head: &[u8]) -> &'static str {
    let length = head.get(26..28).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok());
    let length = usize::from(length.map_or(0, u16::from_le_bytes));
    let name = head.get(30..).and_then(|rest| rest.get(..length)).unwrap_or_default();
    if name.ends_with(b".pkl") {
        "pickle"
    } else if name.ends_with(b".npy") {
        "numpy"
    } else {
        "zip"
    }
}

/// Text, if it is UTF-8 without control characters.
fn of_text(head: &[u8]) -> &'static str {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => {
            let whole = head.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(whole).unwrap_or_default()
        }
        Err(_) => return UNKNOWN,
    };
    let control = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    if text.is_empty() || text.chars().any(control) {
        return UNKNOWN;
    }
    if text.trim_start().starts_with(['{', '[']) { "json" } else { "text" }
}

/// Protocols 0 and 1 begin with a mark, or name something to be imported; protocol 0 is text.
fn is_old_pickle(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    let is_name = |line: &[u8]| {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.".contains(byte);
        !line.is_empty() && line.iter().all(allowed)
    };
    let imported = lines.next().and_then(|line| line.strip_prefix(b"c")).is_some_and(is_name);
    let named = lines.next().is_some_and(is_name);
    matches!(head, [b'(', b'd' | b'l' | b'i' | b'c' | b't' | b'S' | b'I' | b'V' | b'F', ..])
        || (imported && named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes() {
        let mut safetensors = 2_u64.to_le_bytes().to_vec();
        safetensors.extend(b"{}");
        let zip = |name: &str| {
            let mut bytes = b"PK\x03\x04".to_vec();
            bytes.extend([0; 22]);
            bytes.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(name.as_bytes());
            bytes
        };
        let cases: [(&[u8], &str); 27] = [
            (&safetensors, "safetensors"),
            (safetensors.get(..9).unwrap(), UNKNOWN),
            (b"GGUF\x03\0\0\0", "gguf"),
            (b"\x89HDF\r\n\x1a\n", "hdf5"),
            (b"\x93NUMPY\x01\0", "numpy"),
            (b"\x1c\0\0\0TFL3", "tflite"),
            (b"\x80\x05\x95", "pickle"),
            (b"\x80\x02c", "pickle"),
            (b"\x80\x06", UNKNOWN),
            (&zip("archive/data.pkl"), "pickle"),
            (&zip("a.npy"), "numpy"),
            (&zip("metadata.json"), "zip"),
            (b"PK\x03\x04", "zip"),
            (b"\x78\x9c", "compressed"),
            (b"\x1f\x8b\x08", "compressed"),
            (b"\x08\x08\x12\x07pytorch", "onnx"),
            (b"cposix\nsystem\n(S'true'\ntR.", "pickle"),
            (b"(dp0\n.", "pickle"),
            (b"}q\0.", "pickle"),
            (b"cbuiltins\nprint\nq\0.", "pickle"),
            (b"}\n", "text"),
            (b"column,other\n1,2\n", "text"),
            (b"count\nx y\n", "text"),
            (b" {\"a\": 1}", "json"),
            (b"caf\xc3", "text"),
            (b"\x00\x01", UNKNOWN),
            (b"", UNKNOWN),
        ];
        for (head, want) in cases {
            assert_eq!(detect(head, head.len() as u64), want, "{head:?}");
        }
    }
}
