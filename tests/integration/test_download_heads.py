# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads of answers that do not end, where the transport has something between itself and the server."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._http import (
    HttpSettings,
    SourceError,
    WebTransport,
    parse_source,
)
from ansible_collections.drydock.serving.tests.integration.misbehaving_origin import serving
from ansible_collections.drydock.serving.tests.integration.misbehaving_ranges import RangeHandler
from ansible_collections.drydock.serving.tests.integration.own_authority import own_authority

CONTENT = bytes(range(256)) * 16
STALL = 0.5


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    return own_authority(tmp_path)


def web(authority: Path) -> WebTransport:
    settings = HttpSettings(timeout=STALL, stall_timeout=STALL, ca_path=str(authority), headers={})
    return WebTransport(settings, now=time.time)


def whole(transport: WebTransport, url: str) -> bytes:
    answer = transport.open(parse_source(url), offset=0)
    with contextlib.closing(answer):
        data = b""
        while piece := answer.read(1000):
            data += piece
    return data


def stalled(transport: WebTransport, url: str, *, kinds: tuple[str, ...] = ("stalled",)) -> None:
    with pytest.raises(SourceError) as caught:
        transport.open(parse_source(url), offset=0)
    assert caught.value.kind in kinds
    assert caught.value.retryable


@pytest.mark.parametrize("fault", ["drips-headers", "continues-for-ever"])
def test_a_head_that_does_not_end_is_given_up_over_tls_and_on_a_connection_that_was_kept(
    authority: tuple[Path, ssl.SSLContext], fault: str
) -> None:
    path, context = authority
    with serving(CONTENT, tls=context, handler=RangeHandler) as origin:
        transport = web(path)
        for _time in range(2):
            assert whole(transport, origin.url("good", scheme="https")) == CONTENT
        stalled(transport, origin.url(f"always/{fault}", scheme="https"))
        assert whole(transport, origin.url("good", scheme="https")) == CONTENT


@contextlib.contextmanager
def proxy(*, drips: bool) -> Iterator[str]:
    """One that tunnels, or that never gets to the end of saying that it does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def talk(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            asked = client.recv(65536).split()[1].decode()
            if drips:
                client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Padding: ")
                for _letter in range(30):
                    client.sendall(b"x")
                    time.sleep(0.1)
                return
            with socket.create_connection(("127.0.0.1", int(asked.rpartition(":")[2]))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=pump, args=(server, client), daemon=True).start()
                pump(client, server)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


@pytest.mark.parametrize("drips", [False, True])
def test_a_head_that_does_not_end_is_given_up_through_a_proxy_and_when_the_proxy_sends_it(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch, drips: bool
) -> None:
    path, context = authority
    with serving(CONTENT, tls=context, handler=RangeHandler) as origin, proxy(drips=drips) as address:
        monkeypatch.setenv("https_proxy", address)
        monkeypatch.setenv("no_proxy", "")
        transport = web(path)
        if drips:
            kinds = ("stalled", "unreachable")  # the second with urllib3 before 2, which names the proxy
            stalled(transport, origin.url("good", scheme="https"), kinds=kinds)
            return
        assert whole(transport, origin.url("good", scheme="https")) == CONTENT
        stalled(transport, origin.url("always/drips-headers", scheme="https"))
