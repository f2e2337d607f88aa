# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""model_info as a process of its own, on a store that model_sync made."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.tests.integration.model_host import CONTENT, SHA256, SIZE, Host, weights

ROOT = Path(__file__).resolve().parents[2]
MODULE = "ansible_collections.drydock.serving.plugins.modules.model_info"


@pytest.fixture
def machine(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    (tmp_path / "m").write_bytes(CONTENT)
    assert host.sync(f"file://{tmp_path}/m")["changed"] is True
    return host


def info(host: Host, *, check: bool = False, **options: Any) -> dict[str, Any]:
    given = {"root": str(host.store), "_ansible_check_mode": check, "_ansible_remote_tmp": str(host.root), **options}
    path = host.root / "info.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", MODULE, str(path)],
        cwd=host.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def rot(host: Host) -> Path:
    blob = host.store / "blobs" / "sha256" / SHA256[:2] / SHA256
    found = blob.stat()
    blob.chmod(0o600)
    with blob.open("r+b") as handle:
        handle.seek(SIZE // 2)
        byte = handle.read(1)
        handle.seek(SIZE // 2)
        handle.write(bytes([byte[0] ^ 1]))
        handle.flush()
        os.fsync(handle.fileno())
    blob.chmod(0o444)
    os.utime(blob, ns=(found.st_atime_ns, found.st_mtime_ns))
    return blob


def test_facts_then_a_scrub_then_nothing_new(machine: Host) -> None:
    told = info(machine)
    assert told["blobs"] == {"count": 1, "bytes": SIZE}
    assert (told["sets"][0]["name"], told["sets"][0]["current"]) == ("ocr", "1")
    assert (told["scrub"]["never"], told["scrub"]["bytes"], told["changed"]) == (1, 0, False)
    read = info(machine, scrub_budget="1GB")
    assert (read["scrub"]["bytes"], read["scrub"]["never"], read["changed"]) == (SIZE, 0, False)
    assert read["damaged"] == []
    assert info(machine)["scrub"]["last"] == read["scrub"]["last"]


def test_one_flipped_bit_is_found_moved_told_and_mended(machine: Host, tmp_path: Path) -> None:
    blob = rot(machine)
    told = info(machine, scrub_budget="1GB", check=True)
    assert (told["changed"], blob.exists()) == (False, True)
    found = info(machine, scrub_budget="1GB")
    assert (found["changed"], blob.exists()) == (True, False)
    assert found["damaged"][0]["sets"] == [{"name": "ocr", "version": "1", "path": "m.safetensors"}]
    assert "was moved to" in json.dumps(found["warnings"])
    assert machine.active() != CONTENT
    done = machine.sync(f"file://{tmp_path}/m")
    assert done["sets"][0]["state"] == "repaired"
    assert machine.active() == CONTENT
    assert info(machine, scrub_budget="1GB")["damaged"] == []


def test_a_store_that_is_held_is_told_of_and_left_alone(machine: Host) -> None:
    rot(machine)
    with (machine.store / "state" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = info(machine, scrub_budget="1GB", lock_timeout=0)
    assert told["sets"][0]["current"] == "1"
    assert told["scrub"]["skipped"]
    assert (told["changed"], told["scrub"]["files"]) == (False, 0)


def test_reading_a_big_file_takes_little_memory(machine: Host, tmp_path: Path) -> None:
    data = weights(64 * 1024 * 1024, seed=3)
    (tmp_path / "big").write_bytes(data)
    machine.sync(f"file://{tmp_path}/big", version="2", sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from ansible_collections.drydock.serving.plugins.module_utils._model_store.reading import read_through\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(read_through(Path(sys.argv[1]))[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    digest = hashlib.sha256(data).hexdigest()
    blob = machine.store / "blobs" / "sha256" / digest[:2] / digest
    done = subprocess.run([sys.executable, "-c", code, str(blob)], capture_output=True, text=True, check=True)
    found, kilobytes = done.stdout.split()
    assert found == digest
    assert int(kilobytes) < 8 * 1024


@pytest.mark.parametrize(
    ("options", "kind"), [({"scrub_budget": "a lot"}, "invalid_input"), ({"lock_timeout": -1}, "invalid_input")]
)
def test_what_cannot_be_read_is_refused_with_its_name(machine: Host, options: dict[str, Any], kind: str) -> None:
    failed = info(machine, **options)
    assert failed["failure"]["kind"] == kind
    assert next(iter(options)) in failed["msg"]
    assert failed.keys() >= {"sets", "blobs", "scrub", "damaged"}


def test_the_nightly_playbook_looks_at_every_host_and_then_ends_with_2_for_damage(
    tmp_path: Path, machine: Host
) -> None:
    other = Host(tmp_path / "other")
    other.root.mkdir()
    assert other.sync(f"file://{tmp_path}/m")["changed"] is True
    hosts = {"rotten": {"place": str(machine.store)}, "sound": {"place": str(other.store)}}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    extra = {
        "drydock_hosts": "all",
        "stack_model": {"paths": {"models": "{{ place }}"}},
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "hosts.json")]
    command += ["-e", json.dumps(extra), str(ROOT / "playbooks" / "scrub.yml")]

    def night() -> tuple[int, str]:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    assert night()[0] == 0
    rot(machine)
    (machine.store / "state" / "scrub.json").unlink()
    (other.store / "state" / "scrub.json").unlink()
    code, output = night()
    assert code == 2, output
    assert "ocr 1: m.safetensors: expected sha256:" in output
    assert (machine.store / "state" / "scrub.json").exists()
    assert (other.store / "state" / "scrub.json").exists()
    assert night()[0] == 2  # until it is mended
    machine.sync(f"file://{tmp_path}/m")
    assert night()[0] == 0
