# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine in memory of the unit tests as a program: `docker` for a release of real processes on this machine.

Its state is a file, so every call sees what the calls before it did. A file beside it names the images whose containers
do not become healthy yet.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import sys
from pathlib import Path

from tests.unit.plugins.module_utils._release.fake_docker import FakeDocker

STATE, STARTING, LOCK = "engine.pickle", "starting", "lock"
VARIABLE = "FAKE_DOCKER"
PROGRAM = """#!/bin/sh
PYTHONPATH={root}:$PYTHONPATH exec {python} -c 'from {module} import main; main()' docker "$@"
"""


def install(folder: Path, engine: FakeDocker) -> Path:
    """Put the program and its state there; the directory for the path of programs."""
    (folder / STATE).write_bytes(pickle.dumps(engine))
    programs = folder / "programs"
    programs.mkdir()
    (programs / "docker").write_text(
        PROGRAM.format(root=Path(__file__).resolve().parents[2], python=sys.executable, module=__name__)
    )
    for other in ("nginx", "systemctl"):  # this machine's own have nothing to do with it
        (programs / other).write_text("#!/bin/sh\nexit 127\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    return programs


def starting(folder: Path, *images: str) -> None:
    """Containers of these images are not healthy until they are no longer named."""
    beside = folder / f"{STARTING}.part"
    beside.write_text("\n".join(images))
    beside.replace(folder / STARTING)


def engine(folder: Path) -> FakeDocker:
    """As it is now."""
    with (folder / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found: FakeDocker = pickle.loads((folder / STATE).read_bytes())  # noqa: S301 - written by this module
        return found


def main() -> None:
    """One call of the program."""
    folder = Path(os.environ[VARIABLE])
    with (folder / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        docker: FakeDocker = pickle.loads((folder / STATE).read_bytes())  # noqa: S301 - as above
        path = folder / STARTING
        slow = path.read_text().split() if path.exists() else []
        for item in docker.containers.values():
            item.health = "starting" if item.image in slow else "healthy"
        done = docker.run(sys.argv[1:])
        beside = folder / f"{STATE}.part"
        beside.write_bytes(pickle.dumps(docker))
        beside.replace(folder / STATE)
    sys.stdout.write(done.out)
    sys.stderr.write(done.err)
    sys.exit(done.code)
