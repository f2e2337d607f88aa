# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of a module on a host that goes on by itself, and the questions to that host.

ansible-core's own async_wrapper starts it, cuts it off from the connection and keeps its result in a file.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Generic

from ansible import constants
from ansible.errors import AnsibleError
from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind, R
from ansible_collections.drydock.serving.plugins.plugin_utils._job.limit import TooSlow, within
from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import clean
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Died, Look, Lost

TIME_LIMIT = 7 * 24 * 3600  # seconds after which async_wrapper ends a run; the module's own limits come long before
QUICK, THOROUGH = 30.0, 120.0  # seconds for a question: one command, one module
LOADED = 15.0  # seconds after which Python has surely read a module's file
STALE = 24 * 60  # minutes after which nobody fetches a result any more
REMOVE = "-exec rm -f {} +"
OWN = "drydock"  # below async_wrapper's directory, so that what is swept there is ours
MARK, END = "--drydock-job--", "--drydock-end--"
RUNNING = '{"started"'  # how async_wrapper's file begins until the module's result takes its place


@dataclass(frozen=True)
class Started:
    """:param job: async_wrapper's name for it. :param folder: where the module's file with the arguments lies.
    :param file: how that is called.
    """

    job: str
    results: str
    folder: str | None
    file: str = "AnsiballZ_*"


def start(
    action: Any, module: str, arguments: Mapping[str, Any], variables: dict[str, Any]
) -> Started | dict[str, Any]:
    """Start the module on the host; its result instead when it could not be started."""
    task, shell = action._task, action._connection._shell
    given, place = task.async_val, action.get_shell_option("async_dir", default="~/.ansible_async")
    task.async_val = TIME_LIMIT
    try:
        folder = folder_for(action)
        shell.set_option("async_dir", f"{place}/{OWN}")
        found: dict[str, Any] = action._execute_module(
            module_name=module, module_args=dict(arguments), task_vars=variables, wrap_async=True
        )
    finally:
        task.async_val = given
        shell.set_option("async_dir", place)
    if "ansible_job_id" not in found:
        shell.tmpdir, action._cleanup_remote_tmp = folder, True  # which nobody else removes now
        return {**found, "changed": False, "failed": True}
    keep = constants.DEFAULT_KEEP_REMOTE_FILES or "-tmp-" not in str(folder)
    file = f"AnsiballZ_{module.rpartition('.')[2]}.py"
    return Started(str(found["ansible_job_id"]), str(found["results_file"]), None if keep else str(folder), file)


def folder_for(action: Any) -> str:
    """The directory on the host that the next module's file comes to lie in; it goes when that ends."""
    shell = action._connection._shell
    if shell.tmpdir is None:
        action._make_tmp_path()
    return str(shell.tmpdir)


def is_homeless(result: Mapping[str, Any]) -> bool:
    """Whether no job could be started because its user has no place to keep the result in, as services often have."""
    return bool(result.get("failed")) and str(result.get("msg")).startswith("could not create directory")


class Job(Generic[R]):
    """The host of a running job, as :class:`watch.Host` wants it.

    :param status: the path of the status file.
    """

    def __init__(self, action: Any, variables: dict[str, Any], started: Started, *, kind: Kind[R], status: str) -> None:
        self._action, self._variables, self._started = action, variables, started
        self._kind, self._status = kind, status
        self._since = time.monotonic()
        self._forgotten = started.folder is None
        self._updated: set[float] = set()

    def look(self) -> Look[R]:
        """One command: the status file, and how the file with the result begins."""
        return look(self._action, self._kind, self._status, self._started.results)

    def on_look(self, answer: Look[R]) -> None:
        """Remove the module's file with its secrets as soon as the host has surely loaded it."""
        if answer.status is not None and answer.status.working:
            self._updated.add(answer.status.updated)
        loaded = len(self._updated) > 2 or time.monotonic() - self._since > LOADED
        if not self._forgotten and answer.job == "running" and loaded:
            # also those of calls before it, which share the folder and the arguments
            self._sweep(f"rm -f {self._quoted(self._started.folder)}/AnsiballZ_*", privileged=False)
            self._forgotten = True

    def alive(self) -> bool:
        """async_wrapper's processes carry the job's name in their arguments."""
        name = self._started.job.partition(".")[0]
        pattern = f"{name[:-1]}[{name[-1]}]"  # does not match the command line of this very question
        command = f"found=$(grep -ls {self._quoted(pattern)} /proc/[0-9]*/cmdline); echo {END}${{found:+yes}}"
        return f"{END}yes" in ask(self._action, command)

    def result(self) -> dict[str, Any]:
        """The module's own result, the job's files removed.

        :raises Died: there is none: the module was killed.
        """
        arguments = {"jid": self._started.job, "_async_dir": str(PurePosixPath(self._started.results).parent)}
        with questioning(THOROUGH):
            found = self._action._execute_module(
                module_name="ansible.legacy.async_status", module_args=arguments, task_vars=self._variables
            )
        if not found.get("finished"):
            raise Lost("Its answer about the job cannot be read.")
        self.tidy()
        return as_of_the_module(found)

    def tidy(self) -> None:
        """Leave nothing of the job on the host, if it answers, nor of those whose controllers or hosts died; by now the
        result is what counts.
        """
        results, folder = PurePosixPath(self._started.results), self._started.folder
        with contextlib.suppress(Lost):
            old = f"find {self._quoted(str(results.parent))} -maxdepth 1 -type f -name 'j*' -mmin +{STALE}"
            ended = f"\\( ! -exec grep -q '^{RUNNING}' {{}} \\; -o -mmin +{TIME_LIMIT // 60 + STALE} \\)"
            also = f"; {old} {ended} {REMOVE}" if results.parent.name == OWN else ""
            self._sweep(f"rm -f {self._quoted(str(results))}{also}", privileged=True)
            if folder is not None:
                around = self._quoted(str(PurePosixPath(folder).parent))
                old = f"find {around} -mindepth 2 -maxdepth 2 -type f -name {self._started.file} -mmin +{STALE}"
                self._sweep(f"rm -rf {self._quoted(folder)}; {old} {REMOVE}", privileged=False)

    def reconnect(self) -> None:
        """See :func:`reconnect`."""
        reconnect(self._action)

    def _quoted(self, text: str | None) -> str:
        return str(self._action._connection._shell.quote(text or ""))

    def _sweep(self, command: str, *, privileged: bool) -> None:
        ask(self._action, f"{command}; echo {END}", privileged=privileged)


