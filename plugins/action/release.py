# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of release: render the files of a stack and of its components, then one call that looks whether
there is anything to do, and, where there is, a release that runs on its host by itself and is followed and shown.
"""

from __future__ import annotations

import base64
import getpass
import os
import socket
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE64
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.plugin_utils._job import controller
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.names import FAREWELL, FOLDER
from ansible_collections.drydock.serving.plugins.plugin_utils._render import RenderedFile, render_entries
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.golden import golden_files

MODULE = "drydock.serving.release"
SUFFIX = ".j2"
SECRET = ("secrets", "registries")
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # ansible-core's own words for it
BEGUN = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"  # read in Ansible's first process, so for all hosts the same
FILE_LIMIT = 4 * 1024 * 1024  # bytes; each file travels with each run and lies in each release

controller.prepare(constants.DEFAULT_LOCAL_TMP, FOLDER, FAREWELL)


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no types
    """Rendered here, released there. With nothing to do that is one round trip."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        try:
            return self._run(task_vars or {})
        finally:
            if not (self._task.until or self._task.retries):  # another attempt would still need them
                self._task.args = shown(self._task.args)  # callbacks are handed the task's arguments besides the result

    def _run(self, variables: dict[str, Any]) -> dict[str, Any]:
        arguments = dict(self._task.args)
        try:
            if not boolean(arguments.get("rollback") or False, strict=False):
                arguments["files"] = self._rendered(arguments, variables)
        except DrydockError as error:
            return {**empty_result(), **error.as_result(), "failed": True}
        result = self._release(signed(arguments), variables)
        if not self._task.diff:
            result.pop("diff", None)
        return result

    def _rendered(self, arguments: dict[str, Any], variables: dict[str, Any]) -> list[dict[str, Any]]:
        components = arguments.pop("components", None)
        entries = _entries(arguments, components)
        extra = [str(Path(components).parent)] if components else []
        return [shipped(item) for item in render_entries(self, entries, variables, extra)]

    def _release(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        connection = self._connection
        if self._task.check_mode or connection.has_native_async or connection.always_pipeline_modules:
            return self._call(arguments, variables)
        looks = _looks(arguments)
        found = self._look(arguments, variables) if looks else {}
        if looks and not found.get("pending"):
            return found
        from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.work import Work  # noqa: PLC0415 - a run with nothing to do does not need it

        look = (lambda: self._look(arguments, variables)) if looks else None
        work = Work(self, MODULE, arguments, variables, look)
        try:
            return as_given(work.run(found))
        except DrydockError as error:
            return {**empty_result(), **as_given(found), **error.as_result(), "changed": True, "failed": True}

    def _look(self, arguments: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """What is to be done, and by whom it is being done already; the result when that is nothing."""
        found = self._call({**arguments, "job": "look"}, variables)
        return found if found.get("pending") else as_given(found)

    def _call(self, arguments: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args=dict(arguments), task_vars=variables
        )
        return found


def shown(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as they may be told."""
    return {**arguments, **{key: HIDDEN for key in SECRET if arguments.get(key)}}


def signed(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """With who releases, from where, and when this run of Ansible began to; the same on all hosts."""
    own = {"actor": _actor(), "controller": socket.gethostname(), "stamp": BEGUN}
    return {**arguments, **{key: arguments.get(key) or value for key, value in own.items()}}


def _looks(arguments: Mapping[str, Any]) -> bool:
    """Whether it is worth a look if anything is to be done; who goes back, goes on or gives up surely wants that."""
    back = boolean(arguments.get("rollback") or False, strict=False)
    return not back and not arguments.get("prepared") and arguments.get("state") != "abandoned"


def as_given(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result as of a module that was called with the operator's own arguments."""
    found = {key: value for key, value in result.items() if key not in ("pending", "running")}
    shown = (found.get("invocation") or {}).get("module_args")
    if isinstance(shown, dict):
        found["invocation"] = {**found["invocation"], "module_args": {**shown, "job": "none"}}
    return found


def _entries(arguments: Mapping[str, Any], components: str | None) -> list[dict[str, Any]]:
    """The files as given, then those that the components bring; each sees the model as ``stack_model``."""
    stack, files = arguments.get("stack"), arguments.get("files")
    if not isinstance(stack, Mapping) or not isinstance(files, list) or not all(isinstance(f, Mapping) for f in files):
        raise DrydockError(
            "invalid_stack",
            "`stack` has to be the dictionary that the filter drydock.serving.stack_model returns, and `files` a list "
            "of dictionaries with `dest`.",
        )
    entries = [dict(entry) for entry in files]
    for name in sorted(stack.get("components") or {}) if components else ():
        entries += _component_entries(Path(str(components)), name, stack["components"][name])
    entries += golden_files(stack.get("services") or {})
    return [{**entry, "vars": {"stack_model": stack, **(entry.get("vars") or {})}} for entry in entries]


def _component_entries(root: Path, name: str, component: Mapping[str, Any]) -> list[dict[str, Any]]:
    folder = root / name / "config"
    return [
        {
            "dest": f"base/config/{name}/{str(path.relative_to(folder)).removesuffix(SUFFIX)}",
            "template": str(path.relative_to(root.parent)),
            "vars": {"component": component, "component_name": name},
        }
        for path in sorted(folder.rglob(f"*{SUFFIX}"))
    ]


def shipped(item: RenderedFile) -> dict[str, str]:
    """The file as an argument of the module, which JSON has to carry."""
    if len(item.content) > FILE_LIMIT:
        raise DrydockError(
            "invalid_stack",
            f"{item.dest}: {item.source} has {len(item.content)} bytes. A file of a release has at most {FILE_LIMIT}: "
            "it goes to the host with each run.",
        )
    try:
        return {"dest": item.dest, "content": item.content.decode("utf-8")}
    except UnicodeDecodeError:
        return {"dest": item.dest, "content": base64.b64encode(item.content).decode("ascii"), "encoding": BASE64}


def _actor() -> str:
    """Who runs Ansible, and where."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
