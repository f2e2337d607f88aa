# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks that run on the controller.

A host asks for one by its name. The command comes from the operator's own stack, never from the host.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import MARK, HostPrograms, new_mark
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Question

LONGEST_OUTPUT = 64 * 1024  # bytes that are kept, the last ones
BLOCK = 4096
TIMEOUT = 60.0  # seconds, where the hook says nothing
LINGER = 1.0  # seconds for what is still in the pipe when the hook has ended
NOT_RUN, NOT_FOUND = 126, 127  # as a shell has them


@dataclass(frozen=True)
class Done:
    """How a hook ended. ``code`` is None when its time was over."""

    code: int | None
    output: str


def find(stack: Mapping[str, Any], question: Question) -> Mapping[str, Any] | None:
    """The hook that is meant, as the operator declared it; ``None`` when there is none of that name, time and place."""
    hooks = (stack.get("release") or {}).get("hooks") or ()
    meant = (question.name, question.when, question.phase)
    for hook in hooks:
        if hook.get("where") == "controller" and (hook.get("name"), hook.get("when"), hook.get("phase")) == meant:
            return dict(hook)
    return None


def run(
    hook: Mapping[str, Any],
    record: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    folder: str,
    gone: Callable[[], bool] = lambda: False,
) -> Done:
    """Run a hook's command with the release record as its input. Whatever it started ends with it.

    :param environment: besides the controller's own.
    :param folder: where it runs.
    :param gone: says that nobody wants the answer any more.
    """
    command, mark = [str(word) for word in hook.get("command") or ()], new_mark()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **environment, MARK: mark},
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN
        return Done(status, f"{command[0] if command else 'the hook'} could not be run: {error}")
    kept = bytearray()
    text = json.dumps(record, sort_keys=True).encode("utf-8")
    threads = [
        threading.Thread(target=_feed, args=(process.stdin, text), name="hook-input", daemon=True),
        threading.Thread(target=_keep, args=(process.stdout, kept), name="hook-output", daemon=True),
    ]
    for thread in threads:
        thread.start()
    code: int | None = None
    try:
        code = _wait(process, float(hook.get("timeout") or TIMEOUT), gone)
        threads[1].join(LINGER)
    finally:
        _end(process, mark)
        for thread in threads:
            thread.join(LINGER)
    return Done(code, bytes(kept).decode("utf-8", "replace"))


def _wait(process: subprocess.Popen[bytes], timeout: float, gone: Callable[[], bool]) -> int | None:
    ends = time.monotonic() + timeout
    while time.monotonic() < ends and not gone():
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=min(0.5, max(0.01, ends - time.monotonic())))
    return None


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """With everything that it started; what has left its group is found where the kernel tells of processes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(OSError, DrydockError):
        HostPrograms().end(mark)


def _feed(stream: IO[bytes] | None, text: bytes) -> None:
    if stream is not None:
        with contextlib.suppress(OSError, ValueError), stream:  # a hook need not read it
            stream.write(text)


def _keep(stream: IO[bytes] | None, kept: bytearray) -> None:
    if stream is not None:
        with contextlib.suppress(OSError, ValueError), stream:
            while block := os.read(stream.fileno(), BLOCK):
                kept += block
                del kept[:-LONGEST_OUTPUT]
