# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge is closed and opened: what nginx goes by, what releases make of it, and a run that dies in between."""

from __future__ import annotations

import json

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import (
    MAINTENANCE,
    OPEN,
    STOPPED,
    Closed,
    Gate,
    read_note,
    unsettled,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.world import World

CLOSED = Closed(cause=MAINTENANCE, since="2026-11-21T04:15:00Z", by="op@host", reason="new disk", retry_after=600)
STOP = Closed(cause=STOPPED, since="2026-11-21T05:00:00Z", by="systemd", retry_after=30)


def layout(world: World) -> Layout:
    return world.desired(world.stack).layout


def gate(world: World) -> Gate:
    return world.host().gate(layout(world))


@pytest.fixture(name="serving")
def _serving(world: World) -> World:
    """Something serves, behind nginx."""
    world.with_edge()
    world.release()
    return world


def test_what_nginx_includes_has_the_number_and_no_word_of_a_person(serving: World) -> None:
    assert gate(serving).close(CLOSED)
    text = layout(serving).gate.read_text()
    assert "set $drydock_retry_after 600;" in text
    assert "new disk" not in text
    assert serving.docker.nginx is not None
    assert serving.docker.nginx.closed


def test_it_is_opened_again_and_nothing_is_left_of_it(serving: World) -> None:
    gate(serving).close(CLOSED)
    gate(serving).open(MAINTENANCE)
    assert serving.docker.nginx is not None
    assert not serving.docker.nginx.closed
    assert not layout(serving).gate_note.exists()
    assert not unsettled(layout(serving))


def test_two_causes_keep_it_closed_until_both_are_over_and_maintenance_is_what_clients_are_told(serving: World) -> None:
    nginx = serving.docker.nginx
    assert nginx is not None
    gate(serving).close(STOP)
    assert "set $drydock_retry_after 30;" in nginx.gate_loaded
    gate(serving).close(CLOSED)
    assert "set $drydock_retry_after 600;" in nginx.gate_loaded
    gate(serving).open(MAINTENANCE)
    assert "set $drydock_retry_after 30;" in nginx.gate_loaded
    gate(serving).open(STOPPED)
    assert not nginx.closed


def test_a_release_leaves_maintenance_on_and_says_so(serving: World) -> None:
    gate(serving).close(CLOSED)
    assert not serving.release(check=True)["changed"]  # it is no difference
    assert serving.result["maintenance"] == {
        "since": "2026-11-21T04:15:00Z",
        "by": "op@host",
        "reason": "new disk",
        "retry_after": 600,
    }
    assert "`demo maintenance off`" in serving.result["warnings"][0]
    serving.release(serving.with_api(image="api:2"))
    assert serving.colours() == {"api": "green"}
    assert serving.docker.nginx is not None
    assert serving.docker.nginx.closed
    assert "new disk" in serving.result["warnings"][0]


def test_an_edge_that_was_closed_for_a_stop_is_opened_by_a_run(serving: World) -> None:
    gate(serving).close(STOP)
    assert serving.release(check=True)["actions"] == ["open the edge, which was closed when the stack was stopped"]
    assert serving.release()["changed"]
    assert serving.docker.nginx is not None
    assert not serving.docker.nginx.closed
    assert not serving.release()["changed"]


def test_a_file_that_was_edited_is_put_right_by_a_run(serving: World) -> None:
    gate(serving).close(CLOSED)
    layout(serving).gate.write_text("")
    assert serving.release(check=True)["actions"] == ["have the edge closed, as it was asked for"]
    assert serving.release()["changed"]
    assert "set $drydock_retry_after 600;" in layout(serving).gate.read_text()
    assert not serving.release()["changed"]


@pytest.mark.parametrize("how", ["broken", "refuses_reload"])
def test_an_nginx_that_refuses_leaves_all_as_it_was(serving: World, how: str) -> None:
    setattr(serving.docker.nginx, how, True)
    with pytest.raises(DrydockError):
        gate(serving).close(CLOSED)
    assert layout(serving).gate.read_bytes() == OPEN
    assert read_note(layout(serving)).causes == {}
    assert not unsettled(layout(serving))
    setattr(serving.docker.nginx, how, False)
    gate(serving).close(CLOSED)
    setattr(serving.docker.nginx, how, True)
    with pytest.raises(DrydockError):
        gate(serving).open(MAINTENANCE)
    assert gate(serving).closed(MAINTENANCE) == CLOSED
    assert not unsettled(layout(serving))


def test_where_nginx_does_not_read_the_file_that_is_told(serving: World) -> None:
    assert serving.docker.nginx is not None
    serving.docker.nginx.reads_gate = False
    assert not gate(serving).close(CLOSED)


def test_a_note_that_cannot_be_read_opens_the_edge(serving: World) -> None:
    gate(serving).close(CLOSED)
    layout(serving).gate_note.write_text('{"schema": 1, "maint')
    assert unsettled(layout(serving))
    serving.release()
    assert serving.docker.nginx is not None
    assert not serving.docker.nginx.closed
    assert not unsettled(layout(serving))


def test_a_note_of_a_newer_version_is_refused(serving: World) -> None:
    gate(serving).close(CLOSED)
    note = json.loads(layout(serving).gate_note.read_text())
    layout(serving).gate_note.write_text(json.dumps({**note, "schema": 9}))
    assert serving.failing().kind == "state_unreadable"


@pytest.fixture(name="countdown")
def _countdown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Dies instead of giving a file its name, when so many have got theirs."""
    left = [1000]
    real = _atomic.stage

    def dying(*arguments: object, **options: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return real(*arguments, **options)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(_atomic, "stage", dying)
    return left


@pytest.mark.parametrize("closing", [True, False])
def test_whenever_it_dies_the_next_run_brings_the_edge_to_what_the_note_says(
    serving: World, countdown: list[int], closing: bool
) -> None:
    nginx = serving.docker.nginx
    assert nginx is not None
    deaths = 0
    while True:
        countdown[0] = 1000
        gate(serving).open(MAINTENANCE) if closing else gate(serving).close(CLOSED)
        if deaths % 2:
            countdown[0] = deaths // 2  # at a file
        else:
            serving.docker.die_at = len(serving.docker.calls) + deaths // 2  # at a program
        try:
            gate(serving).close(CLOSED) if closing else gate(serving).open(MAINTENANCE)
        except KilledError:
            deaths += 1
        else:
            break
        finally:
            serving.docker.die_at = None
            countdown[0] = 1000
        serving.release()
        assert nginx.closed is (gate(serving).closed(MAINTENANCE) is not None)
        assert not unsettled(layout(serving))
        assert not serving.release()["changed"]
    assert deaths > 4
