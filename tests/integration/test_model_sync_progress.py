# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A download of model_sync as the operator sees it: shown, interrupted, killed, gone on with."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.tests.slow_origin import SlowOrigin, serving_slowly

SIZE = 6_000_000
CONTENT = b"one line of the model\n" * (SIZE // 22) + b"\n" * (SIZE % 22)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TOKEN = "tr0ub4dor-and-3"
SIGNATURE = "X-Signature=5up3rs3cr3t"
PLAYBOOK = Path(__file__).parent / "targets" / "model_sync_progress" / "playbook.yml"
RANGE = 16 * 1024 * 1024


@dataclass
class Site:
    """Hosts that are this machine, with everything they write below one directory."""

    root: Path
    origin: SlowOrigin
    hosts: tuple[str, ...] = ("one",)
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *options: str, **variables: Any) -> list[str]:
        file = {
            "path": "m.txt",
            "urls": [f"http://127.0.0.1:{self.origin.port}/m.txt?{SIGNATURE}"],
            "checksum": f"sha256:{SHA256}",
            "size": SIZE,
        }
        extra = {
            "root": str(self.root / "stores"),
            "models": [{"name": "ocr", "version": "1", "files": [file]}],
            "owner": str(os.getuid()),
            "group": str(os.getgid()),
            "headers": {f"http://127.0.0.1:{self.origin.port}": {"Authorization": f"Bearer {TOKEN}"}},
            "kept": str(self.root),
            "ansible_python_interpreter": sys.executable,
            "ansible_async_dir": str(self.root / "jobs"),
            "ansible_remote_tmp": str(self.root / "remote"),
            **variables,
        }
        extra = {name: value for name, value in extra.items() if value is not None}
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return [
            program,
            "-i",
            ",".join((*self.hosts, "")),
            "-c",
            "local",
            "-e",
            json.dumps(extra),
            *options,
            str(PLAYBOOK),
        ]

    def surroundings(self) -> dict[str, str]:
        settings = self.root / "ansible.cfg"
        settings.write_text("[defaults]\ninject_invocation = true\n", encoding="utf-8")
        own = {"ANSIBLE_CONFIG": str(settings), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(self.root / "home")}
        return {**os.environ, **own, "DRYDOCK_PROGRESS": "", **self.environment}

    def start(self, *options: str, **variables: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*options, **variables),
            cwd=self.root,
            env=self.surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def play(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*options, **variables)
        output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess([], process.returncode, output, errors)

    def result(self, host: str = "one") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / f"{host}.json").read_text(encoding="utf-8"))
        return found

    def model(self, host: str = "one") -> bytes:
        return (self.root / "stores" / host / "sets" / "ocr" / "current" / "m.txt").read_bytes()

    def status(self, host: str = "one") -> dict[str, Any]:
        """The status file, once there is one."""
        path = self.root / "stores" / host / "state" / "status.json"
        for _attempt in range(300):
            if path.exists():
                found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                return found
            time.sleep(0.1)
        raise AssertionError("no status file after 30 s")

    def left(self) -> list[str]:
        """Files of jobs and modules that are still there, once whatever ends by itself has ended."""
        for _attempt in range(100):
            there = [path for name in ("jobs", "remote") for path in (self.root / name).rglob("*")]
            found = [str(path) for path in there if path != self.root / "jobs" / "drydock"]
            if not found:
                break
            time.sleep(0.1)
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving_slowly(CONTENT, rate=1_500_000) as origin:
        yield Site(tmp_path, origin)


def shown(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("progress: ")]


def test_a_log_shows_a_download_in_lines_and_the_result_is_the_modules_own(site: Site) -> None:
    told = site.play("--check", "--diff")
    assert site.result()["changed"] is True
    assert f"+m.txt sha256:{SHA256} {SIZE} bytes" in told.stdout
    assert (site.origin.paths, shown(told.stdout)) == ([], [])
    checked = site.result()

    done = site.play("--diff")
    assert done.returncode == 0, done.stdout
    assert f"+m.txt sha256:{SHA256} {SIZE} bytes" in done.stdout
    lines = shown(done.stdout)
    assert 2 <= len(lines) <= 12, done.stdout
    assert " % of 6.0 MB, " in lines[0]
    assert f", from http://127.0.0.1:{site.origin.port}" in lines[0]
    result = site.result()
    assert (result["changed"], result["bytes_fetched"], result["pending"]) == (True, SIZE, False)
    assert result.keys() == checked.keys()
    assert site.model() == CONTENT

    again = site.play()
    assert (site.result()["changed"], site.result().keys()) == (False, checked.keys())
    assert shown(again.stdout) == []
    assert site.origin.sent == SIZE
    assert site.left() == []


