# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from pathlib import Path

from lab.checkout import Checkout
from lab.ssh import ensure_user_key, known_hosts, new_key, options, remember_host, with_host

OLD = ["198.18.0.2 ssh-ed25519 AAAA", "198.18.0.20 ssh-ed25519 BBBB"]


def test_a_new_key_of_an_address_replaces_the_old_one_and_no_other() -> None:
    assert with_host(OLD, "198.18.0.2", "ssh-ed25519 CCCC root@x") == [OLD[1], "198.18.0.2 ssh-ed25519 CCCC"]


def test_a_removed_host_is_forgotten() -> None:
    assert with_host(OLD, "198.18.0.20", None) == OLD[:1]


def test_host_keys_are_recorded_beside_one_another(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    for address in ("198.18.0.2", "198.18.0.3"):
        remember_host(checkout, address, new_key("root@host").public)
    assert [line.split()[0] for line in known_hosts(checkout).read_text().splitlines()] == ["198.18.0.2", "198.18.0.3"]


def test_the_operators_key_is_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    key = ensure_user_key(checkout)
    content = key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert ensure_user_key(checkout).read_text() == content
    assert key.with_suffix(".pub").read_text().startswith("ssh-ed25519 ")


def test_connections_accept_recorded_host_keys_only(tmp_path: Path) -> None:
    assert "StrictHostKeyChecking=yes" in options(Checkout(tmp_path))
