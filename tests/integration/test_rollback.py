# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back as the operator asks for it: the playbook and the command. Real processes, an engine in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._stack_command import build

from tests.integration import release_engine
from tests.integration.test_release_job import BIN, CANARY, LIMIT, Site

ROOT = Path(__file__).resolve().parents[2]


def back(site: Site, *options: str, **variables: Any) -> tuple[int, str]:
    """Run it against this machine and, where they are not left out, a host that does not answer."""
    paths = {"root": str(site.world.root), "secrets": str(site.world.secrets)}
    here = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    away = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh", "ansible_ssh_timeout": 1}
    inventory = site.root / "hosts.json"
    inventory.write_text(json.dumps({"drydock": {"hosts": {"one": here, "away": away}}}))
    extra = {
        "stack": {"name": "demo"},
        "rollback_paths": paths,
        "ansible_async_dir": str(site.root / "jobs"),
        "ansible_remote_tmp": str(site.root / "remote"),
        **variables,
    }
    playbook = str(ROOT / "playbooks" / "rollback.yml")
    done = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(inventory), "-e", json.dumps(extra), *options, playbook],
        cwd=site.root,
        env={**environment(site), "ANSIBLE_CONFIG": str(site.root / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return done.returncode, done.stdout


def environment(site: Site) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{site.programs}:{os.environ['PATH']}",
        release_engine.VARIABLE: str(site.root),
        "ANSIBLE_HOME": str(site.root / "home"),
    }


def current(site: Site) -> dict[str, Any]:
    return dict(json.loads((site.world.root / "current" / "release.json").read_text()))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two releases; the first one is kept warm."""
    found = Site(tmp_path)
    for image in ("api:1", "api:2"):
        code, output = found.play(stack=found.stack(image, keep_warm=True))
        assert code == 0, output
    return found


def test_the_playbook_says_what_it_would_do_and_what_it_has_done(site: Site) -> None:
    second = current(site)
    first = second["previous"]
    code, output = back(site, "--check", "--limit", "one")
    assert code == 0, output
    assert f"{second['id']} -> {first} (would be)" in output
    assert site.serving_now()["api"] == "api:2"

    code, output = back(site, "--limit", "one", reason="a test")
    assert code == 0, output
    record = current(site)
    assert f"{second['id']} -> {first}, as {record['id']}" in output
    assert "would release that again" in " ".join(output.split())  # the line is long
    assert CANARY not in output
    assert (record["rolled_back_to"], record["reason"]) == (first, "a test")
    assert record["images"]["api"]["reference"] == "api:1"


def test_a_host_that_does_not_answer_keeps_the_other_on_what_it_serves_and_warm(site: Site) -> None:
    second = current(site)
    code, output = back(site)
    assert code != 0
    assert "No host was switched. away: no answer" in output
    assert current(site)["id"] == second["id"]
    assert (site.world.root / "state" / "warm.json").is_file()
    code, output = back(site, "--limit", "one")
    assert code == 0, output
    assert site.serving_now()["api"] == "api:1"


def test_a_release_that_is_not_there_is_told_with_what_serves_and_ends_with_an_error(site: Site) -> None:
    code, output = back(site, "--limit", "one", release="20200101T000000Z-00000000")
    assert code == 2
    assert "There is no release 20200101T000000Z-00000000 on this host" in output
    assert site.serving_now()["api"] == "api:2"


def test_the_command_on_the_host_goes_back_and_says_each_step(site: Site) -> None:
    command = site.root / "demo"
    command.write_bytes(build(name="demo", root=str(site.world.root), secrets=str(site.world.secrets), version="1.0.0"))
    second = current(site)

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-I", str(command), "rollback", *words],
            cwd=site.root,
            env=environment(site),
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    code, output = run("--check")
    assert (code, output.splitlines()[0]) == (
        0,
        f"demo: would go back from {second['id']} to {second['previous']}:",
    )
    code, output = run("--reason", "a test")
    assert code == 0, output
    assert output.index("switch …") < output.index("up …")
    assert f"demo: went back from {second['id']} to {second['previous']}, as {current(site)['id']}." in output
    assert (current(site)["reason"], current(site)["rolled_back_to"]) == ("a test", second["previous"])
    code, output = run()
    assert (code, "no release served" in output) == (1, True)
