# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which TCP ports of a host answer, seen from here. Bounded: so many sockets at once, so long for each."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

OPEN, CLOSED, FILTERED = "open", "closed", "filtered"
MAX_SOCKETS = 32
_REFUSED = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})

Connect = Callable[[str, int, float], str]


@dataclass(frozen=True)
class Answer:
    """One port. ``state`` is open, closed (refused) or filtered (no answer, or turned away on the way)."""

    port: int
    state: str
    expected: str

    @property
    def ok(self) -> bool:
        """A port that is to be closed may also be filtered: nobody gets in either way."""
        return (self.state == OPEN) == (self.expected == OPEN)

    def as_dict(self) -> dict[str, Any]:
        return {"port": self.port, "state": self.state, "expected": self.expected, "ok": self.ok}


def connect(host: str, port: int, timeout: float) -> str:
    """Try once. Nothing is sent.

    :raises DrydockError: ``unknown_host``; a name that nothing answers to says nothing about ports.
    """
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return OPEN
    except socket.gaierror as error:
        raise DrydockError(
            "unknown_host",
            f"{host} is not an address and no name that is known here ({error.strerror}). No port was looked at. Check "
            "the host's address in the inventory and the DNS of the machine that looks.",
            host=host,
        ) from error
    except OSError as error:
        return CLOSED if error.errno in _REFUSED else FILTERED


def probe_ports(
    host: str,
    *,
    expect_open: Iterable[int],
    expect_closed: Iterable[int],
    timeout: float,
    attempt: Connect = connect,
) -> list[Answer]:
    """Look at every port once, in the order of their numbers. A port in both lists is expected to be open.

    :raises DrydockError: ``unknown_host``, and ``invalid_arguments`` for what could only seem closed.
    """
    wanted = dict.fromkeys(expect_closed, CLOSED)
    wanted.update(dict.fromkeys(expect_open, OPEN))
    ports = sorted(wanted)
    strange = [port for port in ports if not 1 <= port <= 65535]
    if strange or not timeout > 0:
        found = f"the port {strange[0]}" if strange else f"a timeout of {timeout:g} s"
        raise DrydockError(
            "invalid_arguments", f"Expected ports from 1 to 65535 and a timeout above 0 s, found {found}."
        )
    if not ports:
        return []
    with ThreadPoolExecutor(max_workers=min(MAX_SOCKETS, len(ports))) as pool:
        states = list(pool.map(lambda port: attempt(host, port, timeout), ports))
    return [Answer(port, state, wanted[port]) for port, state in zip(ports, states)]


def sentences(host: str, answers: Iterable[Answer]) -> list[str]:
    """What is not as expected, and what to look at."""
    found = []
    for answer in answers:
        if answer.ok:
            continue
        if answer.expected == OPEN:
            found.append(
                f"{host} port {answer.port} is {answer.state}, expected open: is its service up, and does a firewall "
                f"on the "
                "way (a cloud provider's, for one) let this controller through?"
            )
        else:
            found.append(
                f"{host} port {answer.port} is open, expected closed: nothing in the stack declares it. Something else "
                "listens there, or the firewall does not hold (ss -ltnp and nft list table inet drydock on the host)."
            )
    return found
