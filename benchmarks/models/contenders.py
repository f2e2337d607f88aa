# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contenders: each fetches files into an empty directory, verified, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data import ModelFile
from servers import Server
from workbench import CannotRunError, Ended, Process, remove, run

SYNC = "ansible_collections.drydock.serving.plugins.modules.model_sync"
GET_URL = "ansible.modules.get_url"


def fresh(folder: Path) -> Path:
    """An empty directory, with nothing of an earlier run still on its way to the disk."""
    remove(folder)
    folder.mkdir(parents=True)
    os.sync()
    return folder


def models(server: Server, sets: Mapping[str, Sequence[ModelFile]]) -> list[dict[str, Any]]:
    """What is wanted, as ``model_sync`` takes it; a set for each name."""
    return [
        {
            "name": name,
            "version": "1",
            "files": [
                {"path": f.name, "urls": [server.url(f)], "checksum": f"sha256:{f.sha256}", "size": f.size}
                for f in files
            ],
        }
        for name, files in sets.items()
    ]


def start_sync(server: Server, files: Sequence[ModelFile], folder: Path, **options: Any) -> Process:
    """Start ``model_sync``."""
    arguments = {
        "root": str(folder / "store"),
        "models": models(server, {"bench": files}),
        "owner": str(os.getuid()),
        "group": str(os.getgid()),
        "reserve": "0",
        **options,
    }
    return _module(SYNC, arguments, folder)


def sync(server: Server, files: Sequence[ModelFile], folder: Path, **options: Any) -> Ended:
    """Run ``model_sync`` to its end.

    :raises CannotRunError: it failed.
    """
    return judged(start_sync(server, files, folder, **options).wait())


def judged(ended: Ended) -> Ended:
    """A module that has ended well."""
    if ended.returncode != 0:
        raise CannotRunError(f"the module ended with {ended.returncode}: {_told(ended.output)}")
    return ended


def _told(output: str) -> str:
    """What a module that failed says; the end of its output where it says nothing in the form of one."""
    try:
        return str(json.loads(output)["msg"])
    except (ValueError, KeyError):
        return output.strip()[-600:]


def get_url(server: Server, file: ModelFile, folder: Path) -> Ended:
    """Run ``ansible.builtin.get_url`` as its module process, which leaves out what Ansible adds to both modules."""
    arguments = {"url": server.url(file), "dest": str(folder / file.name), "checksum": f"sha256:{file.sha256}"}
    return judged(_module(GET_URL, arguments, folder).wait())


def _module(name: str, arguments: dict[str, Any], folder: Path) -> Process:
    path = folder / "arguments.json"
    given = {"_ansible_remote_tmp": str(folder), "_ansible_tmpdir": str(folder), **arguments}
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    return Process([sys.executable, "-m", name, str(path)], folder=folder)


def program(name: str, package: str) -> str:
    """Where a peer's program is.

    :raises CannotRunError: it is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise CannotRunError(f"{name} is not installed (Debian, Ubuntu: apt-get install {package})")
    return found


def aria2c_one(server: Server, file: ModelFile, folder: Path, *options: str) -> Ended:
    """Run aria2c with eight connections for one file, and its checksum."""
    return _aria2c(folder, "-x8", "-s8", f"--checksum=sha-256={file.sha256}", *options, server.url(file))


def aria2c_many(server: Server, files: Sequence[ModelFile], folder: Path, *options: str) -> Ended:
    """Run aria2c with eight files at a time, and their checksums."""
    wanted = folder / "list"
    lines = [f"{server.url(file)}\n checksum=sha-256={file.sha256}\n" for file in files]
    wanted.write_text("".join(lines), encoding="utf-8")
    return _aria2c(folder, "-j8", "-i", str(wanted), *options)


def _aria2c(folder: Path, *options: str) -> Ended:
    return run([program("aria2c", "aria2"), "--no-conf", "--quiet", f"--dir={folder}", *options], folder=folder)


def curl(server: Server, file: ModelFile, folder: Path) -> Ended:
    """Run curl. It verifies nothing."""
    path = folder / file.name
    return run([program("curl", "curl"), "--silent", "--fail", "--output", str(path), server.url(file)], folder=folder)


def cold(folder: Path, contender: Callable[[Path], Ended]) -> Callable[[], float]:
    """A contender to be measured from nothing: seconds of its process, in an empty directory each time."""

    def measure() -> float:
        seconds = contender(fresh(folder)).seconds
        remove(folder)
        return seconds

    return measure
