# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that go wrong on a real engine: what served goes on serving, and the failure tells why.

Each run is the module as a process of its own, on a stack below a temporary directory.
"""

from __future__ import annotations

import copy
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.golden import golden_files

from lab.checkout import this_checkout
from lab.docker import Docker
from lab.engine import ensure_engine
from lab.images import services_image
from tests.compose import with_compose

pytestmark = pytest.mark.lab

MODULE = "ansible_collections.drydock.serving.plugins.modules.release"
STACK = "drydock-failing"
# Answers every request with what it is told; Debian's own perl, as the image has no other language.
SERVER = """
use strict; use IO::Socket::INET; $| = 1; $SIG{TERM} = sub { exit 0 };
my $body = $ENV{SAYS}; my $listening = IO::Socket::INET->new(LocalPort => 8000, Listen => 9, ReuseAddr => 1) or die;
print "listening\\n";
while (my $client = $listening->accept) {
    my ($line, $length) = (scalar <$client>, 0);
    while (my $header = <$client>) { last if $header =~ /^\\r$/; $length = $1 if $header =~ /^content-length: (\\d+)/i }
    read($client, my $sent, $length) if $length;
    my $status = $line =~ /ready/ ? $ENV{READY} : "200 OK";
    print $client "HTTP/1.1 $status\\r\\nConnection: close\\r\\nContent-Length: " . length($body) . "\\r\\n\\r\\n$body";
    close $client;
}
"""
GOLDEN = {
    "path": "/v1/read",
    "method": "POST",
    "headers": {},
    "body": "a page",
    "status": [200],
    "json": {"text": "INVOICE"},
    "timeout": 5,
    "attempts": 2,
}
RIGHT = '{"text": "INVOICE"}'
ARM64 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00\x01\x00\x00\x00" + bytes(200)
ANSWERS = {"SAYS": RIGHT, "READY": "200 OK"}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Site:
    """One stack of one service on this machine's engine."""

    def __init__(self, place: Path, docker: Docker, image: str) -> None:
        self.place = place
        self.docker = docker
        self.ports = {"blue": free_port(), "green": free_port()}
        self.service: dict[str, Any] = {
            "image": image,
            "user": "10001:10001",
            "port": 8000,
            "host_ports": self.ports,
            "routes": ["/"],
            "stop_grace_period": 2,
            "command": ["perl", "-e", SERVER],
            "environment": dict(ANSWERS),
            "health": {"path": "/ready", "interval": 1, "timeout": 2, "retries": 5, "start_period": 5},
        }
        self.service["health"]["golden"] = GOLDEN

    @property
    def root(self) -> Path:
        return self.place / "opt"

    def changed(self, **changes: Any) -> dict[str, Any]:
        """The service with something else about it."""
        return {**copy.deepcopy(self.service), **changes}

    def release(self, service: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Run the module; what it returned."""
        wanted = service or self.service
        stack: dict[str, Any] = {
            "name": STACK,
            "paths": {"root": str(self.root), "secrets": str(self.place / "etc" / "secrets")},
            "services": {"api": wanted},
        }
        files = [{"dest": "services/compose.yaml", "content": compose(wanted)}, *golden_files(stack["services"])]
        given = {"stack": stack, "files": files, "reserve": 1, "wait_timeout": 60, "pull_timeout": 20, **options}
        arguments = self.place / "arguments.json"
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**given, "_ansible_remote_tmp": str(self.place)}}))
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(arguments)],
            cwd=self.place,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def failed(self, service: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """A release that does not succeed: what served before answers as it did."""
        result = self.release(service, **options)
        assert result.get("failed"), result
        assert self.answer() == RIGHT
        assert not (self.root / "state" / "journal.json").exists()
        return result

    def answer(self, colour: str = "blue") -> str:
        """What the service says in this colour."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[colour]}/v1/read", timeout=5) as answer:
            return str(answer.read().decode())

    def evidence(self, result: Mapping[str, Any]) -> dict[str, str]:
        """The files of a bundle by their names."""
        folder = Path(result["failure"]["evidence"])
        assert str(folder) in result["msg"]
        return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}

    def remove(self) -> None:
        found = self.docker.lines("ps", "--all", "--quiet", "--filter", f"label=drydock.stack={STACK}")
        if found:
            self.docker("rm", "--force", *found)
        networks = self.docker.lines("network", "ls", "--quiet", "--filter", f"label=drydock.stack={STACK}")
        if networks:
            self.docker("network", "rm", *networks)


