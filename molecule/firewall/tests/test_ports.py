# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the outside can and cannot reach, with and without Docker on the host."""

from __future__ import annotations

import socket

from testinfra.host import Host


def answers(address: str, port: int) -> bool:
    """Whether a TCP connection comes about. Dropped packets never answer, so the wait is short."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def fetch_inside(host: Host, port: int) -> str:
    """What the program on this port says to the host itself."""
    return str(host.check_output(f"busybox wget -q -O - http://127.0.0.1:{port}/os-release"))


def test_ssh_answers(address: str) -> None:
    assert answers(address, 22)


def test_a_declared_port_of_a_host_program_answers(address: str) -> None:
    assert answers(address, 8000)


def test_an_undeclared_port_of_a_host_program_does_not_answer(host: Host, address: str) -> None:
    assert "Debian" in fetch_inside(host, 8001)
    assert not answers(address, 8001)


def test_a_port_declared_for_others_does_not_answer_here(host: Host, address: str) -> None:
    assert "Debian" in fetch_inside(host, 9100)
    assert not answers(address, 9100)
