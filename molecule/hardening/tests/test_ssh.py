# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in over SSH and who does not, tried from the controller."""

from __future__ import annotations

import subprocess

import pytest
from testinfra.host import Host


def ssh(host: Host, user: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A login of its own, shared with nobody."""
    variables = host.backend.ansible_runner.get_variables(host.backend.host)
    common = str(variables["ansible_ssh_common_args"]).replace("ControlMaster=auto", "ControlMaster=no").split()
    own = ["-o", "ControlPath=none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *options]
    identity = ["-i", str(variables["ansible_private_key_file"])]
    command = ["ssh", *own, *common, *identity, f"{user}@{variables['ansible_host']}", "id -un"]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


def test_the_operator_logs_in_with_the_key(host: Host) -> None:
    assert ssh(host, "ops").stdout == "ops\n"


def test_root_does_not_log_in_although_the_key_is_known(host: Host) -> None:
    result = ssh(host, "root")
    assert result.returncode == 255
    assert "Permission denied" in result.stderr


@pytest.mark.parametrize("user", ["ops", "root", "nobody-at-all"])
def test_no_password_is_asked_for(host: Host, user: str) -> None:
    result = ssh(host, user, "-o", "PubkeyAuthentication=no")
    assert "Permission denied (publickey)." in result.stderr


@pytest.mark.parametrize(
    "option",
    [
        "KexAlgorithms=ecdh-sha2-nistp256",
        "KexAlgorithms=diffie-hellman-group14-sha256",
        "MACs=hmac-sha2-256",
    ],
)
def test_weak_algorithms_are_not_negotiated(host: Host, option: str) -> None:
    # A MAC counts only with a cipher that does not authenticate by itself.
    result = ssh(host, "ops", "-o", option, "-o", "Ciphers=aes128-ctr")
    assert result.returncode == 255
    assert "no matching" in result.stderr


def test_every_algorithm_written_down_is_one_this_openssh_knows(host: Host) -> None:
    assert host.run("sshd -t").rc == 0
    kex = host.check_output("sshd -T | grep '^kexalgorithms '").split()[1].split(",")
    assert ("mlkem768x25519-sha256" in kex) == (host.system_info.codename == "trixie")
    assert "sntrup761x25519-sha512@openssh.com" in kex


def test_a_later_drop_in_of_the_image_does_not_win(host: Host) -> None:
    effective = host.check_output("sshd -T -C user=ops,host=h,addr=192.0.2.1")
    for line in ("permitrootlogin no", "passwordauthentication no", "x11forwarding no"):
        assert line in effective.splitlines()
