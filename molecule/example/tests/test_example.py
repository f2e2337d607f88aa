# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket

from testinfra.host import Host


def test_the_message_of_the_day_greets(host: Host) -> None:
    assert "Lab host" in host.file("/etc/motd").content_string


def test_root_is_used_for_looking(host: Host) -> None:
    assert host.run("id -u").stdout.strip() == "0"


def test_ssh_answers_from_outside(address: str) -> None:
    with socket.create_connection((address, 22), timeout=5) as connection:
        assert connection.recv(4) == b"SSH-"
