# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _sshd as sshd


def answering(answers: dict[str, tuple[int, str, str]]) -> sshd.Run:
    def run(argv: Sequence[str]) -> tuple[int, str, str]:
        return answers.get(" ".join(argv), (127, "", "not installed"))

    return run


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        ("OpenSSH_10.0p2 Debian-7+deb13u4, OpenSSL 3.5.4 30 Sep 2025", "10.0"),
        ("OpenSSH_9.2p1 Debian-2+deb12u7, OpenSSL 3.0.17 1 Jul 2025", "9.2"),
        ("OpenSSH_8.9p1 Ubuntu-3ubuntu0.13, OpenSSL 3.0.2 15 Mar 2022", "8.9"),
        ("ssh: not found", ""),
    ],
)
def test_the_version_is_read_from_the_banner(banner: str, version: str) -> None:
    assert sshd.version(answering({"ssh -V": (0, "", banner)})) == version


def test_algorithms_are_asked_for_one_by_one() -> None:
    run = answering({"ssh -Q kex": (0, "curve25519-sha256\nmlkem768x25519-sha256\n", "")})
    assert sshd.algorithms(run)["kex"] == ["curve25519-sha256", "mlkem768x25519-sha256"]
    assert sshd.algorithms(run)["macs"] == []


@pytest.mark.parametrize(
    ("config", "included"),
    [
        ("# comment\nInclude /etc/ssh/sshd_config.d/*.conf\n", True),
        ('include "/etc/ssh/sshd_config.d/*.conf"\n', True),
        ("Include /etc/ssh/other.conf\nInclude /etc/ssh/sshd_config.d/*.conf\n", True),
        ("#Include /etc/ssh/sshd_config.d/*.conf\n", False),
        ("Match User x\n  Include /etc/ssh/sshd_config.d/*.conf\n", False),
        ("", False),
    ],
)
def test_drop_ins_count_only_when_they_are_read_for_everyone(config: str, included: bool) -> None:
    assert sshd.includes_drop_ins(config) is included


def test_keys_are_counted_where_sshd_looks_for_them(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "authorized_keys").write_text("# laptop\nssh-ed25519 AAAA ops\n\nssh-ed25519 BBBB ci\n")
    (tmp_path / "ops.keys").write_text("ssh-ed25519 CCCC\n")
    assert sshd.login({}, "ops", str(tmp_path))["authorized_keys"] == 2
    settings = {"authorizedkeysfile": f"{tmp_path}/%u.keys %h/.ssh/authorized_keys none"}
    assert sshd.login(settings, "ops", str(tmp_path)) == {"user": "ops", "authorized_keys": 3, "other_ways": []}


def test_a_user_without_a_key_has_no_way_in(tmp_path: Path) -> None:
    assert sshd.login({"authorizedkeysfile": "none"}, "ops", str(tmp_path))["authorized_keys"] == 0


def test_certificates_are_a_way_in_of_their_own(tmp_path: Path) -> None:
    settings = {"trustedusercakeys": "/etc/ssh/ca.pub", "authorizedkeyscommand": "none"}
    assert sshd.login(settings, "ops", str(tmp_path))["other_ways"] == ["trustedusercakeys"]


def test_a_broken_configuration_tells_nothing_rather_than_something_wrong() -> None:
    run = answering({"sshd -T -C user=ops,host=192.0.2.1,addr=192.0.2.1": (255, "port 22\n", "Bad configuration")})
    assert sshd.effective(run, "ops", "192.0.2.1") == {}


def test_effective_settings_are_read_by_their_names() -> None:
    run = answering({"sshd -T -C user=ops,host=192.0.2.1,addr=192.0.2.1": (0, "Port 22\nusepam yes\n", "")})
    assert sshd.effective(run, "ops", "192.0.2.1") == {"port": "22", "usepam": "yes"}


@pytest.mark.parametrize(
    ("directives", "guilty"),
    [
        ({}, ""),
        ({"AllowUsers": None, "MaxAuthTries": 4, "AuthenticationMethods": "publickey"}, ""),
        ({"AllowUsers": ["deploy", "ops"]}, ""),
        ({"AllowUsers": "deploy op*"}, ""),
        ({"AllowUsers": ["ops@192.0.2.0/24"]}, ""),
        ({"AllowUsers": ["deploy"]}, "AllowUsers"),
        ({"allowusers": "deploy"}, "allowusers"),
        ({"AllowUsers": ["ops@198.51.100.*"]}, "AllowUsers"),
        ({"DenyUsers": ["o?s"]}, "DenyUsers"),
        ({"DenyUsers": ["deploy"]}, ""),
        ({"AllowGroups": ["sudo"]}, ""),
        ({"AllowGroups": ["wheel"]}, "AllowGroups"),
        ({"DenyGroups": ["sudo"]}, "DenyGroups"),
    ],
)
def test_a_directive_that_keeps_out_the_user_of_this_run_is_named(directives: dict[str, object], guilty: str) -> None:
    assert sshd.kept_out_by(directives, "ops", ["ops", "sudo"], "192.0.2.10") == guilty


def test_what_sshd_reads_before_the_own_file_and_differently_is_named_with_its_place() -> None:
    config = "PermitRootLogin yes\nInclude /etc/ssh/sshd_config.d/*.conf\nX11Forwarding yes\n"
    drop_ins = {
        "05-vendor.conf": "# PermitTunnel yes\nMatch User ops\n  passwordauthentication=yes\nLogLevel VERBOSE\n",
        "10-drydock.conf": "GatewayPorts yes\n",
        "50-cloud-init.conf": "PubkeyAuthentication no\n",
    }
    wanted: dict[str, object] = {
        **dict.fromkeys(("PermitRootLogin", "X11Forwarding", "PermitTunnel", "PasswordAuthentication"), "no"),
        "GatewayPorts": False,
        "PubkeyAuthentication": True,
        "LogLevel": "VERBOSE",
    }
    assert sshd.overruled(wanted, config, drop_ins, "10-drydock.conf") == [
        "PermitRootLogin in /etc/ssh/sshd_config",
        "PasswordAuthentication in /etc/ssh/sshd_config.d/05-vendor.conf",
    ]
    kept = {**wanted, "PermitRootLogin": None, "PasswordAuthentication": True}
    assert sshd.overruled(kept, config, drop_ins, "10-drydock.conf") == []
