# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store under real harm: processes killed and racing, a full disk, links that somebody planted, many files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.tests.integration.model_host import MODULE, weights

PIECE = 32 * 1024


class Files(BaseHTTPRequestHandler):
    """Serves bytes by path, ranges too, one piece after the other, as slowly as asked."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]
    pause = 0.0

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        data = self.files[self.path]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = (int(asked[1]), int(asked[2] or len(data) - 1) + 1) if asked else (0, len(data))
        end = min(end, len(data))
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(end - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        self.end_headers()
        with contextlib.suppress(OSError):
            for at in range(start, end, PIECE):
                time.sleep(self.pause)
                self.wfile.write(data[at : min(at + PIECE, end)])


class Machine:
    """A store, and models whose files an origin has."""

    def __init__(self, root: Path, store: Path | None = None) -> None:
        self.root = root
        self.store = store or root / "models"
        self.handler: type[Files] = type("Handler", (Files,), {"files": {}})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def model(self, name: str, version: str, files: dict[str, bytes]) -> dict[str, Any]:
        listed = []
        for path, data in files.items():
            place = f"/{name}/{version}/{path}"
            self.handler.files[place] = data
            listed.append(
                {
                    "path": path,
                    "urls": [f"http://127.0.0.1:{self.server.server_port}{place}"],
                    "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}",
                    "size": len(data),
                }
            )
        return {"name": name, "version": version, "files": listed}

    def start(self, *models: dict[str, Any], **options: Any) -> subprocess.Popen[str]:
        given = {
            "root": str(self.store),
            "models": list(models),
            "owner": str(os.getuid()),
            "group": str(os.getgid()),
            "reserve": "0",
            "retries": 0,
            "_ansible_remote_tmp": str(self.root),
            "_ansible_check_mode": options.pop("check", False),
            **options,
        }
        path = self.root / f"arguments-{time.monotonic_ns()}.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, str(path)],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sync(self, *models: dict[str, Any], **options: Any) -> dict[str, Any]:
        return self.end(self.start(*models, **options))

    def end(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        output, errors = process.communicate(timeout=120)
        assert "Traceback" not in output + errors, output + errors
        return dict(json.loads(output))

    def assert_whole(self) -> None:
        """Whatever has a final name has the right bytes; whatever is current is a whole set."""
        for blob in (self.store / "blobs").glob("sha256/*/*"):
            if blob.parent.is_symlink():
                continue
            assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
        for current in (self.store / "sets").glob("*/current"):
            for path, value in json.loads((current / "manifest.json").read_text())["files"].items():
                assert hashlib.sha256((current / path).read_bytes()).hexdigest() == value["sha256"]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    running = Machine(tmp_path)
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"may not mount a small file system here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_moment_with_many_connections_the_old_or_the_new_set_serves(machine: Machine, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a fixed seed, so that a failure can be seen again
    old = {f"f{index}.safetensors": weights(5000 + index, seed=index) for index in range(4)}
    machine.sync(machine.model("ocr", "1", old))
    sizes = [700_000, 300_000, 60_000, 4_000, 3_000, 2_000, 1_000]
    new = {f"d/f{index}.safetensors": weights(size, seed=size) for index, size in enumerate(sizes)}
    model = machine.model("ocr", "2", new)
    machine.handler.pause = 0.01
    for _kill in range(4):
        process = machine.start(model, connections=6)
        time.sleep(chance.uniform(0.25, 1.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        machine.assert_whole()
    done = machine.sync(model, connections=6)
    assert "failure" not in done, done
    machine.assert_whole()
    assert (machine.store / "sets/ocr/current").readlink() == Path("2")
    assert machine.sync(model)["changed"] is False
    assert [path.name for path in machine.store.rglob(".drydock-*")] == []
    assert list((machine.store / "partial").iterdir()) == []


def test_two_syncs_race_for_the_same_name_and_both_end_right(machine: Machine) -> None:
    machine.handler.pause = 0.005
    models = [
        machine.model(
            "ocr", version, {"m.safetensors": weights(400_000, seed=seed), "s.safetensors": weights(900, seed=9)}
        )
        for seed, version in enumerate(("1", "2"))
    ]
    running = [machine.start(model, keep=2) for model in models]
    results = [machine.end(process) for process in running]
    assert [result["changed"] for result in results] == [True, True]
    waited = [result["waited_for"] for result in results]
    pids = [process.pid for process in running]
    assert any(words and any(f"process {pid} " in words for pid in pids) for words in waited), waited
    machine.assert_whole()
    assert len(list((machine.store / "blobs").glob("sha256/*/*"))) == 3
    assert not (machine.store / "state" / "status.json").exists()


def test_the_status_file_tells_how_far_it_is_while_it_runs(machine: Machine) -> None:
    machine.handler.pause = 0.05
    model = machine.model("ocr", "1", {"m.safetensors": weights(2_000_000)})
    process = machine.start(model, connections=1)
    status, deadline = machine.store / "state" / "status.json", time.monotonic() + 30
    while not status.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    seen = json.loads(status.read_text())
    assert (seen["phase"], seen["pid"], seen["files_total"], seen["bytes_total"]) == (
        "fetch",
        process.pid,
        1,
        2_000_000,
    )
    assert "failure" not in machine.end(process)
    assert not status.exists()


def test_old_versions_are_not_given_up_for_room_that_a_new_one_needs(small_disk: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path, store=small_disk / "models")
    for version in ("1", "2"):
        machine.sync(machine.model("ocr", version, {"m.safetensors": weights(2_000_000, seed=int(version))}))
    third = machine.model(
        "ocr", "3", {f"{index}.safetensors": weights(1_500_000, seed=9 + index) for index in range(4)}
    )
    told = machine.sync(third, check=True)
    failed = machine.sync(third)
    assert told["failure"]["kind"] == failed["failure"]["kind"] == "no_space"
    assert "Another 2.0 MB would come free after it" in failed["msg"]
    assert (failed["changed"], failed["bytes_fetched"]) == (False, 0)
    assert (machine.store / "sets/ocr/current").readlink() == Path("2")
    machine.assert_whole()


def test_somebody_who_fills_the_disk_meanwhile_leaves_the_old_set_and_gets_the_room_back(
    small_disk: Path, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, store=small_disk / "models")
    machine.handler.pause = 0.02
    machine.sync(machine.model("ocr", "1", {"m.safetensors": weights(1_000_000)}))
    new = machine.model("ocr", "2", {f"{index}.safetensors": weights(1_500_000, seed=index) for index in range(4)})
    process = machine.start(new, connections=4)
    while not list((machine.store / "partial").glob("*.part")):
        time.sleep(0.02)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 4_000_000)
    failed = machine.end(process)
    assert failed["failure"]["kind"] == "no_space", failed
    assert "what serves now is untouched" in failed["msg"].lower()
    machine.assert_whole()
    assert (machine.store / "sets/ocr/current").readlink() == Path("1")
    assert [path.name for path in machine.store.rglob(".drydock-*")] == []
    left = sum(path.stat().st_blocks * 512 for path in (machine.store / "partial").iterdir())
    named = sum(path.stat().st_size for path in (machine.store / "blobs").glob("sha256/*/*")) - 1_000_000
    assert left + named < 3_100_000, (left, named)
    filler.unlink()
    machine.handler.pause = 0.0
    assert "failure" not in machine.sync(new)
    machine.assert_whole()


def busy() -> float:
    """Seconds that processes of ours kept a processor busy; those on the wall depend on who else is at work."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_ten_thousand_small_files_come_in_seconds_and_then_cost_little(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    source = tmp_path / "source"
    source.mkdir()
    files = []
    for index in range(10_000):
        data = f'{{"number": {index}}}'.encode()
        (source / f"{index}.json").write_bytes(data)
        files.append(
            {
                "path": f"{index % 100}/{index}.json",
                "urls": [f"file://{source}/{index}.json"],
                "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}",
                "size": len(data),
            }
        )
    model = {"name": "many", "version": "1", "files": files}
    began = busy()
    done = machine.sync(model)
    took = busy() - began
    assert "failure" not in done, done["msg"]
    assert len(list((machine.store / "sets/many/1").glob("*/*.json"))) == 10_000
    began = busy()
    assert machine.sync(model)["changed"] is False
    again = busy() - began
    assert took < 40, took
    assert again < 5, again


# What somebody with a shell may have left inside the store, as "place: what it leads to".
PLANTED = [
    "sets/ocr/2",
    "sets/ocr/.drydock-2.x",
    "partial/{sha}.part",
    "partial/{sha}.json",
    "blobs/sha256/{prefix}",
    "blobs/sha256/{prefix}/{sha}",
    "state/receipts.json",
    "state/status.json",
    "state/lock",
]


@pytest.mark.parametrize("place", PLANTED)
def test_a_link_that_somebody_planted_is_never_written_through(machine: Machine, tmp_path: Path, place: str) -> None:
    data = weights(3000, seed=4)
    sha = hashlib.sha256(data).hexdigest()
    machine.sync(machine.model("ocr", "1", {"m.safetensors": weights(1000)}))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    path = machine.store / place.format(sha=sha, prefix=sha[:2])
    directory = path.parent.name in ("ocr", "sha256")
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(outside if directory else outside / "file")
    result = machine.sync(machine.model("ocr", "2", {"m.safetensors": data}))
    assert [one.name for one in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "precious"
    if "failure" in result:
        assert result["failure"]["kind"] in ("store_damaged", "io_error"), result["msg"]
        assert (machine.store / "sets/ocr/current").readlink() == Path("1")
    machine.assert_whole()
