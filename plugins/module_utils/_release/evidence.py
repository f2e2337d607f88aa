# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a release that failed: enough to find the cause, and no secret in it."""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.bundle import Bundle
from ansible_collections.drydock.serving.plugins.module_utils._release.cause import Ending, ending
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.events import Event, events_of
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.redact import REDACTED, Redactor
from ansible_collections.drydock.serving.plugins.module_utils._release.summary import NAME, summary, timeline

__all__ = ["REDACTED", "Collector", "Redactor", "Scene"]

FAILURE = "failure.json"
LOG_LINES = 300
HEADLINE = "The last lines of their logs:"
NGINX_LINES = 64 * 1024  # bytes
TALKATIVE = 4 * 1024 * 1024  # characters of a log that are looked at
MIB = 1024 * 1024
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Scene:
    """A release that failed, as its run knows it.

    :param suspects: the units that the failure is about.
    :param started: when the run began, in UTC.
    :param failure: what ``failure.json`` begins with.
    :param durations: seconds by step.
    :param timeline: what the health targets said, see ``Report.timeline``.
    :param papers: what a step itself has kept, by the names of the files: texts, or whole answers in bytes.
    :param edge: nginx had a part in it.
    """

    desired: Desired
    suspects: Sequence[str]
    started: str
    failure: Mapping[str, Any]
    durations: Mapping[str, float] = field(default_factory=dict)
    timeline: Sequence[Mapping[str, Any]] = ()
    papers: Mapping[str, bytes | str] = field(default_factory=dict)
    edge: bool = False


