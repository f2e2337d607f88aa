# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command on the host as the file that it is, on a made-up stack; and the module that puts it there."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.plugin_utils._stack_command import build

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
IDENTITY = "20261121T041500Z-3f9c01ab"

# An engine with a service and a component of the made-up stack, and a colour of no release. The real one is asked by
# the tests of the lab.
DOCKER = """#!/bin/sh
place=$(dirname "$0")
last() { eval "printf %s \\"\\${$#}\\""; }
case "$1" in
  ps)
    printf 'ocr-base-db-1\\trunning\\tUp 2 hours\\tocr-base\\tdb\\tabc\\tocr-blue,ocr-green\\tdb\\n'
    printf 'ocr-blue-api-1\\trunning\\tUp 2 hours\\tocr-blue\\tapi\\tabc\\tocr,ocr-blue\\tapi\\n'
    printf 'ocr-green-api-1\\texited\\tExited (0)\\tocr-green\\tapi\\tabc\\tocr,ocr-green\\tapi\\n' ;;
  inspect)
    shift 3
    printf '['
    for name in "$@"; do
      [ "$name" = "$1" ] || printf ','
      printf '{"Name": "/%s", "Id": "%s", "RestartCount": 0, "State": {"Status": "running"}}' "$name" "$name"
    done
    printf ']' ;;
  restart) echo "$2" >> "$place/restarted" ;;
  logs)
    echo "$@" >> "$place/asked"
    case "$(last "$@")" in
      ocr-base-db-1) printf '2026-11-21T04:00:01Z one\\n2026-11-21T04:00:04Z four\\n' ;;
      ocr-blue-api-1)
        echo '2026-11-21T04:00:02Z two' >&2
        case "$*" in *--follow*) exec sleep 60 ;; esac ;;
      ocr-green-api-1) printf '2026-11-21T04:00:03Z thr\\303\\251\\377e\\n' ;;
    esac ;;
  info) echo / ;;
esac
"""


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def ready() -> Iterator[str]:
    """Where the service says that it is ready."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/health"
        server.shutdown()


class Stack:
    """A stack that serves, on this machine, and the command that was built for it."""

    def __init__(self, place: Path, url: str) -> None:
        self.place = place
        self.layout = Layout(root=place / "opt", secrets=place / "secrets")
        folder = self.layout.root / "releases" / IDENTITY
        folder.mkdir(parents=True)
        self.layout.state.mkdir()
        containers = {
            "api": {"part": "blue", "name": "ocr-blue-api-1", "url": url, "config_hash": "abc"},
            "db": {"part": "base", "name": "ocr-base-db-1", "url": "", "config_hash": "abc"},
        }
        record = {"schema": 1, "id": IDENTITY, "hash": "x", "created": "2026-11-21T04:15:00Z", "actor": "op@ctl"}
        rest: dict[str, Any] = {"images": {}, "models": {}, "files": {}, "config": {}, "containers": containers}
        (folder / "release.json").write_text(json.dumps({**record, **rest}))
        self.layout.current.symlink_to(f"releases/{IDENTITY}")
        self.bin = place / "bin"
        self.bin.mkdir()
        for name, content in (("docker", DOCKER.encode()), ("ocr", self.built())):
            (self.bin / name).write_bytes(content)
            (self.bin / name).chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def built(self) -> bytes:
        return build(name="ocr", root=str(self.layout.root), secrets=str(self.layout.secrets), version="1.0.0")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        # where tests run in the background of a shell, interrupts are ignored, and that is handed on
        return subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-I", str(self.bin / "ocr"), *arguments],
            cwd=self.place,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def kept(self, name: str) -> list[str]:
        """What the engine was told."""
        path = self.bin / name
        return path.read_text().splitlines() if path.exists() else []

    def log(self) -> list[dict[str, Any]]:
        path = self.layout.state / "deployments.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def ocr(tmp_path: Path, ready: str) -> Stack:
    return Stack(tmp_path, ready)


def test_status_is_the_same_for_people_and_for_programs(ocr: Stack) -> None:
    code, text, _err = ocr.run("status")
    also, told, _err = ocr.run("status", "--json")
    found = json.loads(told)
    assert code == also == (0 if found["ok"] else 2)
    assert text.splitlines()[0] == found["msg"]
    assert (found["release"], found["colours"]) == (IDENTITY, ["blue"])
    assert [(item["name"], item["health"], item["recorded"]) for item in found["containers"]] == [
        ("ocr-base-db-1", None, True),
        ("ocr-blue-api-1", "healthy", True),
        ("ocr-green-api-1", None, False),
    ]
    assert "ocr-green-api-1  api      green   exited, exit code" in text or "not of this release" in text


def test_status_ends_with_2_and_the_reason_when_something_is_wrong(ocr: Stack) -> None:
    (ocr.layout.current / "release.json").write_text("{")
    code, text, err = ocr.run("status")
    assert (code, err) == (2, "")
    assert "state_unreadable: " in text.splitlines()[1]


def test_logs_of_all_colours_are_one_by_time_each_line_with_its_container(ocr: Stack) -> None:
    code, out, err = ocr.run("logs")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "ocr-base-db-1   | 2026-11-21T04:00:01Z one",
        "ocr-blue-api-1  | 2026-11-21T04:00:02Z two",
        "ocr-green-api-1 | 2026-11-21T04:00:03Z thré\ufffde",
        "ocr-base-db-1   | 2026-11-21T04:00:04Z four",
    ]


def test_logs_hand_on_what_was_asked_for(ocr: Stack) -> None:
    assert ocr.run("logs", "db")[0] == 0
    assert ocr.run("logs", "db", "--since", "10m")[0] == 0
    assert ocr.run("logs", "db", "--since", "2026-11-21T04:00:00Z", "--tail", "5")[0] == 0
    assert ocr.kept("asked") == [
        "logs --timestamps --tail 100 ocr-base-db-1",
        "logs --timestamps --tail all --since 10m ocr-base-db-1",
        "logs --timestamps --tail 5 --since 2026-11-21T04:00:00Z ocr-base-db-1",
    ]


def test_logs_of_what_is_not_there_are_refused_with_what_is(ocr: Stack) -> None:
    code, out, err = ocr.run("logs", "worker")
    assert (code, out) == (1, "")
    assert err == "ocr: There is no container of worker. There are: api, db.\n"


def test_logs_that_are_followed_come_at_once_and_end_with_ctrl_c(ocr: Stack) -> None:
    process = ocr.start("logs", "--follow")
    assert process.stdout is not None
    came = sorted(process.stdout.readline() for _line in range(4))
    assert [line.split()[-1] for line in came] == ["one", "four", "two", "thré\ufffde"]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "\nocr: interrupted.\n")


def test_logs_that_nobody_reads_to_the_end_are_no_error(ocr: Stack) -> None:
    process = ocr.start("logs", "--follow")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=30) == 0


def test_a_restart_waits_for_health_and_is_written_down(ocr: Stack) -> None:
    code, out, err = ocr.run("restart", "--all", "--reason", "it leaks")
    assert (code, err) == (0, ""), out
    assert ocr.kept("restarted") == ["ocr-base-db-1", "ocr-blue-api-1"]
    assert out.splitlines()[-1] == "api: healthy"
    (entry,) = ocr.log()
    assert (entry["outcome"], entry["reason"], entry["services"]) == ("restarted", "it leaks", ["api", "db"])
    assert not ocr.layout.lease.exists()
    told = json.loads(ocr.run("status", "--json")[1])
    assert told["attempts"][0] == entry
    assert "attempt_failed" not in {item["kind"] for item in told["problems"]}


def test_a_restart_is_refused_while_a_release_is_under_way(ocr: Stack) -> None:
    owner = {"actor": "ann@ctl", "host": "ctl", "since": "2026-11-21T04:00:00Z", "doing": "release r2"}
    with lease(ocr.layout, owner):
        code, out, err = ocr.run("restart", "api")
        assert "ann@ctl is at work since 2026-11-21T04:00:00Z: release r2" in ocr.run("status")[1]
    assert (code, out) == (1, "")
    assert err.startswith("ocr: Another run is working on this stack: ann@ctl from ctl, since 2026-11-21T04:00:00Z")
    assert (ocr.kept("restarted"), ocr.log()) == ([], [])


def test_a_restart_that_is_ended_from_outside_says_so_and_frees_the_stack(ocr: Stack) -> None:
    process = ocr.start("restart", "--all")
    assert process.stdout is not None
    assert process.stdout.readline() == "db: restarting ocr-base-db-1\n"
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "\nocr: interrupted.\n")
    assert "ocr-blue-api-1" not in ocr.kept("restarted")
    assert ocr.log()[0]["failure"]["kind"] == "interrupted"
    assert not ocr.layout.lease.exists()


def test_logs_go_on_after_a_hang_up_where_nohup_wants_it(ocr: Stack) -> None:
    process = subprocess.Popen(
        ["nohup", sys.executable, "-I", str(ocr.bin / "ocr"), "logs", "--follow"],
        env=ocr.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _line in range(4):
        process.stdout.readline()
    status = Path(f"/proc/{process.pid}/status").read_text()
    ignored = int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
    assert ignored & 1 << signal.SIGHUP - 1
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1]) == (130, "ocr: interrupted.")


# -- probation -------------------------------------------------------------------------------------------------------


def test_where_nothing_is_on_probation_the_watcher_says_so(ocr: Stack) -> None:
    assert ocr.run("probation") == (0, "nothing is on probation\n", "")


def test_a_watcher_that_is_killed_is_followed_by_one_that_keeps_the_release(ocr: Stack) -> None:
    ocr.layout.probation.write_text(
        json.dumps(
            {
                "schema": 1,
                "release": IDENTITY,
                "previous": "20261120T041500Z-00000000",
                "began": time.time(),
                "steady": time.monotonic(),
                "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
                "thresholds": {"seconds": 3, "interval": 0.2},
                "services": {},
                "containers": {},
                "before": {},
                "log": str(ocr.place / "access.log"),
                "marks": [],
                "options": {"wait_timeout": 5.0, "pull_timeout": 5.0, "keep": 5, "reserve": 1},
                "decision": None,
            }
        )
    )
    killed = ocr.start("probation")
    assert killed.stdout is not None
    assert f"{IDENTITY}: on probation until " in killed.stdout.readline()
    killed.kill()
    killed.communicate(timeout=30)
    code, out, _err = ocr.run("probation")
    assert (code, out.splitlines()[-1]) == (0, f"{IDENTITY}: it is kept")
    assert (ocr.log()[-1]["outcome"], ocr.log()[-1]["release"]) == ("kept", IDENTITY)
    assert not ocr.layout.probation.exists()


# -- the module ------------------------------------------------------------------------------------------------------


class Install:
    """A playbook that puts the command of a stack into a directory of this machine."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.path = place / "bin" / "ocr"

    def run(self, *options: str, **arguments: str) -> tuple[int, str]:
        places = {"root": str(self.place / "opt"), "directory": str(self.path.parent)}
        given = {"name": "ocr", "unit": False, **places, **arguments}  # a unit would be this machine's own
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [{"name": "Put the command in place", "drydock.serving.stack_command": given}],
        }
        playbook = self.place / "playbook.json"
        playbook.write_text(json.dumps([play]))
        done = subprocess.run(
            [PLAYBOOK, "-i", "localhost,", "-c", "local", *options, str(playbook)],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout


def test_it_is_put_in_place_once_and_runs(tmp_path: Path) -> None:
    install = Install(tmp_path)
    code, out = install.run("--check", "--diff")
    assert (code, install.path.exists()) == (0, False), out
    assert "changed=1" in out
    code, out = install.run("--diff")
    assert (code, stat.S_IMODE(install.path.stat().st_mode)) == (0, 0o755), out
    assert "+version " in out
    code, out = install.run("--check", "--diff")
    assert (code, "changed=0" in out) == (0, True), out
    told = subprocess.run([str(install.path), "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("drydock.serving ")
    code, out = install.run(state="absent")
    assert (code, install.path.exists()) == (0, False), out


def test_a_file_of_somebody_else_stays_and_the_reason_is_told(tmp_path: Path) -> None:
    install = Install(tmp_path)
    install.path.parent.mkdir()
    install.path.write_text("#!/bin/sh\necho mine\n")
    code, out = install.run()
    assert code == 2
    assert "was not written by this collection" in out
    assert install.path.read_text() == "#!/bin/sh\necho mine\n"


def test_a_name_that_is_no_stack_s_is_refused(tmp_path: Path) -> None:
    code, out = Install(tmp_path).run(name="../ocr")
    assert (code, "is not the name of a stack" in out) == (2, True), out
