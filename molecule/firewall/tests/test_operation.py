# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table in daily life: drift is seen, connections live on, mistakes are refused, a reboot loads it again."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://trixie"]


def converge(host: Host, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the scenario's playbook against this host alone."""
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        f"--inventory={Path(os.environ['MOLECULE_EPHEMERAL_DIRECTORY']) / 'inventory'}",
        f"--limit={host.backend.host}",
        *more,
        str(scenario / "converge.yml"),
    ]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, cwd=scenario.parent.parent, env=environment
    )


def changed(result: subprocess.CompletedProcess[str]) -> int:
    found = re.search(r"changed=(\d+)", result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert found is not None, result.stdout
    return int(found.group(1))


@contextmanager
def ssh_session(host: Host) -> Iterator[subprocess.Popen[str]]:
    """A connection of its own, not shared with Ansible's, that echoes what it is sent."""
    variables = host.backend.ansible_runner.get_variables(host.backend.host)
    options = str(variables["ansible_ssh_common_args"]).replace("ControlMaster=auto", "ControlMaster=no").split()
    login = f"{variables['ansible_user']}@{variables['ansible_host']}"
    identity = str(variables["ansible_private_key_file"])
    command = ["ssh", *options, "-o", "ControlPath=none", "-i", identity, login, "cat"]
    session = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert session.stdin is not None
    try:
        yield session
    finally:
        session.stdin.close()
        session.wait(timeout=10)


def echo(session: subprocess.Popen[str], line: str) -> str:
    """What comes back, or a failure within ten seconds: a cut session must not hang the test."""
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(f"{line}\n")
    session.stdin.flush()
    ready, _writable, _errors = select.select([session.stdout], [], [], 10)
    assert ready, "the session is cut"
    return session.stdout.readline().strip()


@pytest.mark.parametrize("accident", ["flush table inet drydock", "delete table inet drydock"])
def test_a_table_that_is_emptied_or_gone_cuts_nobody_off_and_is_found_and_mended(host: Host, accident: str) -> None:
    host.check_output(f"nft {accident}")
    assert changed(converge(host, "--check")) == 1
    assert changed(converge(host)) == 1


def test_a_foreign_rule_in_the_table_is_found_and_goes_and_nothing_else_notices(host: Host) -> None:
    host.check_output("nft insert rule inet drydock input tcp dport 6666 accept")
    host.check_output("nft add table inet someone_else")
    with ssh_session(host) as session:
        assert echo(session, "before") == "before"
        result = converge(host, "--diff")
        assert changed(result) == 1
        assert re.search(r"^\s*-\s+tcp dport 6666 accept", result.stdout, re.MULTILINE), result.stdout
        assert echo(session, "after") == "after"
    assert "table inet someone_else" in host.check_output("nft list tables")
    assert "6666" not in host.check_output("nft list table inet drydock")
    host.check_output("nft delete table inet someone_else")


def test_rules_without_the_port_of_this_run_are_refused(host: Host) -> None:
    before = host.check_output("nft -s list table inet drydock")
    for mistake in ("firewall_ssh_port=2222", '{"firewall_ssh_sources": ["192.0.2.0/24"]}'):
        result = converge(host, "-e", mistake)
        assert result.returncode != 0
        assert "could not log in" in result.stdout + result.stderr
    assert host.check_output("nft -s list table inet drydock") == before


def test_a_network_with_host_bits_is_refused_with_a_suggestion(host: Host) -> None:
    result = converge(host, "-e", '{"firewall_rules": [{"name": "node", "port": 9100, "sources": ["192.0.2.7/24"]}]}')
    assert result.returncode != 0
    assert "Did you mean 192.0.2.0/24?" in result.stdout + result.stderr


def test_the_next_boot_loads_the_table(host: Host) -> None:
    live = host.check_output("nft -s list table inet drydock")
    assert host.service("drydock-firewall").is_enabled
    assert not host.service("nftables").is_enabled
    host.check_output("nft delete table inet drydock")
    host.check_output("systemctl restart drydock-firewall")
    assert host.check_output("nft -s list table inet drydock") == live
