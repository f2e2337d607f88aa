# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to an earlier release of a real stack, by the playbook and by the command on the host, cold and warm."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
ROLLBACK = SCENARIO.parents[1] / "playbooks" / "rollback.yml"
ROOT = "/opt/ocr"
CANARY = "canary-Vq8wT2mZ"
CHANGED = re.compile(r"^\S+\s*: ok=\d+\s+changed=(\d+)\s", re.MULTILINE)
# one request through nginx over a connection of its own: the status, and the colour that answered
ASK = """
import http.client, json, os, socket, ssl, time
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
def ask():
    raw = socket.create_connection(('127.0.0.1', 443), timeout=60)
    link = http.client.HTTPConnection('ocr.drydock.test')
    link.sock = context.wrap_socket(raw, server_hostname='ocr.drydock.test')
    link.request('GET', '/health/ready', headers={'Host': 'ocr.drydock.test', 'Connection': 'close'})
    answer = link.getresponse()
    body = answer.read()
    link.close()
    return answer.status if body else None, answer.getheader('X-Drydock-Upstream')
"""
# until it is told to stop; what was not a good answer is kept
LOAD = (
    ASK
    + """
good, bad = [], []
while not os.path.exists('/run/load.stop'):
    try:
        status, upstream = ask()
        (good if status == 200 else bad).append(upstream)
    except Exception as error:
        bad.append(repr(error))
    time.sleep(0.01)
json.dump({'good': len(good), 'bad': bad, 'seen': sorted(set(good))}, open('/run/load.json', 'w'))
"""
)


def play(playbook: Path, *arguments: str, **variables: Any) -> tuple[int, int, str]:
    """Exit status, number of changed tasks, everything it said."""
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, "-i", str(inventory), "-e", json.dumps(variables), *arguments, str(playbook)],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        cwd=SCENARIO.parents[1],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"},
    )
    changed = CHANGED.search(done.stdout)
    return done.returncode, int(changed.group(1)) if changed else -1, done.stdout + done.stderr


def deploy(release: str, *arguments: str, **variables: Any) -> None:
    """Both services with another variable in their environment, what served before kept warm."""
    environment = {"environment": {"RELEASE": release}}
    change = {"services": {"api": environment, "worker": environment}, "release": {"keep_warm": True}}
    code, changed, output = play(SCENARIO / "converge.yml", *arguments, stack_change=change, **variables)
    assert (code, changed) == (0, 1), output[-3000:]


def back(*arguments: str, **variables: Any) -> tuple[int, int, str]:
    return play(ROLLBACK, *arguments, stack={"name": "ocr"}, drydock_hosts="all", **variables)


def current(host: Host) -> dict[str, Any]:
    return dict(json.loads(host.file(f"{ROOT}/current/release.json").content_string))


def status(host: Host) -> dict[str, Any]:
    return dict(json.loads(host.check_output("ocr status --json")))


def inspected(host: Host, service: str) -> dict[str, Any]:
    """The container that serves."""
    name = current(host)["containers"][service]["name"]
    return dict(json.loads(host.check_output(f"docker inspect {name}"))[0])


def release_of(host: Host, service: str) -> str | None:
    found = [item for item in inspected(host, service)["Config"]["Env"] if item.startswith("RELEASE=")]
    return found[0].partition("=")[2] if found else None


def unfolded(output: str) -> str:
    """What was printed, without the line ends that the callback puts into long lines."""
    return " ".join(output.split())


def password(host: Host) -> str:
    """The value of a secret as the service that serves reads it."""
    name = current(host)["containers"]["api"]["name"]
    return str(host.check_output(f"docker exec {name} cat /run/secrets/redis_password"))


def ready(host: Host) -> bool:
    return bool(host.run(f"python3 -c {shlex.quote(ASK + 'raise SystemExit(ask()[0] != 200)')}").succeeded)


@pytest.fixture(scope="module", autouse=True)
def _put_right() -> Iterator[None]:
    """After these tests the plain stack serves again."""
    yield
    code, _changed, output = play(SCENARIO / "converge.yml", stack_change={})
    assert code == 0, output[-4000:]


def test_the_playbook_says_what_it_would_do_and_then_goes_back_as_a_whole(host: Host, tmp_path: Path) -> None:
    deploy("one")
    first, old = current(host)["id"], password(host)
    given = tmp_path / "secrets.json"
    given.write_text(json.dumps({"stack_secrets": {"redis_password": CANARY}}))
    deploy("two", "--extra-vars", f"@{given}")
    second = current(host)["id"]
    assert password(host) == CANARY

    code, changed, output = back("--check")
    assert (code, changed) == (0, 1), output[-3000:]
    assert f"{second} -> {first} (would be)" in unfolded(output)
    assert current(host)["id"] == second

    code, changed, output = back(reason="a test")
    assert (code, changed) == (0, 1), output[-3000:]
    record = current(host)
    assert f"{second} -> {first}, as {record['id']}" in unfolded(output)
    assert "would release that again" in unfolded(output)
    assert CANARY not in output
    assert (record["rolled_back_to"], record["rolled_back_from"], record["reason"]) == (first, second, "a test")
    assert (release_of(host, "api"), release_of(host, "worker")) == ("one", "one")
    assert password(host) == old
    assert ready(host)
    assert status(host)["rolled_back_to"] == first


def test_the_command_goes_back_warm_without_a_start_and_without_a_lost_request(host: Host) -> None:
    deploy("three")
    warm = inspected(host, "api")["Id"], inspected(host, "api")["State"]["StartedAt"]
    third = current(host)["id"]
    deploy("four")
    told = status(host)
    assert (told["ok"], told["back_to"], told["warm"]["release"]) == (True, third, third)
    host.check_output("rm -f /run/load.stop /run/load.json")
    host.check_output(f"systemd-run --unit=load-back python3 -c {shlex.quote(LOAD)}")
    try:
        output = host.check_output("ocr rollback --reason 'a test'")
    finally:
        host.check_output("touch /run/load.stop")
        host.check_output("timeout 90 sh -c 'until test -s /run/load.json; do sleep 0.2; done'")
    assert re.search(r"^switched after \d+\.\d\d s$", output, re.MULTILINE)
    assert output.index("switched after") < output.index("up …")
    assert (inspected(host, "api")["Id"], inspected(host, "api")["State"]["StartedAt"]) == warm
    assert (release_of(host, "api"), release_of(host, "worker")) == ("three", "three")
    loaded = json.loads(host.file("/run/load.json").content_string)
    assert loaded["bad"] == []
    assert loaded["good"] > 20
    assert len(loaded["seen"]) == 2
    assert status(host)["ok"]


def test_a_release_by_its_name_is_gone_back_to_and_one_that_is_not_there_is_refused(host: Host) -> None:
    left = current(host)["rolled_back_from"]
    code, changed, output = back(release=left)
    assert (code, changed) == (0, 1), output[-3000:]
    assert release_of(host, "api") == "four"
    code, _changed, output = back(release="20200101T000000Z-00000000")
    assert code == 2
    assert "There is no release 20200101T000000Z-00000000 on this host" in output
    assert ready(host)


def test_a_run_from_the_inventory_would_release_its_wish_again(host: Host) -> None:
    code, _changed, output = back()
    assert code == 0, output[-3000:]
    serving = current(host)["id"]
    environment = {"environment": {"RELEASE": "four"}}
    change = {"services": {"api": environment, "worker": environment}, "release": {"keep_warm": True}}
    code, changed, output = play(SCENARIO / "converge.yml", "--check", stack_change=change)
    assert (code, changed) == (0, 1), output[-3000:]
    assert current(host)["id"] == serving
