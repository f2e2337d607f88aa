# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One release at a time: a lock that the kernel frees when its owner dies, and a note that says who that is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout


@contextlib.contextmanager
def lease(layout: Layout, owner: Mapping[str, Any]) -> Iterator[None]:
    """Hold the stack for one run. A dead owner's lease is taken over: the kernel frees its lock
    when the last program that it started has ended.

    :param owner: ``actor``, ``since`` and ``doing``, told to whoever finds the stack taken.
    :raises DrydockError: ``locked``.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.set_inheritable(descriptor, True)  # see SubprocessRunner
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(layout) from None
        write_json(layout.lease, {**owner, "pid": os.getpid()})
        try:
            yield
        finally:
            layout.lease.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _taken(layout: Layout) -> DrydockError:
    try:
        owner = json.loads(layout.lease.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        owner = {}
    return DrydockError(
        "locked",
        f"Another run is working on this stack: {owner.get('actor', 'unknown')}, since "
        f"{owner.get('since', 'unknown')}, process {owner.get('pid', 'unknown')} on the host, doing: "
        f"{owner.get('doing', 'unknown')}. Wait for it to end and run again; the lock goes away by itself when that "
        "process and what it started have ended.",
        owner=owner,
    )
