# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_poll against scripted servers that speak as PostgreSQL and Redis do while they come up, and worse.

The real ones, which cannot be held in these states, are looked at in tests/lab.
"""

from __future__ import annotations

import re
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.integration.health_targets import health_poll

STARTING = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
ASKS = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"


def error(body: bytes) -> bytes:
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


class Says(socketserver.ThreadingTCPServer):
    """Answers each connection with the next of what it is to say, and the last one from then on."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *answers: bytes, drip: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers, self.drip = list(answers), drip
        self.asked: list[bytes] = []


class Answering(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Says)
        server.asked.append(self.request.recv(1000))
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        try:
            for byte in answer if server.drip else [answer]:
                self.request.sendall(bytes([byte]) if isinstance(byte, int) else byte)
                time.sleep(server.drip)
            self.request.recv(1000)
        except OSError:
            return


@contextmanager
def saying(*answers: bytes, drip: float = 0.0) -> Iterator[Says]:
    with Says(*answers, drip=drip) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def poll(server: Says, kind: str, **options: Any) -> dict[str, Any]:
    return health_poll({"name": "db", "type": kind, "port": server.server_address[1], "timeout": 0.5}, **options)


def test_a_database_that_starts_up_is_waited_for() -> None:
    with saying(error(STARTING), error(STARTING), ASKS) as server:
        result = poll(server, "postgres", timeout=10)
    assert result["targets"][0]["attempts"] == 3
    assert "not ready: the database system is starting up" in result["timeline"][0]["summary"]
    assert result["targets"][0]["last"]["summary"].endswith("up, asks who logs in")
    assert b"user\0postgres\0" in server.asked[0]


def test_a_redis_that_reads_its_data_is_waited_for_and_one_with_a_password_is_up() -> None:
    with saying(
        b"-LOADING Redis is loading the dataset in memory\r\n", b"-NOAUTH Authentication required.\r\n"
    ) as server:
        result = poll(server, "redis", timeout=10)
    assert result["targets"][0]["attempts"] == 2
    assert "loading its data from disk" in result["timeline"][0]["summary"]
    assert result["targets"][0]["last"]["summary"].endswith("up, asks for a password")
    assert server.asked[0] == b"*1\r\n$4\r\nPING\r\n"


@pytest.mark.parametrize("kind", ["postgres", "redis", "grpc"])
def test_an_answer_that_drips_ends_with_the_attempt(kind: str) -> None:
    dripping = {"postgres": b"E\0\0\x10\0" + bytes(100), "redis": b"+" * 100, "grpc": b"\0\x10\0\x04" + bytes(100)}
    with saying(dripping[kind], drip=0.1) as server:
        result = poll(server, kind, timeout=3)
    assert result["targets"][0]["attempts"] >= 2
    within = re.search(r"no answer within (0\.\d+) s", result["msg"])
    assert within, result["msg"]
    assert float(within[1]) <= 0.5, "the last one may be cut short by the end of everything, none may be longer"


@pytest.mark.parametrize("kind", ["postgres", "redis", "grpc"])
def test_a_web_server_is_taken_for_none_of_them(kind: str) -> None:
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        result = poll(server, kind, timeout=1)
    assert "is not" in result["msg"] or "answers in HTTP/1" in result["msg"]
    assert result["failed"]


def test_tls_that_is_wanted_and_not_offered_is_told() -> None:
    with saying(b"N") as server:
        target = {"name": "db", "type": "postgres", "port": server.server_address[1], "tls": True}
        result = health_poll(target, timeout=1)
    assert "does not offer TLS" in result["msg"]
    assert server.asked[0] == b"\0\0\0\x08\x04\xd2\x16\x2f"
