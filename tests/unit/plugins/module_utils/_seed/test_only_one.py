# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server of an earlier run is ended, and nobody else, whatever the lock says that it left."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._seed import seeding

WAITS = "import sys, time; print(flush=True); time.sleep(60)"
HOLDS = f"import fcntl; fcntl.flock(0, fcntl.LOCK_EX); {WAITS}"


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(seeding, "POLITE", 0.3)
    monkeypatch.setattr(seeding, "FIRM", 0.3)
    path = tmp_path / "seed.lock"
    path.touch()
    return path


@pytest.fixture
def other(request: pytest.FixtureRequest, lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits, with the lock as its standard input where it is told to hold it."""
    with lock.open("r+b") as handle:
        process = subprocess.Popen(
            [sys.executable, "-c", request.param],
            stdin=handle if request.param is HOLDS else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
    assert process.stdout
    process.stdout.readline()
    lock.write_text(f"{process.pid}\n")
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("other", [HOLDS], indirect=True)
def test_who_holds_the_lock_is_ended(lock: Path, other: subprocess.Popen[bytes]) -> None:
    os.close(seeding._only_one(lock))
    assert other.wait(timeout=5) == -15


@pytest.mark.parametrize("other", [WAITS], indirect=True)
def test_a_bystander_whom_the_holder_names_is_not(lock: Path, other: subprocess.Popen[bytes]) -> None:
    with lock.open("r+b") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="does not end"):
            seeding._only_one(lock)
    assert other.poll() is None
