# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of systemd that run the command of a stack: which there are, and putting them in place."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import replace_symlink, write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.unit_names import probation_unit

DIRECTORY = Path("/etc/systemd/system")
MODE = 0o644
HEADER = "# Written by drydock.serving for the stack {name}; changes made here are replaced by the next run.\n"

# Its condition has it end at once where nothing is on probation, as after most reboots.
PROBATION = """\
[Unit]
Description=Watches a release of the stack {name} that is on probation
After=docker.service nginx.service
ConditionPathExists={root}/state/probation.json
StartLimitIntervalSec=300
StartLimitBurst=60

[Service]
Type=exec
ExecStart="{command}" probation
Restart=on-failure
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class UnitFile:
    """One unit. ``wanted_by`` is the target that starts it at boot."""

    name: str
    text: str
    wanted_by: str = "multi-user.target"


def units(name: str, *, root: str, command: str) -> tuple[UnitFile, ...]:
    """Every unit of a stack."""
    values = {"name": name, "root": root.replace("%", "%%"), "command": command.replace("%", "%%")}
    header = HEADER.format(name=name)
    return (UnitFile(name=probation_unit(name), text=header + PROBATION.format(**values)),)


@dataclass(frozen=True)
class Difference:
    """A unit that is not as it shall be. ``after`` is None where it shall not be."""

    unit: UnitFile
    path: Path
    before: str | None
    after: str | None

    def diff(self) -> dict[str, str]:
        return {
            "before_header": str(self.path),
            "after_header": str(self.path),
            "before": self.before or "",
            "after": self.after or "",
        }


def differences(name: str, wanted: Sequence[UnitFile], *, present: bool, directory: Path) -> list[Difference]:
    """What has to be done; nothing on a host without systemd.

    :raises DrydockError: ``unit_foreign``.
    """
    if not directory.is_dir():
        return []
    found = []
    for unit in wanted:
        path = directory / unit.name
        before = _read(path)
        if before is not None and not before.startswith(HEADER.format(name=name)):
            raise DrydockError(
                "unit_foreign",
                f"{path} is there and was not written by this collection. Nothing was touched. Move it away or rename "
                "the stack, then run again.",
                path=str(path),
            )
        after = unit.text if present else None
        if before != after or (present and not _link(directory, unit).is_symlink()):
            found.append(Difference(unit=unit, path=path, before=before, after=after))
    return found


def apply(found: Sequence[Difference], runner: Runner, *, directory: Path) -> None:
    """Write or remove them and have systemd read them. What runs goes on.

    :raises OSError: the host refuses.
    """
    for item in found:
        link = _link(directory, item.unit)
        if item.after is None:
            link.unlink(missing_ok=True)
            item.path.unlink(missing_ok=True)
            continue
        write_atomic(item.path, item.after.encode("utf-8"), mode=MODE)
        link.parent.mkdir(mode=0o755, exist_ok=True)
        replace_symlink(link, str(item.path))
    if found:
        runner.run(["systemctl", "daemon-reload"])  # without systemd running, the next boot reads them


def _link(directory: Path, unit: UnitFile) -> Path:
    return directory / f"{unit.wanted_by}.wants" / unit.name


def _read(path: Path) -> str | None:
    with contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8", errors="replace")
    return None
