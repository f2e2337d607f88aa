# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _sysctl as sysctl
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, value in {"net/ipv4/ip_forward": "0", "net/ipv4/ip_local_port_range": "32768\t60999"}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
    ],
)
def test_names_are_read_as_sysctl_reads_them(key: str, path: str) -> None:
    assert sysctl.path_of(key, Path("/proc/sys")) == Path("/proc/sys") / path


@pytest.mark.parametrize("key", ["", "x", "../etc/passwd", "net/../../etc/passwd", "net..x", "/etc/passwd"])
def test_a_name_that_leads_elsewhere_is_refused(key: str) -> None:
    with pytest.raises(DrydockError):
        sysctl.path_of(key)


def test_only_what_differs_is_planned_in_the_order_given(root: Path) -> None:
    wanted = {"net.ipv4.ip_local_port_range": "32768 60999", "net.ipv4.ip_forward": True, "kernel.yama.ptrace_scope": 1}
    plan = sysctl.plan(wanted, root)
    assert plan.differences == (sysctl.Difference("net.ipv4.ip_forward", "0", "1"),)
    assert plan.missing == ("kernel.yama.ptrace_scope",)


def test_a_value_is_set_and_then_rests(root: Path) -> None:
    (difference,) = sysctl.plan({"net.ipv4.ip_forward": 1}, root).differences
    assert sysctl.writable(difference, root)
    assert sysctl.apply(difference, root) == ""
    assert sysctl.plan({"net.ipv4.ip_forward": 1}, root).differences == ()


def test_a_refusal_is_told_in_the_kernel_s_words(root: Path) -> None:
    gone = sysctl.Difference("net.ipv4.gone", "0", "1")
    assert not sysctl.writable(gone, root)
    assert sysctl.apply(gone, root) == "No such file or directory"


def test_a_container_is_known_by_what_its_manager_says(tmp_path: Path) -> None:
    run, proc = tmp_path / "run", tmp_path / "proc"
    (proc / "1").mkdir(parents=True)
    (proc / "1" / "environ").write_bytes(b"PATH=/bin\0")
    assert not sysctl.in_container(run, proc)
    (proc / "1" / "environ").write_bytes(b"PATH=/bin\0container=lxc\0")
    assert sysctl.in_container(run, proc)
    assert not sysctl.in_container(run, tmp_path)
    (run / "systemd").mkdir(parents=True)
    (run / "systemd" / "container").write_text("docker\n")
    assert sysctl.in_container(run, tmp_path)
