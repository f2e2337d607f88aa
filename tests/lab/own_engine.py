# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine that lab hosts have, beside this machine's own, which may be too old for what the role writes."""

from __future__ import annotations

import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.checkout import Checkout
from lab.docker import Docker
from lab.hosts import DROP, RUN_FLAGS, VOLUMES
from lab.images import host_image

WITHIN = 60.0  # seconds for it to answer
# Control groups that can be written, as in lab/images/host/lab-init. With those of version 2, an engine may limit its
# containers only below a group that holds no process itself.
BEGIN = """
cd /sys/fs/cgroup
for group in $(awk '$2 ~ "^/sys/fs/cgroup" {print $2}' /proc/mounts); do mount -o remount,bind,rw "$group"; done
if [ -e cgroup.controllers ]; then
  mkdir -p init && echo $$ >init/cgroup.procs
  sed -e 's/ / +/g' -e 's/^/+/' <cgroup.controllers >cgroup.subtree_control
fi
exec dockerd --host "unix://$0"
"""


@contextlib.contextmanager
def own_engine(checkout: Checkout, docker: Docker, folder: Path, images: Iterable[str]) -> Iterator[str]:
    """Its address. It has these images, and sees ``folder`` where this machine does."""
    name, socket = f"drydock-engine-{uuid.uuid4().hex[:8]}", folder / "engine.sock"
    volumes = [f"--volume={path}" for path in (*VOLUMES.values(), f"{folder}:{folder}")]
    image = host_image(checkout, docker, with_engine=True)
    try:
        docker(
            "run",
            "--detach",
            "--name",
            name,
            *RUN_FLAGS,
            DROP,
            *volumes,
            "--entrypoint=sh",
            image,
            "-c",
            BEGIN,
            str(socket),
        )
        address = f"unix://{socket}"
        _wait(docker, address, name)
        for each in images:
            _hand_over(docker, each, address)
        yield address
    finally:
        docker("rm", "--force", "--volumes", name, check=False)


def _wait(docker: Docker, address: str, name: str) -> None:
    deadline = time.monotonic() + WITHIN
    while docker("--host", address, "version", check=False).returncode != 0:
        assert time.monotonic() < deadline, docker("logs", name, check=False).stderr
        time.sleep(0.2)


def _hand_over(docker: Docker, image: str, address: str) -> None:
    command = [*docker.prefix, "docker"]
    with subprocess.Popen([*command, "save", image], stdout=subprocess.PIPE) as saving:
        subprocess.run([*command, "--host", address, "load", "--quiet"], stdin=saving.stdout, check=True, timeout=300)
