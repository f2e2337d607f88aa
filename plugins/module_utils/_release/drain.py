# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that is replaced ends when its last request is answered, or when its time is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine

INTERVAL = 0.2
QUIET = 3  # looks in a row without a connection: a request may just be on its way from nginx
STOP_EXTRA = 30.0
ESTABLISHED = "01"


@dataclass(frozen=True)
class Retired:
    """A container that no longer serves, with what its release said about its end."""

    name: str
    port: int | None = None  # inside the container
    timeout: float = 0.0
    command: tuple[str, ...] = ()
    grace: float = 30.0  # seconds that it has between the stop signal and the kill


def entry(unit: Unit) -> dict[str, Any]:
    """What a record says about a unit's end. Clients of a component are not waited for: they hold on to it."""
    port = unit.port if unit.part != BASE else None
    drain = {
        "port": port,
        "timeout": unit.drain.timeout,
        "command": list(unit.drain.command),
        "grace": unit.grace,
    }
    return {"name": unit.container, "drain": drain}


def retired_from(item: Mapping[str, Any]) -> Retired:
    """From a container's entry in the record of its release."""
    drain = item.get("drain") or {}
    return Retired(
        name=item["name"],
        port=drain.get("port"),
        timeout=float(drain.get("timeout") or 0.0),
        command=tuple(drain.get("command") or ()),
        grace=float(drain.get("grace") or 30.0),
    )


def connections(table: str, port: int) -> int:
    """Established connections to a port, from a table such as ``/proc/net/tcp``."""
    wanted = f":{port:04X}"
    rows = [line.split() for line in table.splitlines()[1:]]
    return sum(1 for row in rows if len(row) > 3 and row[1].endswith(wanted) and row[3] == ESTABLISHED)


def waits_for(left: Iterable[Retired], connected: int, workers: int, seconds: float) -> str:
    """What draining waits for, in words."""
    items = list(left)
    names = ", ".join(sorted(item.name for item in items))
    old = f", old processes of nginx: {workers}" if workers else ""
    limit = max(item.timeout for item in items)
    return f"{names}: connections left: {connected}{old}, {seconds:.0f} s of {limit:g} s"


class Drainer:
    """Watches containers from the host: the kernel's table of their own network, no program inside them."""

    def __init__(
        self,
        engine: Engine,
        old_workers: Callable[[], int],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        proc: Path = Path("/proc"),
        tell: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._engine = engine
        self._old_workers = old_workers
        self._clock = clock
        self._sleep = sleep
        self._proc = proc
        self._tell = tell
        self._processes: dict[str, int] = {}

    def drain(self, containers: Iterable[Retired]) -> list[str]:
        """Wait until they are idle; names of those that still had connections when their time was over."""
        begun = self._clock()
        left = {item.name: item for item in containers}
        for item in left.values():
            self._announce(item)
        left = {name: item for name, item in left.items() if item.port is not None}
        quiet = dict.fromkeys(left, 0)
        late = []
        while left:
            workers, connected = self._old_workers(), 0
            for name, item in list(left.items()):
                own = self._open(item)
                connected += own
                quiet[name] = 0 if workers or own else quiet[name] + 1
                if quiet[name] >= QUIET:
                    del left[name]
                elif self._clock() - begun >= item.timeout:
                    del left[name]
                    late += [name] if own else []  # nginx may be held up by what is connected to another service
            if left:
                self._tell(waits_for(left.values(), connected, workers, self._clock() - begun))
                self._sleep(INTERVAL)
        return sorted(late)

    def stop(self, containers: Iterable[Retired]) -> None:
        """Stop them with their grace period and remove them."""
        found = list(containers)
        if found:
            grace = max(item.grace for item in found)
            self._tell(f"ends {', '.join(sorted(item.name for item in found))}, within {grace:g} s")
            self._engine.stop([item.name for item in found], timeout=grace + STOP_EXTRA)
            self._engine.remove([item.name for item in found])

    def _announce(self, item: Retired) -> None:
        """Run the container's own command for its end; one that fails does not keep it alive."""
        if item.command:
            try:
                self._engine.execute(item.name, item.command, timeout=max(item.timeout, 1.0))
            except DrydockError:
                return

    def _process(self, name: str) -> int:
        """The engine is asked once, as it may restart meanwhile."""
        known = self._processes.get(name)
        if not known or not (self._proc / str(known)).exists():
            known = self._processes[name] = self._engine.process(name)
        return known

    def _open(self, item: Retired) -> int:
        try:
            process = self._process(item.name)
        except DrydockError as error:
            if error.kind != "engine_unreachable":
                raise
            return 1  # its container may run on without the engine, and with whoever is connected to it
        if not process or item.port is None:
            return 0
        total = 0
        for table in ("tcp", "tcp6"):
            try:
                text = (self._proc / str(process) / "net" / table).read_text(encoding="ascii")
            except OSError:
                continue
            total += connections(text, item.port)
        return total
