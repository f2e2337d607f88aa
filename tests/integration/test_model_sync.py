# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""model_sync as a process of its own, against a real server that misbehaves on purpose."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.drydock.serving.tests.integration.misbehaving_origin import Origin, serving
from ansible_collections.drydock.serving.tests.integration.model_host import CONTENT, SHA256, SIZE, Host, weights
from ansible_collections.drydock.serving.tests.integration.own_authority import own_authority

if TYPE_CHECKING:
    from ansible_collections.drydock.serving.tests.integration.conftest import Target

TOKEN = "tr0ub4dor-and-3"
SIGNATURE = "X-Signature=5up3rs3cr3t"
OLD = weights(300, seed=3)


@pytest.fixture
def machine(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with serving(CONTENT) as running:
        yield running


def test_check_apply_and_apply_again(machine: Host, origin: Origin) -> None:
    told = machine.sync(origin.url("good"), check=True)
    assert (told["changed"], told["bytes_fetched"], machine.store.exists()) == (True, 0, False)
    done = machine.sync(origin.url("good"))
    assert (done["changed"], done["bytes_fetched"], machine.active()) == (True, SIZE, CONTENT)
    again = machine.sync(origin.url("good"))
    assert (again["changed"], again["bytes_fetched"], len(origin.requests)) == (False, 0, 1)
    assert told.keys() == done.keys() == again.keys()
    assert origin.requests[0].headers["accept-encoding"] == "identity"


def test_a_local_file_is_a_source_too(machine: Host, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(CONTENT)
    machine.sync(f"file://{tmp_path}/m.safetensors")
    assert machine.active() == CONTENT


# Faults after which the right bytes must be there.
SURVIVED = [
    "breaks",
    "closes-early",
    "ignores-ranges",
    "other-offset",
    "refuses-ranges",
    "changes",
    "no-length",
    "redirects-elsewhere",
    "busy",
]


@pytest.mark.parametrize("fault", SURVIVED)
def test_a_fault_that_can_be_survived_ends_in_the_right_bytes(machine: Host, origin: Origin, fault: str) -> None:
    origin.elsewhere = origin.url("good")
    done = machine.sync(origin.url(fault))
    assert done["changed"] is True, done["msg"]
    assert machine.active() == CONTENT


def test_a_broken_connection_is_gone_on_with_and_nothing_is_sent_twice(machine: Host, origin: Origin) -> None:
    done = machine.sync(origin.url("breaks"))
    asked = [(request.headers.get("range"), request.headers.get("if-range")) for request in origin.requests]
    assert asked[0] == (None, None)
    assert all(begin and begin.startswith("bytes=") and etag == '"v1"' for begin, etag in asked[1:])
    assert len(asked) >= 3
    assert done["bytes_fetched"] == SIZE


# Faults that end in a clear failure when nobody else has the file: kind, what the message says, how often it was asked.
ENDED = {
    "wrong": (
        "checksum_mismatch",
        f"expected sha256:{SHA256}, found sha256:{hashlib.sha256(bytes(SIZE)).hexdigest()}",
        1,
    ),
    "page": ("size_mismatch", f"expected {SIZE} bytes, found 18 of HTML", 1),
    "chunked-page": ("size_mismatch", "found 6 of HTML", 1),
    "too-long": ("size_mismatch", "found more", 1),
    "gzip": ("bad_response", "encoded as 'gzip'", 1),
    "absent": ("not_found", "answered 404", 1),
    "unauthorized": ("refused", "answered 401", 1),
    "down-for-long": ("unreachable", "asked to wait 86400 s", 1),
    "redirects-to-file": ("bad_response", "only http and https are followed", 1),
    "redirects-for-ever": ("bad_response", "more than 10 times", 11),
    "stalls": ("stalled", "stopped sending", 2),
}


@pytest.mark.parametrize("fault", ENDED)
def test_a_fault_that_cannot_be_survived_is_named_and_the_old_set_serves(
    machine: Host, origin: Origin, tmp_path: Path, fault: str
) -> None:
    kind, says, asked = ENDED[fault]
    (tmp_path / "old").write_bytes(OLD)
    machine.sync(f"file://{tmp_path}/old", sha256=hashlib.sha256(OLD).hexdigest(), size=len(OLD), version="0")
    before = machine.final_names()
    failed = machine.sync(origin.url(fault), retries=1, stall_timeout=0.5)
    assert (failed["failed"], failed["changed"], failed["failure"]["kind"]) == (True, False, kind)
    assert says in failed["msg"]
    assert origin.url(fault) in failed["msg"]
    assert len(origin.asked(fault)) == asked
    assert machine.final_names() == before
    assert machine.active() == OLD


@pytest.mark.parametrize("fault", ["page", "absent", "stalls"])
def test_the_next_source_is_tried_when_the_first_has_a_fault(machine: Host, origin: Origin, fault: str) -> None:
    machine.sync(origin.url(fault), origin.url("good"), retries=0, stall_timeout=0.5)
    assert machine.active() == CONTENT


def test_an_origin_that_is_down_is_named_with_the_number_of_tries(machine: Host) -> None:
    with serving(CONTENT) as gone:
        address = gone.url("good")
    failed = machine.sync(address, retries=2)
    assert failed["failure"]["kind"] == "unreachable"
    assert f"{address}: Connection refused (3 tries)" in failed["msg"]
    assert "Next step" in failed["msg"]
    assert set(failed) >= {"sets", "bytes_fetched", "planned_bytes", "quarantined", "collected", "changed", "msg"}


def test_a_server_that_asks_for_a_pause_gets_it(machine: Host, origin: Origin) -> None:
    started = time.monotonic()
    machine.sync(origin.url("busy"))
    assert time.monotonic() - started >= 2
    assert len(origin.requests) == 3


def test_killed_in_the_middle_the_next_run_goes_on_where_it_was(machine: Host, origin: Origin) -> None:
    def slow(sent: int) -> None:
        time.sleep(0.01)  # so that the module keeps pace
        if sent > SIZE * 0.6:
            process.send_signal(signal.SIGKILL)

    origin.during = slow
    process = machine.start(origin.url("good"))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert machine.final_names() == []
    origin.during = lambda _sent: None
    done = machine.sync(origin.url("good"))
    assert machine.active() == CONTENT
    # what was not yet in the journal (less than one step) and in the sockets is asked again
    assert done["bytes_fetched"] <= SIZE * 0.4 + (1 << 20) + (256 << 10)
    assert origin.requests[-1].headers["range"].startswith("bytes=")


def test_two_syncs_at_once_fetch_once(machine: Host, origin: Origin) -> None:
    origin.during = lambda _sent: time.sleep(0.01)
    first, second = machine.start(origin.url("good")), machine.start(origin.url("good"))
    results = [json.loads(process.communicate(timeout=60)[0]) for process in (first, second)]
    assert sorted(result["changed"] for result in results) == [False, True]
    assert sum(result["bytes_fetched"] for result in results) == SIZE
    assert machine.active() == CONTENT


def test_the_second_sync_gives_up_after_its_bound_and_says_for_whom_it_waited(machine: Host, origin: Origin) -> None:
    process: subprocess.Popen[str] | None = None
    late: list[dict[str, Any]] = []

    def meanwhile(sent: int) -> None:
        if sent > SIZE // 2 and not late:
            late.append({})
            late[0].update(machine.sync(origin.url("good"), version="2", lock_timeout=0.2))

    origin.during = meanwhile
    process = machine.start(origin.url("good"))
    process.communicate(timeout=60)
    assert late[0]["failure"]["kind"] == "busy"
    assert f"process {process.pid} of " in late[0]["msg"]
    assert machine.active() == CONTENT


def test_a_token_goes_to_its_origin_only_and_no_secret_is_printed(target: Target, origin: Origin) -> None:
    file = {"path": "m.safetensors", "checksum": f"sha256:{SHA256}", "size": SIZE}
    owner = {
        "owner": str(os.getuid()),
        "group": str(os.getgid()),
        "headers": {origin.url("").rstrip("/"): {"Authorization": f"Bearer {TOKEN}"}},
    }
    with serving(CONTENT) as other:
        origin.elsewhere = other.url("good")
        listed = {**file, "urls": [origin.url(f"redirects-elsewhere?{SIGNATURE}")]}
        done = target.play("-vvv", "--diff", models=[{"name": "ocr", "version": "1", "files": [listed]}], **owner)
        refused = {**file, "checksum": f"sha256:{'0' * 64}", "urls": [origin.url(f"page?{SIGNATURE}")]}
        failed = target.play("-vvv", "--diff", models=[{"name": "ocr", "version": "2", "files": [refused]}], **owner)
    assert done.rc == 0, done.output
    assert failed.rc == 2
    assert origin.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert "authorization" not in other.requests[0].headers
    assert SIGNATURE in origin.requests[0].path
    for play in (done, failed):
        assert TOKEN not in play.output
        assert "5up3rs3cr3t" not in play.output


def test_credentials_in_an_address_are_refused_and_not_repeated(machine: Host, origin: Origin) -> None:
    failed = machine.sync(f"http://me:{TOKEN}@localhost:{origin.port}/good")
    assert failed["failure"]["kind"] == "invalid_input"
    assert TOKEN not in json.dumps(failed)
    assert origin.requests == []


def test_a_netrc_file_is_not_asked_for_credentials(machine: Host, origin: Origin, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine localhost login me password {TOKEN}\n")
    (tmp_path / ".netrc").chmod(0o600)
    machine.sync(origin.url("good"), environment={"HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")})
    assert "authorization" not in origin.requests[0].headers


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    return own_authority(tmp_path)


def test_tls_is_verified_against_the_given_authority(machine: Host, authority: tuple[Path, ssl.SSLContext]) -> None:
    path, context = authority
    with serving(CONTENT, tls=context) as secure:
        failed = machine.sync(secure.url("good", scheme="https"))
        assert failed["failure"]["kind"] == "tls"
        assert "certificate not accepted" in failed["msg"]
        assert "tries)" not in failed["msg"]
        machine.sync(secure.url("good", scheme="https"), ca_path=str(path))
    assert machine.active() == CONTENT


def test_without_the_library_a_check_still_tells_the_plan_and_a_run_says_what_to_install(
    machine: Host, origin: Origin, tmp_path: Path
) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "requests.py").write_text("raise ImportError('not here')\n")
    environment = {"PYTHONPATH": str(tmp_path / "bare")}
    assert machine.sync(origin.url("good"), check=True, environment=environment)["changed"] is True
    failed = machine.sync(origin.url("good"), environment=environment)
    assert failed["failure"]["kind"] == "requests_missing"
    assert "apt-get install python3-requests" in failed["msg"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    place = tmp_path / "models"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"may not mount a small file system here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_up_meanwhile_ends_it_and_the_room_is_given_back(
    machine: Host, origin: Origin, small_disk: Path
) -> None:
    def fill(sent: int) -> None:
        if sent > SIZE // 2:
            with (small_disk / "other").open("ab") as other:
                other.write(bytes(1 << 20))

    def fill_quietly(sent: int) -> None:
        try:
            fill(sent)
        except OSError:
            return

    origin.during = fill_quietly
    failed = machine.sync(origin.url("good"))
    assert failed["failure"]["kind"] == "no_space"
    assert "the disk became full" in failed["msg"]
    assert machine.final_names() == []
    assert sum(path.stat().st_size for path in (small_disk / "partial").iterdir()) < 1000
    (small_disk / "other").unlink()
    origin.during = lambda _sent: None
    machine.sync(origin.url("good"))
    assert machine.active() == CONTENT


def test_a_file_too_big_for_the_disk_is_refused_before_it_is_asked_for(
    machine: Host, origin: Origin, small_disk: Path
) -> None:
    failed = machine.sync(origin.url("good"), size=50_000_000)
    assert failed["failure"]["kind"] == "no_space"
    assert f"needs 50.0 MB in 1 file(s) and 0 bytes in reserve, has 8.4 MB free on {small_disk}" in failed["msg"]
    assert origin.requests == []