def current(action: Any, kind: Kind[R], status: str) -> R | None:
    """The status file, unless a run that was killed left it behind. :raises Lost: no answer."""
    found = look(action, kind, status).status
    return found if found is not None and lives(action, found.pid) else None


def look(action: Any, kind: Kind[R], status: str, results: str | None = None) -> Look[R]:
    """The status file, and how a job is. :raises Lost: no answer."""
    quote = action._connection._shell.quote
    job = f"head -c {len(RUNNING)} {quote(results)} 2>/dev/null; echo; " if results else ""
    answer = ask(action, f"cat {quote(status)} 2>/dev/null; echo; echo {MARK}; {job}echo {END}")
    text, _mark, rest = answer.partition(MARK)
    head = rest.partition(END)[0].strip()
    return Look(kind.parse(text.strip()), "missing" if not head else "running" if head == RUNNING else "finished")


def reconnect(action: Any) -> None:
    """Drop the connection; a master process of ssh whose connection died would block every further try."""
    try:
        with within(QUICK):
            action._connection.reset()
    except (TooSlow, AnsibleError, AttributeError, OSError):
        return


def lives(action: Any, process: int) -> bool:
    """Whether there is a process of this number. :raises Lost: no answer."""
    return f"{END}0" in ask(action, f"test -d /proc/{process}; echo {END}$?")


def ask(action: Any, command: str, *, privileged: bool = True) -> str:
    """The answer to one cheap command, which has to say END. :raises Lost: none came, or none from this command."""
    with questioning(QUICK):
        answer = action._low_level_execute_command(command, sudoable=privileged)
    if END not in answer["stdout"]:
        raise Lost(clean(answer["stderr"] or answer["stdout"])[:200])
    return str(answer["stdout"])


@contextlib.contextmanager
def questioning(seconds: float) -> Iterator[None]:
    """Ask the host something, for so many seconds at most. :raises Lost: no answer."""
    try:
        with within(seconds):
            yield
    except TooSlow as error:
        raise Lost(f"No answer within {seconds:g} s.") from error
    except AnsibleError as error:
        raise Lost(clean(error).removeprefix("Failed to connect to the host via ssh: ")[:200]) from error


def as_of_the_module(found: Mapping[str, Any]) -> dict[str, Any]:
    """A job's result as the module gave it, without what async_wrapper and async_status add.

    :raises Died: the module gave none.
    """
    result = {key: value for key, value in found.items() if key not in ("ansible_job_id", "started", "finished")}
    if result.get("msg") == "could not find job":
        raise Died("its result file is gone")
    if not {"cmd", "data"} <= set(result) or not result.get("failed"):
        for key in ("stderr", "stderr_lines"):
            result.pop(key, None)
        return result
    errors = str(result.get("stderr") or "").strip()
    if "Traceback" not in errors:
        raise Died(f"it ended without a result{f' ({clean(errors)[-200:]})' if errors else ', as when it is killed'}")
    return {
        "failed": True,
        "changed": False,
        "msg": "The module ended with an error of its own, which is a bug.",
        "failure": {"kind": "internal"},
        "module_stderr": errors,
    }
