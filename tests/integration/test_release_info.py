# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""release_info as a process of its own on made-up stacks, the playbook status over several hosts, and the two logs."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = "ansible_collections.drydock.serving.plugins.modules.release_info"
PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
IDENTITY = "20261121T041500Z-3f9c01ab"
CANARY = "canary-Vq8wT2mZ"

# An engine that has the containers of the made-up stack; the real one is asked by the tests of the lab.
DOCKER = """#!/bin/sh
case "$1" in
  ps) printf 'ocr-blue-api-1\\trunning\\tUp 2 hours (healthy)\\tocr-blue\\tapi\\tabc\\tocr,ocr-blue\\tapi\\n' ;;
  inspect) echo '[{"Name": "/ocr-blue-api-1", "RestartCount": 2, "State": {"Health": {"Status": "healthy"}}}]' ;;
  info) echo / ;;
esac
"""


class Site:
    """Stacks on this machine, each below its own root, and an engine that knows one container."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.reports = place / "reports"
        (place / "bin").mkdir()
        docker = place / "bin" / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        }

    def stack(self, name: str, *, url: str = "") -> Path:
        """A stack that serves. ``url``: where its service says that it is ready."""
        root = self.place / name
        folder = root / "releases" / IDENTITY
        folder.mkdir(parents=True)
        (root / "state").mkdir()
        record = {
            "schema": 1,
            "id": IDENTITY,
            "hash": "x",
            "created": "2026-11-21T04:15:00Z",
            "finished": "2026-11-21T04:16:00Z",
            "actor": "op@ctl",
            "reason": "a new model",
            "images": {"api": {"reference": "r.example.org/ocr@sha256:aa", "id": "sha256:bb", "digests": []}},
            "models": {"ocr": {"version": "4.0", "digest": "cc"}},
            "files": {},
            "containers": {"api": {"part": "blue", "name": "ocr-blue-api-1", "url": url, "config_hash": "abc"}},
            "config": {},
        }
        (folder / "release.json").write_text(json.dumps(record))
        (root / "current").symlink_to(f"releases/{IDENTITY}")
        return root

    def info(self, root: Path, **options: Any) -> dict[str, Any]:
        """Run the module as the process that it is on a host."""
        given = {"name": "ocr", "root": str(root), "reserve": 1, "_ansible_remote_tmp": str(self.place), **options}
        arguments = self.place / "arguments.json"
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(arguments)],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def status(
        self, hosts: Mapping[str, Mapping[str, Any]], *options: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the playbook over these hosts, each with variables of its own."""
        inventory = self.place / "hosts.json"
        inventory.write_text(json.dumps({"drydock": {"hosts": hosts}}))
        extra = {
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "drydock_reports": str(self.reports),
            "status_reserve": 1,
        }
        playbook = str(ROOT / "playbooks" / "status.yml")
        return subprocess.run(
            [PLAYBOOK, "-i", str(inventory), "-e", json.dumps(extra), *options, playbook],
            cwd=self.place,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def report(self, host: str) -> dict[str, Any]:
        path = self.reports / f"status-{host}.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        return dict(json.loads(path.read_text()))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def local(root: Path, **variables: Any) -> dict[str, Any]:
    return {"ansible_connection": "local", "stack": {"name": "ocr"}, "status_root": str(root), **variables}


SILENT = {
    "ansible_host": "127.0.0.1",
    "ansible_port": 9,
    "stack": {"name": "ocr"},
    "ansible_ssh_common_args": "-F none",
}


def test_a_stack_that_serves_is_told_by_the_module_as_a_process(site: Site) -> None:
    told = site.info(site.stack("a"))
    assert (told["ok"], told["problems"], told["changed"]) == (True, [], False)
    assert (told["release"], told["colours"], told["since"]) == (IDENTITY, ["blue"], "2026-11-21T04:16:00Z")
    assert told["images"][0]["digest"] == "sha256:aa"
    assert [(item["name"], item["health"], item["restarts"]) for item in told["containers"]] == [
        ("ocr-blue-api-1", "healthy", 2)
    ]
    assert [disk["what"] for disk in told["disks"]] == ["stack", "images"]
    checked = site.info(site.place / "a", _ansible_check_mode=True)
    assert {**checked, "disks": []} == {**told, "disks": []}


class Service(BaseHTTPRequestHandler):
    """Is ready at one path."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Not on the tests' output."""


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_service_that_runs_and_is_not_ready_is_a_problem(site: Site, service: str) -> None:
    assert site.info(site.stack("ready", url=f"{service}/ready"))["ok"]
    loading = site.info(site.stack("loading", url=f"{service}/loading"))
    assert [item["kind"] for item in loading["problems"]] == ["container"]
    assert loading["containers"][0]["health"] == "unhealthy"
    for number, nowhere in enumerate(["http://127.0.0.1:9/ready", "http://[", "nonsense"]):
        assert site.info(site.stack(f"nowhere{number}", url=nowhere))["containers"][0]["health"] == "unhealthy"


def test_a_bare_host_and_every_kind_of_damage_end_without_a_failure(site: Site) -> None:
    bare = site.info(site.place / "bare")
    assert [item["kind"] for item in bare["problems"]] == ["not_released"]
    assert not (site.place / "bare").exists()
    root = site.stack("a")
    for name in ("journal.json", "lease.json", "deployments.jsonl"):
        (root / "state" / name).write_bytes(b"\xff{")
    (root / "failures" / "20261121T050000Z-x").mkdir(parents=True)
    (root / "releases" / "20261101T000000Z-x").mkdir()
    (site.place / "c.crt").write_text("no certificate")
    damaged = site.info(root, certificate=str(site.place / "c.crt"), reserve=10**18)
    assert "failed" not in damaged
    assert {item["kind"] for item in damaged["problems"]} == {
        *("attempt_failed", "certificate_unreadable", "no_space", "state_unreadable", "unfinished")
    }
    (root / "current" / "release.json").write_text("{")
    assert site.info(root)["release"] is None


def test_hosts_that_are_well_end_with_0_and_a_line_each(site: Site) -> None:
    done = site.status({"web1": local(site.stack("a")), "web2": local(site.stack("b"))})
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"web1  ok       {IDENTITY}  blue" in done.stdout
    assert f"web2  ok       {IDENTITY}  blue" in done.stdout
    assert site.report("web2")["status"]["models"] == [{"name": "ocr", "version": "4.0", "digest": "cc"}]
    assert (site.report("web1")["ok"], site.report("web1")["problems"]) == (True, [])


def test_a_silent_host_a_bare_one_and_one_without_a_name_have_their_lines_and_the_run_ends_with_2(site: Site) -> None:
    hosts = {
        "bare": local(site.place / "none"),
        "mute": SILENT,
        "odd": {"ansible_connection": "local"},
        "well": local(site.stack("a")),
    }
    done = site.status(hosts)
    assert done.returncode == 2, done.stdout + done.stderr
    verdicts = {name: site.report(name)["verdict"] for name in hosts}
    assert verdicts == {"bare": "problem", "mute": "unreachable", "odd": "unknown", "well": "ok"}
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    assert all([name, verdict] in lines for name, verdict in verdicts.items())
    assert "stack" in site.report("odd")["problems"][0]["message"]
    assert "1 with problems, 1 unreachable, 1 unknown, 1 ok." in done.stdout


def test_when_every_host_is_silent_each_still_has_its_line_and_file(site: Site) -> None:
    done = site.status({"mute": SILENT})
    assert done.returncode == 2, done.stdout + done.stderr
    assert site.report("mute")["verdict"] == "unreachable"


def test_json_is_all_there_is_on_standard_output_where_ansible_is_told_to_be_quiet(site: Site) -> None:
    hosts = {"web1": local(site.stack("a")), "bare": local(site.place / "none")}
    done = site.status(hosts, "-e", "status_format=json", ANSIBLE_STDOUT_CALLBACK="community.general.null")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert (found["ok"], sorted(found["hosts"])) == (False, ["bare", "web1"])
    assert found["hosts"]["web1"] == site.report("web1")


def test_check_mode_tells_the_same(site: Site) -> None:
    done = site.status({"web1": local(site.stack("a"))}, "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.report("web1")["ok"]


@pytest.mark.parametrize("way", ["environment", "ini", "off"])
def test_the_controller_s_log_is_written_where_it_is_told_and_only_when_enabled(tmp_path: Path, way: str) -> None:
    path = tmp_path / "logs" / "deployments.jsonl"
    settings = "[defaults]\n" + ("" if way == "off" else "callbacks_enabled = drydock.serving.deploy_log\n")
    settings += f"[callback_deploy_log]\npath = {path}\n" if way != "environment" else ""
    (tmp_path / "ansible.cfg").write_text(settings)
    task = {
        "name": "Release",
        "drydock.serving.release": {
            "stack": "{{ {'name': 'ocr'} }}",
            "files": [],
            "reason": "{{ 'a test' }}",
            "secrets": {"postgres_password": CANARY},
        },
    }
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg")}
    if way == "environment":
        environment["DRYDOCK_DEPLOY_LOG"] = str(path)
    connection = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    done = subprocess.run(
        [PLAYBOOK, "-i", "web1,", "-e", json.dumps(connection), str(tmp_path / "play.json")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    if way == "off":
        assert not path.exists()
        return
    text = path.read_text()
    line = json.loads(text)
    assert (line["host"], line["playbook"], line["stack"]) == ("web1", str(tmp_path / "play.json"), "ocr")
    assert (line["outcome"], line["failure"]["kind"], line["reason"]) == ("failed", "invalid_stack", "a test")
    assert CANARY not in text