class Collector:
    """Collects the evidence of one failure, each part as far as it can be had.

    Nothing here may stop the way back: a part that fails is named in ``missing``, and an engine that hangs is asked no
    more.
    """

    def __init__(self, folder: Path, scene: Scene, host: Host, redactor: Redactor) -> None:
        self.folder = folder
        self.missing: list[str] = []
        self.endings: list[Ending] = []
        self._scene = scene
        self._host = host
        self._redactor = redactor
        self._bundle: Bundle | None = None
        self._silent = False
        self._events: list[Event] = []
        self._inspections: dict[str, Mapping[str, Any]] = {}  # by unit
        self._logs: dict[str, str] = {}

    def collect(self) -> None:
        """Write the bundle. The failure itself first, then again when its cause is known."""
        self._try("the directory", self._open, engine=False)
        if self._bundle is None:
            return
        self._try(FAILURE, self._failure, engine=False)
        self._try("timeline.txt", self._timeline, engine=False)
        for name, content in sorted(self._scene.papers.items()):
            self._try(name, functools.partial(self._paper, name, content), engine=False)
        self._try("inspect.json", self._inspect)
        self._try("containers.txt", self._containers)
        for unit in self._scene.desired.units:
            if unit.name in self._inspections:
                self._try(f"{unit.name}.log", functools.partial(self._log, unit.name, unit.container))
        self._try("events.txt", self._happened)
        self._find_causes()
        self._try(FAILURE, self._failure, engine=False)
        self._try("host.txt", self._machine)
        if self._scene.edge:
            self._try("nginx-error.log", self._nginx, engine=False)
        self.conclude(None)

    def conclude(self, serves: str | None) -> None:
        """Write the summary; once more when it is known what serves."""
        if self._bundle is not None:
            self._try(NAME, functools.partial(self._summary, serves), engine=False)

    def last_words(self, lines: int) -> list[str]:
        """What the units that the failure is about have logged last; often that is the cause."""
        logs = [self._logs.get(name, "").splitlines()[-lines:] for name in dict.fromkeys(self._scene.suspects)]
        said = [f"  {line}" for log in logs for line in log]
        return [HEADLINE, *said] if said else []

    @property
    def causes(self) -> list[str]:
        """Why containers ended, a sentence for each."""
        return [item.said for item in self.endings]

    @property
    def _at(self) -> Bundle:
        if self._bundle is None:  # collect() ends before
            raise RuntimeError("Evidence is put away where there is no place for it.")
        return self._bundle

    def _try(self, what: str, do: Callable[[], None], *, engine: bool = True) -> None:
        if engine and self._silent:
            self.missing.append(what)
            return
        try:
            do()
        except (OSError, DrydockError, ValueError) as error:
            self.missing.append(f"{what}: {self._redactor.text(str(error))}")
            self._silent = self._silent or isinstance(error, DrydockError)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._bundle = Bundle(self.folder, self._redactor)

    def _failure(self) -> None:
        message = "\n".join([*self.causes, str(self._scene.failure["message"])])
        causes = [item.as_dict() for item in self.endings]
        told = {"durations": self._scene.durations, "timeline": self._scene.timeline, "causes": causes}
        self._at.data(FAILURE, {**self._scene.failure, **told, "message": message})

    def _timeline(self) -> None:
        step = str(self._scene.failure["step"])
        self._at.text("timeline.txt", timeline(self._scene.durations, self._scene.timeline, step=step))

    def _paper(self, name: str, content: bytes | str) -> None:
        """A log ends with what matters, an answer begins with it."""
        if isinstance(content, str):
            self._at.text(name, _TERMINAL.sub("", content))
        else:
            self._at.answer(name, content)

    def _inspect(self) -> None:
        for unit in self._scene.desired.units:
            found = self._host.engine.inspect(unit.container)
            if found is not None:
                self._inspections[unit.name] = found
        self._at.data("inspect.json", [self._redactor.inspection(item) for item in self._inspections.values()])

    def _containers(self) -> None:
        live = self._host.engine.present(self._scene.desired.name)
        self._at.text("containers.txt", "\n".join(f"{item.name}  {item.status}  {item.state}" for item in live))

    def _log(self, name: str, container: str) -> None:
        text = self._host.engine.logs(container, lines=LOG_LINES)[-TALKATIVE:]
        self._logs[name] = self._redactor.text(_TERMINAL.sub("", text)).strip()  # without the terminal's codes
        self._at.text(f"{name}.log", self._logs[name])

    def _happened(self) -> None:
        stack, now = self._scene.desired.name, self._host.now()
        self._events = events_of(self._host.runner, stack, since=self._scene.started, until=now)
        self._at.text("events.txt", "\n".join(event.said for event in self._events))

    def _find_causes(self) -> None:
        found = [
            ending(name, self._inspections[name], self._events, log=self._logs.get(name, ""))
            for name in dict.fromkeys(self._scene.suspects)
            if name in self._inspections
        ]
        self.endings = [item for item in found if item is not None]

    def _machine(self) -> None:
        places = {"the stack": self._scene.desired.layout.root, "images": Path(self._host.engine.data_root())}
        lines = [_disk(what, path) for what, path in places.items()]
        kept = ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")
        try:
            table = (self._host.proc / "meminfo").read_text(encoding="ascii").splitlines()
            lines += [line for line in table if line.partition(":")[0] in kept]
            lines.append(f"load: {(self._host.proc / 'loadavg').read_text(encoding='ascii').strip()}")
        except FileNotFoundError:
            lines.append("memory and load are not known")
        self._at.text("host.txt", "\n".join(lines))

    def _nginx(self) -> None:
        self._at.text("nginx-error.log", _tail(self._host.nginx_log, NGINX_LINES))

    def _summary(self, serves: str | None) -> None:
        suspects = [unit.container for unit in self._scene.desired.units if unit.name in self._scene.suspects]
        message = "\n".join([*self.causes, str(self._scene.failure["message"])])
        text = summary(
            stack=self._scene.desired.name,
            failure={**self._scene.failure, "message": message},
            names=self._at.names,
            containers=suspects,
            missing=list(dict.fromkeys(self.missing)),
            serves=serves,
        )
        self._at.text(NAME, text)


def _disk(what: str, path: Path) -> str:
    place = path
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    return f"disk of {what}, {path}: {usage.free // MIB} MiB free of {usage.total // MIB} MiB"


def _tail(path: Path, size: int) -> str:
    """The end of a log; nothing where there is none."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - size))
            return stream.read(size).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
