# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd unit: written once, enabled, started, and never in the place of another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.units import (
    UnitPlan,
    execute_unit,
    plan_unit,
    unit_text,
)

TEXT = unit_text("ocr", root=Path("/opt/ocr"), secrets=Path("/etc/ocr/secrets"), command=Path("/usr/local/bin/ocr"))


class Systemd:
    """What systemd knows of the unit."""

    def __init__(self) -> None:
        self.enabled = False
        self.active = False
        self.starts = True
        self.refuses = ""
        self.orders: list[str] = []

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        del timeout
        verb = argv[1]
        if verb in ("is-enabled", "is-active"):
            return Completed(tuple(argv), 0 if (self.enabled if verb == "is-enabled" else self.active) else 1)
        self.orders.append(verb)
        if verb == self.refuses:
            return Completed(tuple(argv), 1, err="Access denied")
        if verb == "start":
            self.active = self.starts
            return Completed(tuple(argv), 0 if self.starts else 1, err="Job for ocr.service failed")
        if verb in ("enable", "disable"):
            self.enabled = verb == "enable"
        return Completed(tuple(argv), 0)


@pytest.fixture
def systemd() -> Systemd:
    return Systemd()


def plan(systemd: Systemd, folder: Path, content: bytes | None = TEXT, *searched: Path) -> UnitPlan:
    return plan_unit("ocr", content, systemd, folder=folder, searched=[str(place) for place in searched])


def test_it_is_written_enabled_and_started_once(systemd: Systemd, tmp_path: Path) -> None:
    first = plan(systemd, tmp_path)
    assert first.changed
    assert execute_unit(first, systemd) is None
    assert systemd.orders == ["daemon-reload", "enable", "start"]
    assert (tmp_path / "ocr.service").read_bytes() == TEXT
    assert not plan(systemd, tmp_path).changed


def test_one_that_was_stopped_or_disabled_is_brought_back(systemd: Systemd, tmp_path: Path) -> None:
    execute_unit(plan(systemd, tmp_path), systemd)
    systemd.enabled = systemd.active = False
    again = plan(systemd, tmp_path)
    assert (again.changed, again.written) == (True, False)
    assert "# not enabled, not started" in again.diff()["before"]
    systemd.orders.clear()
    execute_unit(again, systemd)
    assert systemd.orders == ["enable", "start"]


def test_an_older_one_is_replaced_without_stopping_the_stack(systemd: Systemd, tmp_path: Path) -> None:
    execute_unit(plan(systemd, tmp_path), systemd)
    systemd.orders.clear()
    execute_unit(plan(systemd, tmp_path, TEXT + b"# newer\n"), systemd)
    assert systemd.orders == ["daemon-reload"]


def test_a_stack_that_does_not_come_up_is_told_and_no_error(systemd: Systemd, tmp_path: Path) -> None:
    systemd.starts = False
    assert execute_unit(plan(systemd, tmp_path), systemd) == "Job for ocr.service failed"


def test_it_is_removed_and_the_stack_runs_on(systemd: Systemd, tmp_path: Path) -> None:
    execute_unit(plan(systemd, tmp_path), systemd)
    systemd.orders.clear()
    gone = plan(systemd, tmp_path, None)
    assert (gone.changed, gone.diff()["after"]) == (True, "")
    execute_unit(gone, systemd)
    assert systemd.orders == ["disable", "daemon-reload"]
    assert not (tmp_path / "ocr.service").exists()
    assert not plan(systemd, tmp_path, None).changed


def test_a_unit_of_somebody_else_is_neither_replaced_nor_hidden_nor_removed(systemd: Systemd, tmp_path: Path) -> None:
    folder, vendor = tmp_path / "etc", tmp_path / "lib"
    folder.mkdir()
    vendor.mkdir()
    (vendor / "ocr.service").write_text("[Unit]\n")
    with pytest.raises(DrydockError) as caught:
        plan(systemd, folder, TEXT, vendor)
    assert (caught.value.kind, caught.value.details["path"]) == ("unit_foreign", str(vendor / "ocr.service"))
    assert not plan(systemd, folder, None, vendor).changed
    (folder / "ocr.service").write_text("[Unit]\n")
    for content in (TEXT, None):
        with pytest.raises(DrydockError, match="did not write"):
            plan(systemd, folder, content)


def test_a_systemd_that_refuses_is_told(systemd: Systemd, tmp_path: Path) -> None:
    systemd.refuses = "enable"
    with pytest.raises(DrydockError, match=r"systemctl enable ocr\.service` failed: Access denied") as caught:
        execute_unit(plan(systemd, tmp_path), systemd)
    assert caught.value.kind == "systemd_failed"


def test_it_waits_for_the_engine_and_is_not_ended_with_it() -> None:
    lines = TEXT.decode().splitlines()
    assert "Wants=docker.service network-online.target" in lines
    assert "After=docker.service network-online.target nginx.service" in lines
    assert not [line for line in lines if line.startswith(("Requires=", "BindsTo=", "PartOf="))]
    assert "ExecStart=/usr/local/bin/ocr start" in lines
    assert "ExecStop=/usr/local/bin/ocr stop" in lines


def test_a_path_with_signs_that_mean_something_to_systemd_is_quoted() -> None:
    text = unit_text("ocr", root=Path("/srv/a b"), secrets=Path("/s/50%"), command=Path("/bin/ocr")).decode()
    assert 'RequiresMountsFor="/srv/a b/data" "/s/50%%"' in text
