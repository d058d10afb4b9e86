//! Formats of model weights, as the names of files give them away.

/// A format of weights.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Format {
    /// What policies and the recorder call it.
    pub(crate) name: &'static str,
    /// What the names of such files end with.
    endings: &'static [&'static str],
}

/// The formats that are known. What frameworks save with `pickle` inside an archive of another name
/// runs code when it is loaded all the same.
pub(crate) const FORMATS: [Format; 13] = [
    Format { name: "safetensors", endings: &[".safetensors"] },
    Format { name: "onnx", endings: &[".onnx"] },
    Format { name: "gguf", endings: &[".gguf"] },
    Format {
        name: "pickle",
        endings: &[".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".dill", ".cloudpickle"],
    },
    Format { name: "hdf5", endings: &[".h5", ".hdf5"] },
    Format { name: "keras", endings: &[".keras"] },
    Format { name: "tflite", endings: &[".tflite"] },
    Format { name: "numpy", endings: &[".npy", ".npz"] },
    Format { name: "pmml", endings: &[".pmml"] },
    Format { name: "zip", endings: &[".zip"] },
    Format { name: "compressed", endings: &[".gz", ".bz2", ".xz", ".zst"] },
    Format { name: "json", endings: &[".json"] },
    Format { name: "text", endings: &[".txt", ".csv", ".tsv", ".yaml", ".yml", ".md", ".log"] },
];

/// The formats whose files hold no weights by themselves.
const NO_WEIGHTS: [&str; 2] = ["json", "text"];

/// The format that a file of this name seems to have; the case of letters does not matter.
pub(crate) fn of_name(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let has = |format: &&Format| format.endings.iter().any(|ending| name.ends_with(ending));
    FORMATS.iter().find(has).map(|format| format.name)
}

/// Whether a file of this name seems to hold weights.
pub(crate) fn is_weights(name: &str) -> bool {
    of_name(name).is_some_and(holds_weights)
}

/// Whether files of this format hold weights by themselves.
pub(crate) fn holds_weights(format: &str) -> bool {
    !NO_WEIGHTS.contains(&format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases = [
            ("model/model.safetensors", Some("safetensors"), true),
            ("MODEL.PKL", Some("pickle"), true),
            ("pytorch_model.pt", Some("pickle"), true),
            ("config.json", Some("json"), false),
            ("model.bin", None, false),
            ("pkl", None, false),
        ];
        for (name, format, weights) in cases {
            assert_eq!((of_name(name), is_weights(name)), (format, weights), "{name}");
        }
    }
}
