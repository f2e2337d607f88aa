# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the operator's hooks around the steps of a release, and says how each ended.

A note in the stack's state says which one runs on the host. When the run is killed the hook goes on to the end of its
time at most; the next run ends it and only then goes on: there are never two at once.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.controller import Controller, NoController
from ansible_collections.drydock.serving.plugins.module_utils._release.evidence import Redactor
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import Ended, Programs, new_mark
from ansible_collections.drydock.serving.plugins.module_utils._release.wishes import (
    AFTER,
    BEFORE,
    FAILURE,
    ON_CONTROLLER,
    WHOLE,
    Hook,
)

SCHEMA = 1
WORDS = 6  # lines of its output in a message
# nothing of what the module was started with: a task's environment may hold what is no business of a hook
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}


@dataclass(frozen=True)
class Surroundings:
    """What hooks need of the run that they belong to.

    :param told: what is told of the run on standard input, in the moment a hook begins.
    :param going_back: that must not depend on a controller.
    :param variables: for its environment besides, each with ``DRYDOCK_`` before its name.
    """

    layout: Layout
    programs: Programs
    controller: Controller
    redactor: Callable[[], Redactor]
    clock: Callable[[], float]
    told: Callable[[], Mapping[str, Any]]
    going_back: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


class Hooks:
    """The hooks of one run. ``ran`` says in short how each ended, ``papers`` what they wrote, by file name."""

    def __init__(self, hooks: Iterable[Hook], steps: Sequence[str], around: Surroundings) -> None:
        self._hooks = tuple(hooks)
        self._steps = steps
        self._around = around
        self.ran: list[dict[str, Any]] = []
        self.papers: dict[str, str] = {}
        self.warnings: list[str] = []

    def _require_controller(self) -> None:
        """Before anything is touched: is there a controller, where one is required?

        :raises DrydockError: ``controller_missing``.
        """
        wanted = [
            hook for hook in self._hooks if hook.where == ON_CONTROLLER and hook.required and hook.phase != FAILURE
        ]
        if wanted and self._alone and not self._around.going_back:
            raise DrydockError(
                "controller_missing",
                f"This run was started on the host itself, and hooks have to run on the controller: "
                f"{', '.join(hook.said for hook in wanted)}. Nothing was touched. Release with Ansible, have them run "
                "on the host (`where: host`), or do without them (`required: false`).",
                hooks=[hook.name for hook in wanted],
            )

    @property
    def _alone(self) -> bool:
        return isinstance(self._around.controller, NoController)

    def begin(self, step: str) -> None:
        """When the journal names the first step: what comes before everything."""
        if step == self._steps[0]:
            self._require_controller()
            self._run(BEFORE, WHOLE, binding=True)
            self._run(BEFORE, step, binding=True)

    def end(self, step: str, following: str | None, *, proven: bool) -> None:
        """When a step is done, and still counts as the one under way: what comes after it, and before the next.

        :param following: the step that this run takes next.
        :param proven: nothing can be undone any more, so a hook that fails is only told.
        :raises DrydockError: ``hook_failed``.
        """
        self._run(AFTER, step, binding=not proven)
        if following is not None:
            self._run(BEFORE, following, binding=not proven)
        elif step == self._steps[-1]:
            self._run(AFTER, WHOLE, binding=False)

    def failed(self, failure: Mapping[str, Any]) -> None:
        """After the way back."""
        self._run(AFTER, FAILURE, binding=False, more={"failure": failure})

    def _run(self, when: str, phase: str, *, binding: bool, more: Mapping[str, Any] | None = None) -> None:
        for hook in self._hooks:
            if (hook.when, hook.phase) == (when, phase):
                self._one(hook, binding=binding, more=more or {})

    def _one(self, hook: Hook, *, binding: bool, more: Mapping[str, Any]) -> None:
        if hook.where == ON_CONTROLLER and self._alone:
            self.warnings.append(f"The hook {hook.said} was left out: this run was started on the host itself.")
            return
        begun = self._around.clock()
        record = self._around.redactor().data({**self._around.told(), "hook": hook.name, **more})
        record.update(when=hook.when, phase=hook.phase)
        try:
            code, output = self._ask(hook, record)
        except DrydockError as error:
            code, output, trouble = None, "", error.message
        except OSError as error:
            code, output, trouble = None, "", f"It could not be run: {error}."
        else:
            trouble = _trouble(hook, code)
        output = self._around.redactor().text(output)
        self.ran.append(
            {
                "name": hook.name,
                "when": hook.when,
                "phase": hook.phase,
                "where": hook.where,
                "ok": not trouble,
                "code": code,
                "seconds": round(self._around.clock() - begun, 2),
            }
        )
        self.papers[f"hook-{len(self.ran):02}-{hook.name}.log"] = output
        if not trouble:
            return
        words = self._around.redactor().text(_words(hook, trouble, output))  # a command may have one of its own
        optional = self._around.going_back and hook.where == ON_CONTROLLER
        if binding and hook.required and not optional:
            raise DrydockError("hook_failed", words, hook=hook.name, exit_code=code)
        self.warnings.append(words)

    def _ask(self, hook: Hook, record: Mapping[str, Any]) -> tuple[int | None, str]:
        if hook.where == ON_CONTROLLER:
            question = {"name": hook.name, "when": hook.when, "phase": hook.phase, "timeout": hook.timeout}
            answer = self._around.controller.ask(question, record)
            return answer.code, answer.output
        given = (json.dumps(record, sort_keys=True, default=str) + "\n").encode()
        variables = {
            **self._around.variables,
            "HOOK": hook.name,
            "WHEN": hook.when,
            "PHASE": hook.phase,
        }
        ended = self._noted(
            hook, given, {**ENVIRONMENT, **{f"DRYDOCK_{key}": value for key, value in variables.items()}}
        )
        return ended.code, ended.output

    def _noted(self, hook: Hook, given: bytes, environment: Mapping[str, str]) -> Ended:
        """Run it, and leave a note of it for as long: a run that is killed cannot end it."""
        mark, note = new_mark(), self._around.layout.hook
        with contextlib.suppress(OSError):  # a full disk must not keep a hook from telling somebody
            write_json(note, {"schema": SCHEMA, "mark": mark, "said": hook.said})
        ended = self._around.programs.run(
            hook.command, mark=mark, given=given, environment=environment, timeout=hook.timeout
        )
        note.unlink(missing_ok=True)
        return ended


def settle(layout: Layout, programs: Programs) -> list[str]:
    """End the hook of a run that died; what was done, in words. Call it while holding the lease.

    :raises DrydockError: ``timed_out``: one that cannot be ended must not get a second one beside it.
    """
    try:
        raw = json.loads(layout.hook.read_text(encoding="utf-8"))
        mark, said = str(raw["mark"]), str(raw["said"])
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError):  # it is written whole before the hook begins
        mark, said = "", ""
    left = bool(mark) and programs.end(mark)
    layout.hook.unlink(missing_ok=True)
    return [f"ended the hook {said}, which a run that died had left running: how far it came is not known"] * left


def _trouble(hook: Hook, code: int | None) -> str:
    if code == 0:
        return ""
    if code is None:
        return f"It did not end within {hook.timeout:g} s, and was ended with everything it had started."
    return f"It ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}."


def _words(hook: Hook, trouble: str, output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()][-WORDS:]
    said = ["It wrote last:", *(f"  {line}" for line in lines)] if lines else []
    return "\n".join([f"The hook {hook.said} failed: `{' '.join(hook.command)}`. {trouble}", *said])
