# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of model_sync: one call when all is there, else a download that is watched and shown.

The download runs on its host by itself, so that neither a lost connection nor a lost controller ends it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._job import controller
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.names import FAREWELL, FOLDER

# What only a download needs is imported when there is one: a run that finds everything in place costs one round trip.
if TYPE_CHECKING:
    from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Reporter

MODULE = "drydock.serving.model_sync"
PLAN = "drydock.serving.model_plan"  # a small part of it, all that an idle run needs
ROOT, LOCK_TIMEOUT, RECONNECT_TIMEOUT = "/var/lib/drydock/models", 300.0, 300.0  # as the module documents them
LIVES = 3  # how often a download that ended without a result is begun
TOKEN_LIFE = 60.0  # seconds after which a refusal may mean that a signature or token ran out

controller.prepare(constants.DEFAULT_LOCAL_TMP, FOLDER, FAREWELL)


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no types
    """See the module's documentation."""

    TRANSFERS_FILES = False
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        try:
            result = self._run(arguments, variables)
        except DrydockError as error:
            result = {**self._empty(), **error.as_result(), "changed": False, "failed": True}
        if not (self._task.until or self._task.retries):  # another attempt would still need them
            self._task.args = _without_secrets(arguments)  # callbacks are handed them besides the result
        return result

    def _run(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        self._before: dict[str, Any] = {}
        if self._task.async_val:  # the operator wants to wait in another way
            given = arguments if self._task.check_mode else self._fetchable(_with_secrets_of_the_group(arguments))
            return self._call(given, variables, wrap_async=not self._connection.has_native_async)
        if self._task.check_mode or not _true(arguments.get("fetch", True)):
            return self._call(arguments, variables)
        self._before = self._first(arguments, variables)
        if not self._before.get("pending") and not _failed_with(self._before, "busy"):
            return self._before
        arguments = _with_secrets_of_the_group(arguments)
        if self._connection.has_native_async or self._connection.always_pipeline_modules:
            return self._call(self._fetchable(arguments), variables)
        from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import closing  # noqa: PLC0415 - see above

        with closing(self._reporter(arguments, variables)) as reporter:
            self._before = self._turn(arguments, variables, reporter)
            return self._fetch(arguments, variables, reporter) if self._before.get("pending") else self._before

    def _host(self, variables: Mapping[str, Any]) -> str:
        from ansible_collections.drydock.serving.plugins.plugin_utils._job.detached import host_of  # noqa: PLC0415 - see above

        return host_of(self, variables)

    def _empty(self) -> dict[str, Any]:
        """The keys that every result has."""
        from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import empty_result  # noqa: PLC0415 - a failure

        return {**empty_result(), **self._before, "pending": False}

    def _call(
        self, arguments: Mapping[str, Any], variables: dict[str, Any], *, module: str = MODULE, **how: Any
    ) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name=module, module_args=dict(arguments), task_vars=variables, **how
        )
        return result

    def _first(self, arguments: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """The only call of a run that finds everything in place; ``pending`` when something must be fetched."""
        if arguments.get("verify") == "full":  # whoever reads everything must be the one to remember it
            return self._probe(arguments, variables)
        result = self._call(arguments, variables, module=PLAN)
        settled = result.pop("settled", False)
        if settled or result.get("failed") or result.get("pending"):
            return result
        return self._probe(arguments, variables)

    def _turn(self, arguments: Mapping[str, Any], variables: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Wait for another sync in the same store, as long as it gets further."""
        from ansible_collections.drydock.serving.plugins.plugin_utils._job.detached import clock  # noqa: PLC0415 - see above
        from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync import store, turn  # noqa: PLC0415 - see above

        found = store.Store(self, self._status_file(arguments), lambda: self._probe(arguments, variables))
        timeout = _seconds(arguments.get("lock_timeout"), LOCK_TIMEOUT)
        return turn.Turn(found, reporter, clock(), timeout=timeout).wait(self._before)

    def _probe(self, arguments: Mapping[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        # the module is not to wait where nobody sees for whom
        result = self._call({**arguments, "fetch": False, "lock_timeout": 0}, variables)
        shown = result.get("invocation", {}).get("module_args")
        if shown:  # as the operator gave them
            shown.update(fetch=True, lock_timeout=_seconds(arguments.get("lock_timeout"), LOCK_TIMEOUT))
        return result

    def _fetch(self, arguments: dict[str, Any], variables: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
        from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Died  # noqa: PLC0415 - see above

        received, lives, why = 0, LIVES, ""
        while lives:
            since = time.monotonic()
            given = self._fetchable(arguments)
            try:
                result = self._watch(given, variables, reporter)
            except Died as error:
                lives, why = lives - 1, str(error)
                reporter.note(f"the download broke off: {why}. {'Going on.' if lives else 'Giving up.'}")
                continue
            got = int(result.get("bytes_fetched") or 0)
            received += got
            if not got or not _failed_with(result, "refused") or not _needs_controller(arguments.get("models")):
                return {**result, "bytes_fetched": received} if "bytes_fetched" in result else result
            if time.monotonic() - since < TOKEN_LIFE:
                return {**result, "bytes_fetched": received}
            reporter.note("a source no longer takes the signature or token it was asked with; making new ones")
        raise DrydockError(
            "interrupted",
            f"The download on {self._host(variables)} broke off {LIVES} times; the last time {why}. "
            "What was received is kept. Is the host short of memory, or being restarted? "
            "Next step: look at its kernel log, then run again.",
        )

    def _watch(self, given: dict[str, Any], variables: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
        """Start the module and wait for its result.

        :raises Died: it ended without one.
        :raises AnsibleConnectionFailure: the host does not answer any more.
        """
        from ansible_collections.drydock.serving.plugins.plugin_utils._job.detached import Follower  # noqa: PLC0415 - see above
        from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.kind import DOWNLOAD  # noqa: PLC0415 - see above

        follower = Follower(
            action=self,
            variables=variables,
            kind=DOWNLOAD,
            host=self._host(variables),
            status=self._status_file(given),
            patience=_seconds(given.get("reconnect_timeout"), RECONNECT_TIMEOUT),
            reporter=reporter,
        )
        return follower.run(MODULE, given)

    def _fetchable(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with addresses that the host can fetch, and with what hosts need to give each other files."""
        given = dict(arguments)
        if _needs_controller(arguments.get("models")):
            from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import resolve_models  # noqa: PLC0415 - see above
            from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync import carry  # noqa: PLC0415 - see above

            try:
                given["models"], given["headers"] = resolve_models(
                    arguments["models"],
                    headers=arguments.get("headers") or {},
                    needed=_to_fetch(self._before),
                    warn=self._display.warning,
                    send=lambda contents: carry.send(self, contents),
                )
            except DrydockError as error:
                if not arguments.get("bundle"):  # which holds all of them, where there is no way to the sources
                    raise
                self._display.warning(f"Of what has to be resolved, only the bundle is asked. {error.message}")
        if arguments.get("seed"):
            from ansible_collections.drydock.serving.plugins.plugin_utils._model_seed import session  # noqa: PLC0415 - see above

            given["seed"] = session(arguments["seed"], local_tmp=constants.DEFAULT_LOCAL_TMP)
        return given

    def _status_file(self, arguments: Mapping[str, Any]) -> str:
        root = self._remote_expand_user(str(arguments.get("root") or ROOT))
        return f"{root}/state/status.json"

    def _reporter(self, arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> Reporter:
        from ansible_collections.drydock.serving.plugins.plugin_utils._job.reporters import reporter_for  # noqa: PLC0415 - see above
        from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.kind import DOWNLOAD  # noqa: PLC0415 - see above

        return reporter_for(
            self._host(variables),
            DOWNLOAD,
            wanted="off" if self._task.no_log else arguments.get("progress"),
            display=self._display,
            local_tmp=constants.DEFAULT_LOCAL_TMP,
        )


def _with_secrets_of_the_group(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with what hosts that seed each other know each other by in this run."""
    if not arguments.get("seed"):
        return arguments
    from ansible_collections.drydock.serving.plugins.plugin_utils._model_seed import session  # noqa: PLC0415 - see above

    return {**arguments, "seed": session(arguments["seed"], local_tmp=constants.DEFAULT_LOCAL_TMP)}


def _true(value: Any) -> bool:
    """What the module would make of it; it refuses the rest itself."""
    return bool(boolean(value, strict=False)) if value is not None else True


def _seconds(value: Any, default: float) -> float:
    """The module refuses what is no number, in a call before this one counts."""
    try:
        return default if value is None else float(value)
    except (TypeError, ValueError):
        return default


def _failed_with(result: Mapping[str, Any], kind: str) -> bool:
    return bool(result.get("failed")) and (result.get("failure") or {}).get("kind") == kind


def _to_fetch(before: Mapping[str, Any]) -> frozenset[str] | None:
    """Checksums of the files that the host does not have, by what it told before; ``None`` where it told nothing."""
    if not before.get("sets"):
        return None
    files = [file for item in before["sets"] for file in item["files"]]
    return frozenset(str(file["checksum"]) for file in files if file["state"] not in ("unchanged", "linked"))


def _needs_controller(models: Any) -> bool:
    """Whether an address has a scheme that hosts do not know. The module is the one to refuse wrong shapes."""
    known = ("http:", "https:", "file:")
    return any(
        not str(url).startswith(known)
        for model in (models if isinstance(models, list) else ())
        for file in ((model.get("files") if isinstance(model, Mapping) else None) or ())
        for url in ((file.get("urls") if isinstance(file, Mapping) else None) or ())
    )


def _without_secrets(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The task's arguments as they may be printed."""
    return {
        key: "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" if key in ("headers", "seed") and value else _bare(value)
        for key, value in arguments.items()
    }


def _bare(value: Any) -> Any:
    """Addresses without what stands after ``?``, which may be a signature."""
    if isinstance(value, Mapping):
        return {key: _bare(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_bare(entry) for entry in value]
    if isinstance(value, str) and "://" in value and "?" in value:
        return f"{value.partition('?')[0]}?********"
    return value
