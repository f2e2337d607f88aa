# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings: live where a container may have its own, from the file where the kernel belongs to the machine."""

from __future__ import annotations

import pytest
from testinfra.host import Host

FILE = "/etc/sysctl.d/60-drydock.conf"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.ipv4.ip_forward", 1),
        ("net.ipv4.conf.all.accept_redirects", 0),
        ("net.ipv4.conf.default.send_redirects", 0),
        ("net.ipv4.tcp_syncookies", 1),
    ],
)
def test_network_settings_are_live(host: Host, key: str, value: int) -> None:
    assert host.sysctl(key) == value


def test_the_next_boot_sets_the_same(host: Host) -> None:
    lines = dict(line.split(" = ") for line in host.file(FILE).content_string.splitlines() if " = " in line)
    assert lines["kernel.unprivileged_bpf_disabled"] == "1"
    assert lines["fs.protected_symlinks"] == "1"
    # Changing ip_forward resets the redirect settings, so it has to come before them.
    assert next(iter(lines)) == "net.ipv4.ip_forward"
