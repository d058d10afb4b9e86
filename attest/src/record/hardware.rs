//! The machine that a step runs on, as far as the kernel tells without starting a process.
//!
//! A claim by the recorder, for people who look for why two runs differ. Nothing decides by it.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value, json};

/// How much of a file of the kernel is read, in bytes: its first lines are what is wanted.
const MAX_BYTES: u64 = 8 << 10;
/// How many accelerators are listed.
const MAX_ACCELERATORS: usize = 64;

/// Describes the machine: processor, cores that may be used, memory in bytes, accelerators,
/// kernel and architecture. What cannot be found out is left out.
pub(super) fn hardware() -> Map<String, Value> {
    let mut found = Map::new();
    let cpu = start_of("/proc/cpuinfo");
    if let Some(model) = field(&cpu, "model name").or_else(|| field(&cpu, "Model")) {
        found.insert("cpu".into(), model.into());
    }
    if let Ok(cores) = std::thread::available_parallelism() {
        found.insert("cores".into(), cores.get().into());
    }
    let memory = start_of("/proc/meminfo");
    let kibibytes = field(&memory, "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    if let Some(bytes) = kibibytes.and_then(|kibibytes| kibibytes.checked_mul(1024)) {
        found.insert("memoryBytes".into(), bytes.into());
    }
    found.insert("accelerators".into(), accelerators(Path::new("/")).into());
    let system = rustix::system::uname();
    let kernel =
        format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy());
    found.insert("kernel".into(), kernel.into());
    found.insert("architecture".into(), system.machine().to_string_lossy().into());
    found
}

/// The accelerators below `root`, which is `/` except in tests.
fn accelerators(root: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    for folder in names(&root.join("proc/driver/nvidia/gpus")) {
        let path = root.join("proc/driver/nvidia/gpus").join(folder).join("information");
        let information = start_of(path);
        let model = field(&information, "Model").unwrap_or_else(|| "NVIDIA".into());
        found.push(json!({"vendor": "nvidia", "model": model}));
    }
    if found.is_empty() {
        // In a container, devices may be there without what the driver says of them.
        let devices = names(&root.join("dev")).into_iter().filter(|name| {
            let number = name.strip_prefix("nvidia").unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        found.extend(devices.map(|_| json!({"vendor": "nvidia"})));
    }
    if root.join("dev/kfd").exists() {
        let nodes = root.join("sys/class/kfd/kfd/topology/nodes");
        for node in names(&nodes) {
            // The processor is a node, too, and has no GPU number.
            let number = start_of(nodes.join(&node).join("gpu_id"));
            if number.trim().parse::<u64>().is_ok_and(|number| number != 0) {
                let model = start_of(nodes.join(&node).join("name")).trim().to_owned();
                found.push(json!({"vendor": "amd", "model": model}));
            }
        }
    }
    found.truncate(MAX_ACCELERATORS);
    found
}

/// The names in a folder, sorted; none when there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names = entries.take(4096).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

/// The first bytes of a file as text; nothing when it cannot be read.
fn start_of(path: impl AsRef<Path>) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // A file of the kernel that breaks off has told what it had to tell.
        let _ = file.take(MAX_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of the first line `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().chars().take(200).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_a_kernel() {
        let found = hardware();
        assert!(found["cores"].as_u64() > Some(0));
        assert!(!found["kernel"].as_str().unwrap().is_empty());
        assert!(!found["architecture"].as_str().unwrap().is_empty());
        assert!(found["memoryBytes"].as_u64() > Some(1 << 20));
    }

    #[test]
    fn accelerators_are_found_by_what_the_driver_leaves() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert!(accelerators(root.path()).is_empty());
        for device in ["dev/nvidia0", "dev/nvidia1", "dev/nvidiactl", "dev/nvidia-uvm"] {
            put(device, "");
        }
        assert_eq!(accelerators(root.path()).len(), 2);
        put("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t NVIDIA A100\nIRQ: 4\n");
        let nvidia = json!({"vendor": "nvidia", "model": "NVIDIA A100"});
        assert_eq!(accelerators(root.path()), std::slice::from_ref(&nvidia));
        put("dev/kfd", "");
        put("sys/class/kfd/kfd/topology/nodes/0/gpu_id", "0\n");
        put("sys/class/kfd/kfd/topology/nodes/1/gpu_id", "4711\n");
        put("sys/class/kfd/kfd/topology/nodes/1/name", "gfx90a\n");
        let amd = json!({"vendor": "amd", "model": "gfx90a"});
        assert_eq!(accelerators(root.path()), [nvidia, amd]);
    }
}
