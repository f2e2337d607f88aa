# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine is asked, and what its answers mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed


class Says:
    """An engine that gives one answer, and remembers what it was asked."""

    def __init__(self, out: str, *, code: int = 0) -> None:
        self._out, self._code = out, code
        self.asked: list[list[str]] = []

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.asked.append(list(argv))
        return Completed(tuple(argv), self._code, self._out)


@pytest.mark.parametrize(
    ("out", "there", "expected"),
    [
        ('/srv/docker\t[["Backing Filesystem","extfs"]]\n', True, "/srv/docker"),
        ('/srv/docker\t[["driver-type","io.containerd.snapshotter.v1"]]\n', True, "containerd"),
        ('/srv/docker\t[["driver-type","io.containerd.snapshotter.v1"]]\n', False, "/srv/docker"),
        ("", True, "/var/lib/docker"),
    ],
)
def test_room_for_images_is_looked_for_where_the_engine_s_store_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, there: bool, expected: str
) -> None:
    store = tmp_path / "containerd"
    if there:
        store.mkdir()
    monkeypatch.setattr(engines, "CONTAINERD_ROOT", str(store))
    found = Engine(Says(out)).data_root()
    assert found == (str(store) if expected == "containerd" else expected)


@pytest.mark.parametrize(("out", "code"), [("{", 0), ("[]", 0), ("", 1)])
def test_what_is_no_manifest_tells_nothing_of_an_image(out: str, code: int) -> None:
    assert Engine(Says(out, code=code)).manifest("api:1") is None


@pytest.mark.parametrize(
    ("reference", "plain"), [("127.0.0.1:5000/api:1", True), ("registry.example.org/api:1", False), ("redis:8", False)]
)
def test_a_registry_is_asked_without_tls_on_the_loopback_only(reference: str, plain: bool) -> None:
    says = Says("{}")
    Engine(says).manifest(reference, config=Path("/run/login"))
    assert says.asked[0][:3] == ["docker", "--config", "/run/login"]
    assert ("--insecure" in says.asked[0]) is plain


def test_an_engine_that_does_not_say_what_it_runs_refuses_no_image() -> None:
    assert Engine(Says("", code=1)).platform() == ""


def test_an_engine_that_does_not_tell_its_containers_has_every_image_in_use() -> None:
    assert Engine(Says("", code=1)).in_use("api:1")
