# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd unit of a stack: it brings the stack back after a reboot, and ends it in order before one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import read_file
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner

FOLDER = Path("/etc/systemd/system")
BOOTED = Path("/run/systemd/system")  # is there where systemd is process 1
SEARCHED = ("/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
MODE = 0o644
MARK = "# drydock.serving: the unit of a stack; changes made here are undone by the next run.\n"
START_TIMEOUT = 1800.0  # seconds; the command itself gives each wave of containers its limit
TEXT = """\
{mark}[Unit]
Description=The stack {name}, each container when what it needs is healthy, as the release that serves is recorded
Wants=docker.service network-online.target
After=docker.service network-online.target nginx.service
RequiresMountsFor={data} {secrets}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={command} start
ExecStop={command} stop
TimeoutStartSec=infinity
TimeoutStopSec=15min

[Install]
WantedBy=multi-user.target
"""
# The directory that data lie below may be a disk of its own.
# Wants, not Requires, of the engine: containers survive its restart (live-restore), so the stack is not stopped for it.
# After nginx: at a shutdown the edge still answers while the stack ends.


def unit_text(name: str, *, root: Path, secrets: Path, command: Path) -> bytes:
    """The unit's file."""
    places = {key: _quoted(path) for key, path in (("data", root / "data"), ("secrets", secrets), ("command", command))}
    return TEXT.format(mark=MARK, name=name, **places).encode()


def _quoted(path: Path) -> str:
    text = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return text if text == str(path) and not any(letter.isspace() for letter in text) else f'"{text}"'


@dataclass(frozen=True)
class UnitPlan:
    """What is there and what shall be. ``content`` is None where nothing shall be.

    ``enabled`` and ``active`` tell whether it begins with the host, and whether it has begun.
    """

    name: str
    path: Path
    before: bytes | None
    content: bytes | None
    enabled: bool
    active: bool

    @property
    def written(self) -> bool:
        return self.before != self.content

    @property
    def changed(self) -> bool:
        return self.written or (self.content is not None and not (self.enabled and self.active))

    def diff(self) -> dict[str, str]:
        return {
            "before_header": str(self.path),
            "after_header": str(self.path),
            "before": _told(self.before, enabled=self.enabled, active=self.active),
            "after": _told(self.content, enabled=True, active=True),
        }


def _told(content: bytes | None, *, enabled: bool, active: bool) -> str:
    if content is None:
        return ""
    state = f"{'enabled' if enabled else 'not enabled'}, {'started' if active else 'not started'}"
    return f"{content.decode('utf-8', 'replace')}# {state}\n"


def plan_unit(
    name: str, content: bytes | None, runner: Runner, *, folder: Path = FOLDER, searched: Sequence[str] = SEARCHED
) -> UnitPlan:
    """Look what is there.

    :param content: the file; None to have it removed.
    :param searched: where units of the same name would be hidden by it.
    :raises DrydockError: ``unit_foreign``, ``symlink``, ``not_a_file``.
    """
    unit = f"{name}.service"
    path = folder / unit
    state = read_file(str(path))
    before = None if state is None else state.content
    foreign = [str(path)] if before is not None and not before.startswith(MARK.encode()) else []
    foreign += [str(found) for found in (Path(place, unit) for place in searched) if found.exists()]
    if foreign and (content is not None or before is not None):
        raise DrydockError(
            "unit_foreign",
            f"{foreign[0]} is a unit of the stack's name that this collection did not write. Nothing was changed. "
            "Rename the stack, or do without the unit (stack_unit_enabled: false).",
            path=foreign[0],
        )
    return UnitPlan(
        name=unit,
        path=path,
        before=before,
        content=content,
        enabled=before is not None and runner.run(["systemctl", "is-enabled", "--quiet", unit]).ok,
        active=before is not None and runner.run(["systemctl", "is-active", "--quiet", unit]).ok,
    )


def execute_unit(plan: UnitPlan, runner: Runner) -> str | None:
    """Write and start it, or remove it; containers run on when it is removed. What it said where it could not start.

    :raises DrydockError: ``systemd_failed``, ``timed_out``.
    :raises OSError: the host refuses.
    """
    if plan.content is None:
        if plan.before is not None:
            _systemctl(runner, "disable", plan.name)
            plan.path.unlink(missing_ok=True)
            _systemctl(runner, "daemon-reload")
        return None
    if plan.written:
        write_atomic(plan.path, plan.content, mode=MODE)
        _systemctl(runner, "daemon-reload")
    if not plan.enabled:
        _systemctl(runner, "enable", plan.name)
    if plan.active:
        return None
    done = runner.run(["systemctl", "start", plan.name], timeout=START_TIMEOUT)
    return None if done.ok else done.tail(3)


def _systemctl(runner: Runner, *arguments: str) -> None:
    done = runner.run(["systemctl", *arguments])
    if not done.ok:
        raise DrydockError(
            "systemd_failed",
            f"`systemctl {' '.join(arguments)}` failed: {done.tail(3)}. Look at `journalctl -b -u systemd`, then run "
            "again.",
        )
