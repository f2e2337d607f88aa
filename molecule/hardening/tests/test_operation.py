# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role in daily life: drift is found and mended, what would break or lock out is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://trixie"]


def converge(host: Host, *more: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the role against this host alone, with variables for its modules' environment."""
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    playbook = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "converge_as.yml"
    play = {"hosts": "all", "become": True, "gather_facts": False, "environment": environment or {}}
    playbook.write_text(json.dumps([{**play, "roles": ["drydock.serving.hardening"]}]))
    plain = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"--inventory={inventory}"]
    command += [f"--limit={host.backend.host}", *more, str(playbook)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=plain)


def test_a_broken_foreign_drop_in_is_named_and_ours_is_put_back(host: Host) -> None:
    before = host.file("/etc/ssh/sshd_config.d/10-drydock.conf").content_string
    host.check_output("echo 'NoSuchDirective yes' > /etc/ssh/sshd_config.d/90-foreign.conf")
    try:
        result = converge(host, "-e", '{"hardening_ssh_settings": {"MaxAuthTries": 3}}')
        assert result.returncode != 0
        assert "90-foreign.conf" in result.stdout + result.stderr
        assert host.file("/etc/ssh/sshd_config.d/10-drydock.conf").content_string == before
    finally:
        host.check_output("rm /etc/ssh/sshd_config.d/90-foreign.conf")


@pytest.mark.parametrize(
    ("user", "reason"), [("nokey", "has no key in authorized_keys"), ("root", "root could not log in again")]
)
def test_whoever_would_lock_himself_out_is_refused_before_any_change(host: Host, user: str, reason: str) -> None:
    session = {"SSH_CONNECTION": "192.0.2.10 50000 192.0.2.20 22", "LOGNAME": user}
    result = converge(host, "--check", environment=session)
    assert result.returncode != 0
    assert reason in " ".join((result.stdout + result.stderr).split())
    assert "configure | Write the settings" not in result.stdout


def test_drift_is_found_shown_and_mended(host: Host) -> None:
    host.check_output("sed -i 's/PermitRootLogin no/PermitRootLogin yes/' /etc/ssh/sshd_config.d/10-drydock.conf")
    host.check_output("echo 1 > /proc/sys/net/ipv4/conf/all/accept_redirects")
    result = converge(host, "--check", "--diff")
    assert "changed=3 " in result.stdout, result.stdout  # the file, the reload it wakes, the live value
    assert "+PermitRootLogin no" in result.stdout
    assert "+net.ipv4.conf.all.accept_redirects = 0" in result.stdout
    assert converge(host).returncode == 0
    assert host.sysctl("net.ipv4.conf.all.accept_redirects") == 0
    assert "permitrootlogin no" in host.check_output("sshd -T -C user=root,host=h,addr=192.0.2.1")
