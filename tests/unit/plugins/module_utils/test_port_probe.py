# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports that answer, ports that do not, and what is said of the wrong ones."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._port_probe import (
    CLOSED,
    FILTERED,
    OPEN,
    connect,
    probe_ports,
    sentences,
)


def scripted(host: str, port: int, timeout: float) -> str:
    return {80: OPEN, 5432: OPEN, 6379: CLOSED, 2375: FILTERED}.get(port, CLOSED)


def test_open_closed_and_filtered_are_judged_by_what_is_expected() -> None:
    answers = probe_ports("h", expect_open=[80, 443], expect_closed=[5432, 6379, 2375], timeout=1, attempt=scripted)
    assert [(answer.port, answer.ok) for answer in answers] == [
        (80, True),
        (443, False),
        (2375, True),
        (5432, False),
        (6379, True),
    ]


def test_a_port_in_both_lists_has_to_be_open() -> None:
    (answer,) = probe_ports("h", expect_open=[80], expect_closed=[80], timeout=1, attempt=scripted)
    assert answer.expected == OPEN


def test_each_wrong_port_gets_a_sentence_that_says_what_to_look_at() -> None:
    answers = probe_ports("192.0.2.1", expect_open=[443], expect_closed=[5432], timeout=1, attempt=scripted)
    down, leak = sentences("192.0.2.1", answers)
    assert "port 443 is closed, expected open" in down
    assert "port 5432 is open, expected closed" in leak


def test_no_ports_are_no_answers() -> None:
    assert probe_ports("h", expect_open=[], expect_closed=[], timeout=1, attempt=scripted) == []


def test_a_listening_socket_is_open_and_a_free_port_closed() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert connect("127.0.0.1", port, 2) == OPEN
    assert connect("127.0.0.1", port, 2) == CLOSED


def test_a_name_that_nothing_answers_to_is_no_proof_of_a_closed_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    with pytest.raises(DrydockError, match="not an address") as failure:
        probe_ports("tpyo.example.org", expect_open=[], expect_closed=[5432], timeout=1)
    assert failure.value.kind == "unknown_host"


@pytest.mark.parametrize(("port", "timeout"), [(0, 1.0), (70000, 1.0), (5432, 0.0), (5432, -1.0)])
def test_what_could_only_seem_closed_is_refused(port: int, timeout: float) -> None:
    with pytest.raises(DrydockError) as failure:
        probe_ports("h", expect_open=[], expect_closed=[port], timeout=timeout, attempt=scripted)
    assert failure.value.kind == "invalid_arguments"
