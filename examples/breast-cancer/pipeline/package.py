"""Write an OCI image layout: a folder that container tools read as an image.

Two layers, the model and the program. Names, times and owners inside are fixed and nothing is
compressed, so equal files give an equal image; its identity is the digest of its manifest.
"""

import argparse
import hashlib
import io
import json
import tarfile
from pathlib import Path

IMAGE = "application/vnd.oci.image"


def layer(path: Path, name: str, mode: int) -> bytes:
    """A tar archive that holds one file."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = path.stat().st_size, mode
        tar.addfile(entry, io.BytesIO(path.read_bytes()))
    return archive.getvalue()


def encode(document: dict) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("image", type=Path, help="folder to write")
    arguments.add_argument("model", type=Path)
    arguments.add_argument("program", type=Path)
    options = arguments.parse_args()
    blobs = options.image / "blobs" / "sha256"
    blobs.mkdir(parents=True)  # fails when the image exists: one folder, one image

    def store(kind: str, data: bytes) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": f"{IMAGE}.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    layers = [
        store("layer.v1.tar", layer(options.model, "app/model.json", 0o644)),
        store("layer.v1.tar", layer(options.program, "app/serve.pyz", 0o755)),
    ]
    config = store("config.v1+json", encode({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["python3", "/app/serve.pyz", "/app/model.json"]},
        "rootfs": {"type": "layers", "diff_ids": [entry["digest"] for entry in layers]},
    }))
    manifest = store("manifest.v1+json", encode({
        "schemaVersion": 2,
        "mediaType": f"{IMAGE}.manifest.v1+json",
        "config": config,
        "layers": layers,
    }))
    (options.image / "index.json").write_bytes(encode({"schemaVersion": 2, "manifests": [manifest]}))
    (options.image / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))
    print(manifest["digest"])


if __name__ == "__main__":
    main()
