# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one client of the engine that all attempts share."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health import docker_client
from ansible_collections.drydock.serving.plugins.module_utils._health.docker_client import DockerClient


class Engine:
    """Takes its time for who asks first."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun, self.answers = threading.Event(), threading.Event()

    def from_env(self, *, timeout: float) -> SimpleNamespace:
        self.asked += 1
        number = self.asked
        if number == 1:
            self.begun.set()
            self.answers.wait()
        return SimpleNamespace(api=f"client {number}")


def test_attempts_do_not_wait_in_turn_for_an_engine_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, found = Engine(), list[str]()
    monkeypatch.setattr(docker_client, "load_docker", lambda: engine)
    client = DockerClient()
    first, second = (threading.Thread(target=lambda: found.append(client.api()), daemon=True) for _side in range(2))
    first.start()
    engine.begun.wait()
    second.start()
    second.join(30)
    assert found == ["client 2"]
    engine.answers.set()
    first.join()
    assert found == ["client 2", "client 2"], "and all have the same one in the end"
    assert client.api() == "client 2"