def compose(service: Mapping[str, Any]) -> str:
    """The same as the role's template has, as far as it matters here; YAML takes JSON."""
    unit = {
        "image": service["image"],
        "user": service["user"],
        "init": True,
        "restart": "unless-stopped",
        "mem_limit": service.get("memory", "64m"),
        "memswap_limit": service.get("memory", "64m"),
        "command": service["command"],
        "environment": service["environment"],
        "stop_grace_period": f"{service['stop_grace_period']}s",
        "ports": [f"127.0.0.1:${{PORT_API:?}}:{service['port']}"],
        "networks": ["default"],
        "labels": {"drydock.stack": STACK, "drydock.secrets": "${SECRETS_API:?}", "drydock.models": "${MODELS_API:?}"},
    }
    unit["command"] = [word.replace("$", "$$") for word in service["command"]]
    lines = ["services:", "  api:", *(f"    {key}: {json.dumps(value)}" for key, value in unit.items())]
    return "\n".join([*lines, "networks:", "  default:", '    name: "${NETWORK:?}"', "    external: true"])


@pytest.fixture(scope="module", name="engine")
def _engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """This machine's engine, with the Compose that lab hosts have: a machine's own engine often comes without."""
    checkout = this_checkout()
    docker = ensure_engine(checkout)
    environment = with_compose(checkout, docker, tmp_path_factory.mktemp("docker"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield docker


@pytest.fixture(scope="module", name="image")
def _image(engine: Docker) -> str:
    return services_image(this_checkout(), engine)


@pytest.fixture
def site(tmp_path: Path, engine: Docker, image: str) -> Iterator[Site]:
    """A stack that serves."""
    found = Site(tmp_path, engine, image)
    found.remove()
    try:
        result = found.release()
        assert not result.get("failed"), result["msg"]
        assert found.answer() == RIGHT
        yield found
    finally:
        found.remove()


def test_a_golden_answer_that_is_wrong_though_the_status_is_200(site: Site) -> None:
    result = site.failed(site.changed(environment={**ANSWERS, "SAYS": '{"text": "1NV0ICE"}'}))
    assert result["failure"]["kind"] == "golden_wrong"
    assert "text is '1NV0ICE' instead of 'INVOICE'" in result["msg"]
    assert site.evidence(result)["golden-api.answer"] == '{"text": "1NV0ICE"}'


def test_a_service_that_never_gets_healthy(site: Site) -> None:
    result = site.failed(site.changed(environment={**ANSWERS, "READY": "503 Busy"}))
    assert result["failure"]["kind"] == "unhealthy"
    assert "HTTP 503 instead of 200" in result["msg"]
    kept = site.evidence(result)
    assert "listening" in kept["api.log"]
    assert "HTTP 503" in kept["timeline.txt"]
    assert f"sudo docker logs --timestamps {STACK}-green-api-1" in kept["summary.txt"]


def test_a_container_that_needs_more_memory_than_it_may_have(site: Site) -> None:
    hog = "sleep 1; my @all; push @all, 'x' x 1000000 while 1;"
    result = site.failed(site.changed(command=["perl", "-e", hog], memory="32m"))
    assert result["msg"].splitlines()[0].startswith("The service api was killed for memory: its limit is 32 MiB")
    (cause,) = result["failure"]["causes"]
    assert (cause["oom_killed"], cause["memory"]) == (True, 32 * 1024**2)
    kept = site.evidence(result)
    assert f"{STACK}-green-api-1  oom" in kept["events.txt"]
    assert "killed for memory" in kept["summary.txt"]


@pytest.mark.parametrize(("script", "code"), [("echo so be it; exit 3", 3), ("sleep 1; kill -9 $$", 137)])
def test_a_container_that_ends_again_and_again(site: Site, script: str, code: int) -> None:
    result = site.failed(site.changed(command=["sh", "-c", script]))
    assert result["failure"]["kind"] == "unhealthy"
    assert f"The service api ended with exit code {code}" in result["msg"].splitlines()[0]
    kept = site.evidence(result)
    assert f"die, exit code {code}" in kept["events.txt"]
    if code == 3:
        assert "so be it" in kept["api.log"]


def test_a_program_for_another_kind_of_processor(site: Site, engine: Docker, image: str) -> None:
    name, program = "drydock-test/other-processor:1", site.place / "program"
    program.write_bytes(
        b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00\x01\x00\x00\x00" + bytes(200)
    )  # of arm64
    program.chmod(0o755)
    made = engine("create", image, "true").stdout.strip()
    try:
        engine("cp", str(program), f"{made}:/program")
        engine("commit", made, name)
        result = site.failed(site.changed(image=name, command=["/program"]))
        assert "its program is for another kind of processor" in result["msg"].splitlines()[0]
    finally:
        site.remove()
        engine("rm", "--force", made)
        engine("image", "rm", "--force", name, check=False)


def test_an_image_that_no_registry_has(site: Site) -> None:
    result = site.failed(site.changed(image=f"127.0.0.1:{free_port()}/nothing:1"))
    assert (result["failure"]["kind"], result["failure"]["step"]) == ("registry_unreachable", "images")
    assert not result["changed"]


def test_a_port_that_a_foreign_process_has(site: Site) -> None:
    with socket.socket() as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        foreign.bind(("127.0.0.1", site.ports["green"]))
        foreign.listen()
        result = site.failed(site.changed(environment={**ANSWERS, "N": "1"}))
    assert result["failure"]["kind"] == "port_taken"
    assert "ss -lntup" in result["msg"]
    assert not site.release(site.changed(environment={**ANSWERS, "N": "1"})).get("failed")


def test_a_foreign_container_of_a_name_that_is_ours(site: Site, engine: Docker, image: str) -> None:
    name = f"{STACK}-green-api-1"
    engine("run", "--detach", "--name", name, image, "sleep", "300")
    try:
        result = site.failed(site.changed(environment={**ANSWERS, "N": "1"}))
        assert name in result["msg"]
        assert engine.lines("inspect", "--format", "{{.State.Running}}", name) == ["true"]
    finally:
        engine("rm", "--force", name)


def test_a_foreign_network_of_a_name_that_is_ours(tmp_path: Path, engine: Docker, image: str) -> None:
    site = Site(tmp_path, engine, image)
    site.remove()
    engine("network", "create", f"{STACK}-green")
    try:
        result = site.release()
        assert result["failure"]["kind"] == "network_foreign"
        assert f"{STACK}-green" in result["msg"]
        assert engine.lines("network", "ls", "--quiet", "--filter", f"name={STACK}-green")
    finally:
        site.remove()
        engine("network", "rm", f"{STACK}-green")


def test_a_release_directory_that_was_edited_by_hand(site: Site) -> None:
    before = site.release(_ansible_check_mode=True)
    assert not before["changed"]
    path = site.root / "current" / "services" / "compose.yaml"
    path.write_text(path.read_text().replace("64m", "48m"))
    told = site.release(_ansible_check_mode=True)
    assert "change the file services/compose.yaml" in told["actions"]
    result = site.release()
    assert (result["changed"], result["moved"]) == (True, {})
    assert "48m" not in (site.root / "current" / "services" / "compose.yaml").read_text()
    assert site.answer() == RIGHT
    assert not site.release()["changed"]


def test_a_journal_that_was_cut_and_one_from_a_newer_version(site: Site) -> None:
    journal = site.root / "state" / "journal.json"
    journal.write_text('{"release": "2026')
    result = site.release()
    assert result["changed"], result
    assert not journal.exists()
    assert site.answer() == RIGHT
    journal.write_text(json.dumps({"schema": 99, "release": "x", "step": "y", "previous": None, "hash": ""}))
    result = site.release()
    assert result["failure"]["kind"] == "state_unreadable"
    assert "newer version" in result["msg"]
    assert journal.exists()
    assert site.answer() == RIGHT


def test_a_clock_that_was_set_back(site: Site) -> None:
    current = site.root / "current"
    late = "20991231T235959Z-00000000"
    record = json.loads((current / "release.json").read_text())
    (site.root / "releases" / record["id"]).rename(site.root / "releases" / late)
    (site.root / "releases" / late / "release.json").write_text(json.dumps({**record, "id": late}))
    current.unlink()
    current.symlink_to(f"releases/{late}")
    for number in range(3):
        result = site.release(site.changed(environment={**ANSWERS, "N": str(number)}), keep=1)
        assert not result.get("failed"), result["msg"]
        time.sleep(1.1)  # another second: the module's clock is the machine's
    there = sorted(path.name for path in (site.root / "releases").iterdir())
    assert late not in there
    assert current.resolve().name in there
    assert len(there) == 2
