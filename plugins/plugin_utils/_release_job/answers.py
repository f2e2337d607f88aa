# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answering a release that asks for a hook to be run on the controller."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._job.job import END, QUICK, ask, questioning
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Reporter
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Question, Stage
from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import clean
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Look
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job import hooks
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.hooks import Done

Run = Callable[[Mapping[str, Any], Question], Done]


class Answers:
    """Runs each hook that is asked for once, also when several follow the same release or an answer gets lost.

    :param stack: the operator's stack with the hooks.
    :param folder: the directory on the host that the status file is in; only root can enter it.
    :param run: runs a hook.
    """

    def __init__(self, action: Any, stack: Mapping[str, Any], folder: str, reporter: Reporter, run: Run) -> None:
        self._action, self._stack, self._folder = action, stack, folder
        self._reporter, self._run = reporter, run
        self._token = f"{clean(socket.gethostname())}-{secrets.token_hex(8)}"
        self._done: dict[str, Done] = {}
        self._settled: set[str] = set()

    def on_look(self, look: Look[Stage]) -> None:
        """Answer what the host asks, if it asks. :raises Lost: the host did not take it; the next look tries again."""
        question = look.status.question if look.status is not None else None
        if question is None or question.identity in self._settled:
            return
        if question.identity not in self._done:
            if not self._claimed(question):
                self._settled.add(question.identity)
                return
            self._done[question.identity] = self._answer(question)
        self._send(question, self._done[question.identity])
        self._settled.add(question.identity)

    def _answer(self, question: Question) -> Done:
        hook = hooks.find(self._stack, question)
        if hook is None:
            said = f"this controller's stack has no hook {question.name!r} {question.when} {question.phase}"
            self._reporter.note(f"the host asks for a hook, and {said}")
            return Done(hooks.NOT_FOUND, said)
        self._reporter.note(f"runs the hook {question.name} here, {question.when} {question.phase}")
        done = self._run(hook, question)
        if done.code != 0:
            ended = "did not end in time" if done.code is None else f"failed with exit status {done.code}"
            self._reporter.note(f"the hook {question.name} {ended}")
        return done

    def _claimed(self, question: Question) -> bool:
        """Whether it is up to this run to answer. Asked again, the host gives the same answer."""
        quote = self._action._connection._shell.quote
        path = quote(f"{self._folder}/claim-{question.identity}")
        word = quote(self._token)
        command = f"( umask 077; set -C; echo {word} > {path} ) 2>/dev/null; cat {path} 2>/dev/null; echo {END}"
        return self._token in ask(self._action, command)

    def _send(self, question: Question, done: Done) -> None:
        text = json.dumps({"id": question.identity, "code": done.code, "output": done.output})
        shell = self._action._connection._shell
        before, shell.tmpdir = shell.tmpdir, None
        with questioning(QUICK):
            folder = self._action._make_tmp_path()
            try:
                path = str(PurePosixPath(folder) / "answer")
                self._action._transfer_data(path, text.encode("utf-8"))
                self._action._fixup_perms2([folder, path], execute=False)
                place = f"{self._folder}/answer-{question.identity}.json"
                self._put(shell.quote(path), shell.quote(f"{place}.part"), shell.quote(place))
            finally:
                with contextlib.suppress(Exception):  # it is a temporary directory of the operator's own
                    self._action._remove_tmp_path(folder, force=True)
                shell.tmpdir = before

    def _put(self, source: str, part: str, place: str) -> None:
        ask(self._action, f"umask 077 && cat {source} > {part} && mv -f {part} {place} && echo {END}")