def test_no_secret_is_printed_or_left_behind_or_in_the_list_of_processes(site: Site) -> None:
    process = site.start("-vvv", "--diff")
    site.origin.wait_until_sent(SIZE / 2)
    listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    jobs = [line for line in listed.splitlines() if "async_wrapper" in line and str(site.root) in line]
    assert jobs
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert site.origin.headers[0]["authorization"] == f"Bearer {TOKEN}"
    assert SIGNATURE in site.origin.paths[0]
    everything = {"output": output + errors, "result": json.dumps(site.result()), "processes": "\n".join(jobs)}
    for name, text in everything.items():
        assert TOKEN not in text, name
        assert "5up3rs3cr3t" not in text, name
    assert site.left() == []
    written = [
        path for path in site.root.rglob("*") if path.is_file() and "5up3rs3cr3t" in path.read_text(errors="replace")
    ]
    assert written == []


def test_the_modules_file_with_the_secrets_is_gone_while_the_download_still_runs(site: Site) -> None:
    site.origin.rate = 600_000
    process = site.start()
    site.origin.wait_until_sent(SIZE * 0.9)
    assert list((site.root / "remote").rglob("AnsiballZ_*")) == []
    process.communicate(timeout=120)
    assert process.returncode == 0


QUIET: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "the option": ({"progress": "off"}, {}),
    "the option, as YAML reads it": ({"progress": False}, {}),
    "the environment": ({}, {"DRYDOCK_PROGRESS": "off"}),
}


@pytest.mark.parametrize("how", QUIET)
def test_quiet_is_quiet(site: Site, how: str) -> None:
    variables, site.environment = QUIET[how]
    site.origin.rate = 10_000_000
    done = site.play(**variables)
    assert done.returncode == 0, done.stdout
    assert "progress" not in done.stdout + done.stderr
    assert site.result()["changed"] is True


def test_an_output_for_programs_stays_readable_and_lines_may_go_beside_it(site: Site) -> None:
    site.environment = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = site.play(progress="lines")
    assert json.loads(done.stdout)["stats"]["one"]["changed"] == 2, done.stdout
    assert shown(done.stderr) != []


def on_a_terminal(site: Site, *options: str, interrupt: bool = False) -> tuple[str, int]:
    """Everything written to a terminal, and the exit status."""
    process, terminal = pty.fork()
    if not process:
        os.chdir(site.root)
        command = site.command(*options)
        os.execve(command[0], command, {**site.surroundings(), "TERM": "xterm"})  # noqa: S606 - in the fork that has the terminal
    pieces: list[str] = []
    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            pieces.append(os.read(terminal, 65536).decode())
            if not pieces[-1]:
                break
            if interrupt and " % of " in pieces[-1]:
                interrupt = False
                # not in the moment in which the worker has its line in the queue to the first process: killed in there,
                # it would leave that queue locked, which is ansible-core's own race
                time.sleep(0.5)
                os.write(terminal, b"\x03")
    except OSError:  # how Linux says that nobody has the terminal open any more
        pass
    finally:
        os.close(terminal)
    _process, status = os.waitpid(process, 0)
    return "".join(pieces), os.waitstatus_to_exitcode(status)


def screen(output: str) -> list[str]:
    """The lines that a terminal shows in the end."""
    rows: list[str] = [""]
    row = column = 0
    for part in output.replace("\x1b[J", "\0").replace("\x1b[A", "\1").replace("\r\r\n", "\r\n"):
        if part == "\0":
            rows[row:] = [rows[row][:column]]
        elif part == "\1":
            row -= 1
        elif part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            rows += [""] * (row + 1 - len(rows))
        else:
            rows[row] = rows[row].ljust(column)[:column] + part + rows[row][column + 1 :]
            column += 1
    return rows


def test_a_terminal_shows_all_hosts_in_place_and_nothing_is_left_of_it(site: Site) -> None:
    site.hosts = ("one", "two")
    site.origin.rate = 3_000_000
    output, code = on_a_terminal(site)
    assert code == 0, output
    assert "2 hosts: " in output
    assert "progress: " not in output
    rows = screen(output)
    assert sum("hosts: " in line or "% of" in line for line in rows) == 0, rows
    assert {"changed: [one]", "changed: [two]"} <= set(rows), rows


