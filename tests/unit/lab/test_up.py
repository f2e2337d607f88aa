# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from lab import __main__ as command_line
from lab import hosts, services, ssh, up
from lab.checkout import LABEL, Checkout
from lab.docker import Docker
from lab.errors import LabError


class Engine(Docker):
    """An engine that holds one container, or these images, and notes what it is told."""

    container: dict[str, Any] | None = None
    images: Sequence[dict[str, Any]] = ()
    booted = True
    told: list[tuple[str, ...]] = []

    def __call__(self, *args: str, **_options: Any) -> CompletedProcess[str]:
        self.told.append(args)
        if args[0] == "rm":
            type(self).container = None
        failed = args[0] == "exec" and not self.booted
        return CompletedProcess(args, int(failed), "", "")

    def lines(self, *_args: str) -> list[str]:
        return ["id"]

    def inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        return [self.container] if kind == "container" and self.container else list(self.images)


@pytest.fixture
def engine(monkeypatch: Any) -> Engine:
    for name, value in (("container", None), ("images", ()), ("booted", True), ("told", [])):
        monkeypatch.setattr(Engine, name, value)
    return Engine()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def container(checkout: Checkout, name: str, status: str, **labels: str) -> dict[str, Any]:
    return {
        "Id": "id",
        "Name": f"/{checkout.container(name)}",
        "Config": {"Image": "i", "Labels": {LABEL: checkout.id, f"{LABEL}.name": name, **labels}},
        "State": {"Running": status == "running", "Status": status},
        "NetworkSettings": {"Networks": {}},
    }


def test_a_host_whose_making_was_interrupted_before_it_got_its_keys_is_made_anew(
    checkout: Checkout, engine: Engine, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Engine, "container", container(checkout, "h", "created"))
    monkeypatch.setattr(ssh, "remember_host", lambda *_args: None)
    monkeypatch.setattr(hosts, "host_image", lambda *_args, **_options: pytest.skip("made anew"))
    with pytest.raises(pytest.skip.Exception):
        hosts.host_up(checkout, engine, "h")
    assert ("rm", "--force", "--volumes", checkout.container("h")) in engine.told
    assert not any(args[0] == "start" for args in engine.told)


def test_a_host_that_was_left_while_it_booted_is_waited_for(
    checkout: Checkout, engine: Engine, monkeypatch: Any
) -> None:
    monkeypatch.setattr(Engine, "container", container(checkout, "h", "running"))
    waited = []
    monkeypatch.setattr(hosts, "wait_until_ready", lambda *args: waited.append(args))
    hosts.host_up(checkout, engine, "h")
    assert not waited
    monkeypatch.setattr(Engine, "booted", False)
    hosts.host_up(checkout, engine, "h")
    assert waited


def test_a_service_whose_making_was_interrupted_before_it_got_its_files_is_made_anew(
    checkout: Checkout, engine: Engine, monkeypatch: Any
) -> None:
    made: list[str] = []
    monkeypatch.setattr(services, "service_files", lambda *_args: b"")
    monkeypatch.setattr(services, "services_image", lambda *_args: "image")
    monkeypatch.setattr(services, "wait_until_ready", lambda *_args: None)

    def create(_checkout: Checkout, _docker: Docker, service: services.Service, **options: Any) -> None:
        made.append(options["definition"])
        labels = {f"{LABEL}.definition": options["definition"]}
        monkeypatch.setattr(Engine, "container", container(checkout, service.name, "created", **labels))

    monkeypatch.setattr(services, "create", create)
    services.ensure_service(checkout, engine, services.REGISTRY)
    services.ensure_service(checkout, engine, services.REGISTRY)
    assert len(made) == 2


def test_an_image_that_somebody_built_on_one_of_the_labs_stays(
    checkout: Checkout, engine: Engine, monkeypatch: Any
) -> None:
    names = ["drydock-lab/base:trixie-0123456789ab", "127.0.0.1:32768/ocr:0123456789ab", "team/app:1", "db:5000/x:1"]
    images = [{"Id": f"sha256:{i}", "RepoTags": [name], "Created": str(i)} for i, name in enumerate(names)]
    monkeypatch.setattr(Engine, "images", [*images, {"Id": "sha256:9", "RepoTags": [], "Created": "9"}])
    up.remove_images(checkout, engine)
    assert engine.told == [("rmi", "sha256:9"), ("rmi", names[1]), ("rmi", names[0])]


def test_containers_in_an_engine_that_does_not_answer_are_not_called_gone(checkout: Checkout, monkeypatch: Any) -> None:
    monkeypatch.setattr(Docker, "find", classmethod(lambda _cls: None))
    checkout.path("last-address").write_text("192.0.2.2\n")
    with pytest.raises(LabError, match="Start it"):
        up.down(checkout)
    assert checkout.state_dir.exists()


def test_a_lab_of_another_user_is_one_sentence(checkout: Checkout, monkeypatch: Any, capsys: Any) -> None:
    def refuse(_checkout: Checkout) -> None:
        raise PermissionError(13, "Permission denied", "/srv/drydock/.lab/locks/up")

    monkeypatch.setattr(command_line, "down", refuse)
    assert command_line.main(["down"]) == 1
    assert "Run the command as the user who made the lab" in capsys.readouterr().err
