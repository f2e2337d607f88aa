# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release as the operator sees it: shown, interrupted, killed, followed. Real processes, an engine in memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration import release_engine
from tests.unit.plugins.module_utils._release.world import World

BIN = Path(sys.executable).parent
CANARY = "canary-Vq8wT2mZ"
LIMIT = 90.0  # seconds for what takes a few


@dataclass
class Site:
    """A host that is this machine, with everything it writes below one directory."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world = World(self.root)
        self.world.stack["services"]["api"]["health"]["start_period"] = 600
        self.world.docker.images = {"db:1", "api:1", "api:2"}
        self.programs = release_engine.install(self.root, self.world.docker)
        self.starting()

    def starting(self, *images: str) -> None:
        release_engine.starting(self.root, *images)

    @property
    def places(self) -> str:
        """Variables for everything that Ansible writes."""
        return json.dumps(
            {
                "ansible_python_interpreter": sys.executable,
                "ansible_async_dir": str(self.root / "jobs"),
                "ansible_remote_tmp": str(self.root / "remote"),
            }
        )

    def stack(self, image: str, **release: Any) -> dict[str, Any]:
        return {**self.world.with_api(image=image), "release": release}

    def start(self, *options: str, image: str = "api:1", **variables: Any) -> subprocess.Popen[str]:
        stack = variables.pop("stack", self.stack(image))
        task = {
            "stack": stack,
            "files": [
                {"dest": dest, "content": content.decode()} for dest, content in self.world.desired(stack).files.items()
            ],
            "secrets": {"db_password": CANARY},
            "reserve": 1,
            **variables,
        }
        play = {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {"drydock.serving.release": task, "register": "released"},
                {
                    "ansible.builtin.copy": {
                        "content": "{{ released | to_json }}",
                        "dest": str(self.root / "result.json"),
                        "mode": "0600",
                    },
                    "check_mode": False,
                    "when": "kept | default(true)",
                },
            ],
        }
        playbook = self.root / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        settings = self.root / "ansible.cfg"
        settings.write_text("[defaults]\nlocalhost_warning = false\ninject_invocation = true\n")
        return subprocess.Popen(
            [
                *(str(BIN / "ansible-playbook"), "-i", "one,", "-c", "local", "-e", self.places),
                *options,
                str(playbook),
            ],
            cwd=self.root,
            env={
                **os.environ,
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                release_engine.VARIABLE: str(self.root),
                "ANSIBLE_CONFIG": str(settings),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_HOME": str(self.root / "home"),
                "DRYDOCK_PROGRESS": "",
                **self.environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, *options: str, **variables: Any) -> tuple[int, str]:
        return ended(self.start(*options, **variables))

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "result.json").read_text())
        return found

    def serving(self) -> dict[str, str]:
        self.world.docker = release_engine.engine(self.root)
        return self.world.serving()

    def serving_now(self) -> dict[str, str]:
        """Without those that are kept warm."""
        self.world.docker = release_engine.engine(self.root)
        return self.world.serving_now()

    def status(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.world.root / "state" / "job" / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def reach(self, step: str) -> int:
        """Wait until the release is at a step; its process."""
        ends = time.monotonic() + LIMIT
        while time.monotonic() < ends:
            told = self.status()
            if told.get("step") == step:
                return int(told["pid"])
            time.sleep(0.05)
        raise AssertionError(f"never at {step}: {self.status()}")

    def settle(self) -> None:
        """Wait until nobody works on the stack."""
        ends = time.monotonic() + LIMIT
        while (self.world.root / "state" / "lease.json").exists():
            assert time.monotonic() < ends
            time.sleep(0.1)

    def left(self) -> list[str]:
        """Files of jobs and modules that are still there, once whatever ends by itself has ended."""
        for _attempt in range(100):
            there = [path for name in ("jobs", "remote") for path in (self.root / name).rglob("*")]
            found = [str(path) for path in there if path != self.root / "jobs" / "drydock"]
            if not found:
                break
            time.sleep(0.1)
        return found


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _errors = process.communicate(timeout=LIMIT)
    return process.returncode, output


def shown(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("progress: ")]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_log_shows_the_steps_and_the_result_is_the_modules_own(site: Site) -> None:
    assert site.play("--check", "--diff")[0] == 0
    checked = site.result
    site.starting("api:1")
    process = site.start("--diff")
    site.reach("healthy")
    site.starting()
    code, output = ended(process)
    assert code == 0, output
    assert site.serving() == {"db": "db:1", "api": "api:1"}
    lines = shown(output)
    assert lines, output
    assert all(line.startswith("progress: [one] ") for line in lines)
    assert any("healthy (" in line for line in lines), lines
    assert "before: demo: images" in output or "+db.conf" in output or "+++" in output, output
    result = site.result
    assert (result["changed"], result["kind"]) == (True, "release")
    assert result.keys() - {"warnings"} == checked.keys() - {"warnings"}
    assert CANARY not in output + json.dumps(result)
    assert site.left() == []


def test_with_nothing_to_do_the_host_is_asked_no_more_than_by_ping(site: Site) -> None:
    assert site.play()[0] == 0
    code, idle = site.play("-vvv", "-e", '{"kept": false}')
    assert code == 0, idle
    assert "changed=0" in idle
    assert shown(idle) == []
    ping = subprocess.run(
        [str(BIN / "ansible"), "-i", "one,", "-c", "local", "-vvv", "-e", site.places, "-m", "ping", "all"],
        cwd=site.root,
        env={**os.environ, "ANSIBLE_CONFIG": str(site.root / "ansible.cfg"), "ANSIBLE_HOME": str(site.root / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert idle.count("EXEC ") == ping.stdout.count("EXEC ") > 0


def test_a_controller_that_is_killed_does_not_end_the_release_and_the_next_run_changes_nothing(site: Site) -> None:
    assert site.play()[0] == 0
    site.starting("api:2")
    process = site.start(image="api:2")
    site.reach("healthy")
    os.killpg(process.pid, signal.SIGKILL)
    ended(process)
    site.starting()
    site.settle()
    assert site.serving() == {"db": "db:1", "api": "api:2"}
    code, output = site.play(image="api:2")
    assert code == 0, output
    assert site.result["changed"] is False


def test_the_next_run_of_the_same_controller_follows_a_release_that_it_finds_under_way(site: Site) -> None:
    assert site.play()[0] == 0
    site.starting("api:2")
    first = site.start(image="api:2")
    running = site.reach("healthy")
    os.killpg(first.pid, signal.SIGKILL)
    ended(first)
    second = site.start(image="api:2")
    assert second.stdout is not None
    seen = ""
    while "wants the same" not in seen:
        line = second.stdout.readline()
        assert line, seen
        seen += line
    assert f"process {running}" in seen
    site.starting()
    code, output = ended(second)
    assert code == 0, seen + output
    assert site.result["changed"] is False
    assert site.result["release"] is not None
    assert site.serving() == {"db": "db:1", "api": "api:2"}


def test_a_run_that_wants_something_else_is_refused_with_who_is_at_work(site: Site) -> None:
    assert site.play()[0] == 0
    site.starting("api:2")
    first = site.start(image="api:2", actor="ann@desk", reason="new model")
    site.reach("healthy")
    changed = site.world.with_api(image="api:1", environment={"N": "2"})
    code, output = site.play(stack=changed)
    assert code == 2, output
    assert "Another run is working on this stack: ann@desk" in output
    assert "reason: new model" in output
    site.starting()
    assert ended(first)[0] == 0
    assert site.serving() == {"db": "db:1", "api": "api:2"}


def test_a_module_that_is_killed_is_told_and_the_next_run_finishes_or_undoes(site: Site) -> None:
    assert site.play()[0] == 0
    site.starting("api:2")
    process = site.start(image="api:2")
    os.kill(site.reach("healthy"), signal.SIGKILL)
    code, output = ended(process)
    assert code == 2, output
    assert "The release on one broke off: it ended without a result, as when it is killed." in output
    assert site.serving()["api"] in {"api:1", "api:2"}
    assert site.left() == []
    site.starting()
    assert site.play(image="api:2")[0] == 0
    assert site.serving() == {"db": "db:1", "api": "api:2"}
    assert site.play(image="api:2")[0] == 0
    assert site.result["changed"] is False


def test_a_release_that_fails_is_a_failure_with_the_modules_own_words(site: Site) -> None:
    assert site.play()[0] == 0
    code, output = site.play(image="api:404", pull_timeout=5)
    assert code == 2, output
    assert "image_missing" in output
    assert "ansible_job_id" not in output
    assert site.serving() == {"db": "db:1", "api": "api:1"}
    assert site.left() == []


def hook(site: Site, code: str, **more: Any) -> dict[str, Any]:
    """A hook on the controller that runs Python in the folder of the playbook."""
    (site.root / "hook.py").write_text(code)
    return {
        "name": "smoke",
        "when": "before",
        "phase": "switch",
        "where": "controller",
        "command": [sys.executable, "hook.py"],
        "timeout": 30,
        "required": True,
        **more,
    }


NOTES = "import os, sys; open('told', 'a').write(sys.stdin.read() + os.environ['DRYDOCK_HOST'])"


def test_a_hook_runs_on_the_controller_once_with_the_record_as_its_input(site: Site) -> None:
    assert site.play()[0] == 0
    code, output = site.play(stack=site.stack("api:2", hooks=[hook(site, NOTES)]))
    assert code == 0, output
    assert "progress: [one] runs the hook smoke here, before switch" in output
    told, _brace, host = (site.root / "told").read_text().rpartition("}")
    assert host.strip() == "one"
    assert json.loads(told + "}")["id"] == site.result["release"]
    assert CANARY not in told
    assert list((site.world.root / "state" / "job").iterdir()) == []


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_hook_that_fails_or_hangs_on_the_controller_leads_back(site: Site, how: str) -> None:
    assert site.play()[0] == 0
    bad = {
        "fails": "raise SystemExit('not today')",
        "hangs": "import time; print('still here', flush=True); time.sleep(600)",
    }
    code, output = site.play(stack=site.stack("api:2", hooks=[hook(site, bad[how], timeout=2)]))
    assert code == 2, output
    assert "hook_failed" in output
    assert {"fails": "not today", "hangs": "did not end within 2 s"}[how] in output
    assert site.serving()["api"] == "api:1"


def test_a_hook_whose_controller_was_killed_is_answered_by_the_run_that_follows(site: Site) -> None:
    assert site.play()[0] == 0
    site.starting("api:2")
    stack = site.stack("api:2", hooks=[hook(site, NOTES)])
    first = site.start(stack=stack)
    site.reach("healthy")
    os.killpg(first.pid, signal.SIGKILL)
    ended(first)
    second = site.start(stack=stack)
    assert second.stdout is not None
    seen = ""
    while "wants the same" not in seen:
        line = second.stdout.readline()
        assert line, seen
        seen += line
    site.starting()
    code, output = ended(second)
    assert code == 0, seen + output
    assert "runs the hook smoke here" in output
    assert site.serving()["api"] == "api:2"


@pytest.mark.parametrize("how", ["the option", "the environment"])
def test_quiet_is_quiet(site: Site, how: str) -> None:
    variables = {"progress": "off"} if how == "the option" else {}
    site.environment = {} if variables else {"DRYDOCK_PROGRESS": "off"}
    code, output = site.play(**variables)
    assert (code, shown(output)) == (0, []), output


def test_no_secret_is_left_in_files_or_told_in_the_list_of_processes(site: Site) -> None:
    site.starting("api:1")
    process = site.start("-vvv", "--diff")
    site.reach("healthy")
    listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert CANARY not in "\n".join(line for line in listed.splitlines() if "ansible-playbook" not in line)
    told = (site.world.root / "state" / "job" / "status.json").read_text()
    assert CANARY not in told
    site.starting()
    code, output = ended(process)
    assert code == 0, output
    assert CANARY not in output
    kept = [
        path
        for name in ("jobs", "remote", "opt")
        for path in (site.root / name).rglob("*")
        if path.is_file() and CANARY in path.read_text(errors="replace")
    ]
    assert kept == []