def test_results_over_many_lines_stay_whole_on_a_terminal(site: Site) -> None:
    site.hosts = ("one", "two")
    site.environment = {"ANSIBLE_STDOUT_CALLBACK": "minimal"}
    site.origin.rate = 4_000_000
    output, code = on_a_terminal(site)
    assert code == 0, output
    assert "2 hosts: " in output
    rows = screen(output)
    assert sum("hosts: " in line or "% of" in line for line in rows) == 0, rows
    begin = rows.index("one | CHANGED => {")
    found = json.loads("\n".join(["{", *rows[begin + 1 : rows.index("}", begin)], "}"]))
    assert (found["changed"], found["bytes_fetched"]) == (True, SIZE)


def test_an_output_of_one_line_for_each_host_has_no_other_lines(site: Site) -> None:
    site.environment = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline"}
    site.origin.rate = 4_000_000
    done = site.play(kept=None)
    if "Could not load" in done.stderr:
        pytest.skip("this ansible-core no longer has it")
    assert done.returncode == 0, done.stdout
    lines = [line for line in done.stdout.splitlines() if line]
    assert lines[0].startswith("one | CHANGED => {")
    assert [line for line in lines if not line.startswith("one | ")] == []


def test_interrupted_it_says_what_goes_on_and_the_next_run_waits_for_it(site: Site) -> None:
    site.origin.rate = 900_000
    output, code = on_a_terminal(site, interrupt=True)
    assert code == 99, output
    assert "The download of models goes on by itself on one." in output
    running = site.status()["pid"]
    done = site.play()
    assert done.returncode == 0, done.stdout
    assert f"progress: [one] waits for process {running}, which works on the same store" in done.stdout
    assert site.model() == CONTENT
    assert site.origin.sent == SIZE


def test_a_controller_that_is_killed_loses_nothing(site: Site) -> None:
    site.origin.rate = 900_000
    process = site.start()
    site.origin.wait_until_sent(SIZE * 0.3)
    process.kill()
    process.communicate(timeout=60)
    done = site.play()
    assert done.returncode == 0, done.stdout
    assert "waits for process" in done.stdout
    assert site.model() == CONTENT
    assert site.origin.sent <= SIZE * 1.01 + RANGE
    assert site.origin.sent == SIZE


def test_a_module_that_is_killed_on_its_host_is_started_again(site: Site) -> None:
    site.origin.rate = 1_000_000
    process = site.start()
    site.origin.wait_until_sent(SIZE * 0.4)
    os.kill(site.status()["pid"], signal.SIGKILL)
    output, _errors = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert (
        "progress: [one] the download broke off: it ended without a result, as when it is killed. Going on." in output
    )
    assert site.result()["changed"] is True
    assert site.model() == CONTENT
    assert site.left() == []


def test_a_tasks_own_timeout_ends_the_waiting_and_not_the_download(site: Site) -> None:
    site.origin.rate = 1_000_000
    done = site.play(limit=5)
    assert done.returncode == 2, done.stdout
    assert "no longer watched" in done.stdout
    assert "Timed out after 5 second(s)" in done.stdout + done.stderr
    assert site.play().returncode == 0
    assert site.origin.sent == SIZE


def test_with_async_it_is_a_module_like_any_other(site: Site) -> None:
    done = site.play(background=60)
    assert done.returncode == 0, done.stdout
    assert shown(done.stdout) == []
    assert site.result()["changed"] is True
    assert site.result()["ansible_job_id"]


def test_a_failure_is_the_modules_own(site: Site) -> None:
    site.origin.rate = 10_000_000
    site.origin.content = CONTENT[:-1] + b"x"
    done = site.play()
    assert done.returncode == 2
    assert "expected sha256:" in done.stdout, done.stdout
    assert "ansible_job_id" not in done.stdout
    assert site.left() == []


def test_with_everything_in_place_the_host_is_asked_no_more_than_by_ping(site: Site) -> None:
    site.origin.rate = 100_000_000
    assert site.play().returncode == 0
    idle = site.play("-vvv", kept=None)
    command = [word for word in site.command("-vvv") if word != str(PLAYBOOK)]
    command[0] = command[0].removesuffix("-playbook")
    ping = subprocess.run(
        [*command, "-m", "ping", "all"],
        cwd=site.root,
        env=site.surroundings(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert idle.stdout.count("EXEC ") == ping.stdout.count("EXEC ") > 0
