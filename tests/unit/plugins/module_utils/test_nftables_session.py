# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._nftables_session import parse_openings, refuse_lockout
from ansible_collections.drydock.serving.plugins.module_utils._ssh_session import Session, find_session


@pytest.mark.parametrize(
    ("client", "opening", "kept"),
    [
        ("192.0.2.10", {"port": 22}, True),
        ("192.0.2.10", {"port": 22, "sources": ["192.0.2.0/24"]}, True),
        ("192.0.2.10", {"port": 22, "sources": ["2001:db8::/32", "192.0.2.10"]}, True),
        ("::ffff:192.0.2.10", {"port": 22, "sources": ["192.0.2.0/24"]}, True),
        ("fe80::1%eth0", {"port": 22, "sources": ["fe80::/10"]}, True),
        ("192.0.2.10", {"port": 22, "sources": ["198.51.100.0/24"]}, False),
        ("192.0.2.10", {"port": 22, "sources": ["2001:db8::/32"]}, False),
        ("192.0.2.10", {"port": 2222}, False),
        ("192.0.2.10", {"port": 22, "protocol": "udp"}, False),
    ],
)
def test_rules_must_let_this_very_connection_in_again(client: str, opening: dict[str, Any], kept: bool) -> None:
    session = Session(client=client, port=22)
    if kept:
        refuse_lockout(session, parse_openings([opening]))
        return
    with pytest.raises(DrydockError) as failure:
        refuse_lockout(session, parse_openings([opening]))
    assert failure.value.kind == "controller_locked_out"
    assert failure.value.details == {"client": client, "port": 22}


def test_a_run_from_the_console_locks_nobody_out() -> None:
    refuse_lockout(None, ())


@pytest.mark.parametrize(
    ("source", "hint"), [("192.0.2.7/24", "Did you mean 192.0.2.0/24?"), ("office", "Expected 'any', an address")]
)
def test_a_source_that_is_none_is_named_with_its_path(source: str, hint: str) -> None:
    with pytest.raises(DrydockError) as failure:
        parse_openings([{"port": 22}, {"port": 80, "name": "web", "sources": [source]}])
    assert failure.value.details["path"] == "accepts[1] (web).sources[0]"
    assert hint in failure.value.message


def test_an_empty_list_of_sources_is_refused_instead_of_read_as_everybody() -> None:
    with pytest.raises(DrydockError, match="would let nobody in") as failure:
        parse_openings([{"port": 22, "name": "ssh", "sources": []}])
    assert failure.value.details["path"] == "accepts[0] (ssh).sources"


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_out_of_range_is_refused(port: int) -> None:
    with pytest.raises(DrydockError, match="expected 1 to 65535"):
        parse_openings([{"port": port}])


def process(proc: Path, pid: int, parent: int, **environment: str) -> None:
    """A process as /proc shows it."""
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "status").write_text(f"Name:\tsh\nPid:\t{pid}\nPPid:\t{parent}\n")
    lines = "\0".join(f"{key}={value}" for key, value in environment.items())
    (proc / str(pid) / "environ").write_text(lines)


def test_the_session_is_found_above_sudo_which_drops_it(tmp_path: Path) -> None:
    process(tmp_path, 30, 20, SUDO_USER="ops")
    process(tmp_path, 20, 10, SSH_CONNECTION="192.0.2.10 50000 192.0.2.20 2222", LOGNAME="ops")
    process(tmp_path, 10, 1)
    assert find_session(30, {}, tmp_path) == Session(client="192.0.2.10", port=2222, user="ops")


def test_the_own_environment_comes_first(tmp_path: Path) -> None:
    own = {"SSH_CONNECTION": "2001:db8::1 50000 2001:db8::2 22", "LOGNAME": "ops"}
    assert find_session(30, own, tmp_path) == Session(client="2001:db8::1", port=22, user="ops")


@pytest.mark.parametrize("connection", ["", "192.0.2.10", "a b c d"])
def test_no_connection_is_no_session(tmp_path: Path, connection: str) -> None:
    process(tmp_path, 30, 1, SSH_CONNECTION=connection)
    assert find_session(30, {}, tmp_path) is None


def test_a_process_that_ended_meanwhile_is_no_session(tmp_path: Path) -> None:
    assert find_session(30, {}, tmp_path) is None
