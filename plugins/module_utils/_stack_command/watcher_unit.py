# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit of systemd that watches a release on probation. It is enabled, and begins only where one is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import replace_symlink, write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import read_file
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.unit_names import probation_unit

DIRECTORY = Path("/etc/systemd/system")
MODE = 0o644
MARK = "# drydock.serving: the watcher of a stack; changes made here are undone by the next run.\n"
TEXT = """\
{mark}[Unit]
Description=Watches a release of the stack {name} that is on probation
After=docker.service nginx.service {name}.service
ConditionPathExists={root}/state/probation.json
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart="{command}" probation
Restart=on-failure
RestartSec=2

[Install]
WantedBy=multi-user.target
"""


def watcher_text(name: str, *, root: Path, command: Path) -> bytes:
    """The unit's file."""
    places = {key: str(path).replace("%", "%%") for key, path in (("root", root), ("command", command))}
    return TEXT.format(mark=MARK, name=name, **places).encode()


@dataclass(frozen=True)
class WatcherPlan:
    """What is there and what shall be. ``content`` is None where nothing shall be."""

    path: Path
    link: Path
    before: bytes | None
    content: bytes | None

    @property
    def changed(self) -> bool:
        return self.before != self.content or self.link.is_symlink() != (self.content is not None)

    def diff(self) -> dict[str, str]:
        return {
            "before_header": str(self.path),
            "after_header": str(self.path),
            "before": (self.before or b"").decode("utf-8", "replace"),
            "after": (self.content or b"").decode("utf-8", "replace"),
        }


def plan_watcher(name: str, content: bytes | None, *, directory: Path = DIRECTORY) -> WatcherPlan:
    """Look what is there.

    :param content: the file; None to have it removed.
    :raises DrydockError: ``unit_foreign``, ``symlink``, ``not_a_file``.
    """
    path = directory / probation_unit(name)
    state = read_file(str(path))
    before = None if state is None else state.content
    if before is not None and not before.startswith(MARK.encode()):
        raise DrydockError(
            "unit_foreign",
            f"{path} is there and was not written by this collection. Nothing was changed. Move it away or rename the "
            "stack, then run again.",
            path=str(path),
        )
    link = directory / "multi-user.target.wants" / path.name
    return WatcherPlan(path=path, link=link, before=before, content=content)


def execute_watcher(plan: WatcherPlan, runner: Runner) -> None:
    """Write and enable it, or remove it. One that watches goes on.

    :raises DrydockError: ``timed_out``.
    :raises OSError: the host refuses.
    """
    if plan.content is None:
        plan.link.unlink(missing_ok=True)
        plan.path.unlink(missing_ok=True)
    else:
        write_atomic(plan.path, plan.content, mode=MODE)
        plan.link.parent.mkdir(mode=0o755, exist_ok=True)
        replace_symlink(plan.link, str(plan.path))
    runner.run(["systemctl", "daemon-reload"])
