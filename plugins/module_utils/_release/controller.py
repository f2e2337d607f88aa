# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the controller to run a hook there.

A host cannot call its controller. So the question stands in the status file of the run, where whoever watches the run
finds it, and the answer comes as a file beside it, in a directory that only root can enter. The question names the
hook; which command that is the controller knows from its own inventory, so that no host can have it run something else.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import Progress

INTERVAL = 0.3  # seconds between two looks for an answer
ON_THE_WAY = 60.0  # seconds that question and answer may take besides the hook itself, a new connection included
LONGEST_ANSWER = 1024 * 1024  # bytes; 64 KiB of output that is no text are six times as long in JSON
NAMED = ("name", "when", "phase")  # what a question tells of a hook


@dataclass(frozen=True)
class Answer:
    """How a hook ended on the controller. ``code`` is None when it was ended because its time was over."""

    code: int | None
    output: str = ""


class Controller(Protocol):
    """Whoever runs hooks on the controller."""

    def ask(self, hook: Mapping[str, Any], record: Mapping[str, Any]) -> Answer:
        """Have a hook run with the release record as its input.

        :param hook: with ``name``, ``when``, ``phase`` and ``timeout`` in seconds.
        :raises DrydockError: ``controller_missing`` when nobody is there to ask, ``controller_silent`` when nobody
            answered in time.
        """


class NoController:
    """A run that was not started by Ansible, or that nobody watches."""

    def ask(self, hook: Mapping[str, Any], record: Mapping[str, Any]) -> Answer:  # noqa: ARG002 - see Controller
        raise DrydockError(
            "controller_missing",
            f"The hook {hook.get('name')!r} is to run on the controller, and this run has none: it was started on the "
            "host itself. Start it with Ansible, or have the hook run on the host.",
            hook=hook.get("name"),
        )


class Watcher:
    """The action plugin that watches this run.

    :param clock: seconds that never jump.
    :param progress: where the question is shown; only while it is shown there is somebody to ask.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._progress, self._clock, self._sleep = progress, clock, sleep

    def ask(self, hook: Mapping[str, Any], record: Mapping[str, Any]) -> Answer:
        folder = self._progress.folder
        if folder is None:
            return NoController().ask(hook, record)
        identity = os.urandom(16).hex()
        question = {"id": identity, "hook": {key: hook.get(key) for key in NAMED}, "record": dict(record)}
        limit = float(hook.get("timeout") or 0.0) + ON_THE_WAY
        ends = self._clock() + limit
        with self._asking(question, folder):
            while self._clock() < ends:
                answer = read_answer(folder, identity)
                if answer is not None:
                    return answer
                self._sleep(INTERVAL)
        raise DrydockError(
            "controller_silent",
            f"The controller did not answer within {limit:g} s whether its hook {hook.get('name')!r} succeeded. Was "
            "ansible-playbook ended, or its connection to this host lost? Run it again.",
            hook=hook.get("name"),
        )

    @contextlib.contextmanager
    def _asking(self, question: Mapping[str, Any], folder: Path) -> Iterator[None]:
        self._progress.ask(question)
        try:
            yield
        finally:
            self._progress.ask(None)
            for path in (answer_file(folder, question["id"]), claim_file(folder, question["id"])):
                with contextlib.suppress(OSError):
                    path.unlink()


def answer_file(folder: Path, identity: str) -> Path:
    """Where the answer to a question is expected."""
    return folder / f"answer-{identity}.json"


def claim_file(folder: Path, identity: str) -> Path:
    """Where whoever is about to answer leaves a word, so that two who watch do not both run the hook."""
    return folder / f"claim-{identity}"


def read_answer(folder: Path, identity: str) -> Answer | None:
    """The answer, when there is one of this run's own user that nobody else could have written."""
    try:
        descriptor = os.open(answer_file(folder, identity), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as handle:
        about = os.fstat(handle.fileno())
        if about.st_uid != os.geteuid() or not stat.S_ISREG(about.st_mode) or about.st_mode & 0o077:
            return None
        text = handle.read(LONGEST_ANSWER)
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("id") != identity:
        return None
    code = found.get("code")
    return Answer(code=code if isinstance(code, int) else None, output=str(found.get("output") or ""))
