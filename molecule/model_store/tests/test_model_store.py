# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the host as root, and calls the module there again with what operators get wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host
from testinfra.modules.ansible import AnsibleException

CHECKOUT = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]).parents[1]
FILES = json.loads((CHECKOUT / "examples" / "ocr" / "models.json").read_text())["files"]
ORIGIN = json.loads((CHECKOUT / ".lab" / "facts.json").read_text())["lab_origin_url"]
ROOT = "/var/lib/drydock/models"
NONE = "0" * 64


def listed(path: str, **changes: Any) -> dict[str, Any]:
    file = FILES[path]
    url = f"{ORIGIN}/models/ocr/4.0/{path}"
    return {"path": path, "urls": [url], "checksum": f"sha256:{file['sha256']}", "size": file["size"], **changes}


def sync(host: Host, version: str, *files: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
    """The module on the host; a failure is its result too."""
    arguments = {"models": [{"name": "ocr", "version": version, "files": files}], "retries": 0, **options}
    try:
        found = host.ansible("drydock.serving.model_sync", json.dumps(arguments), check=check, become=True)
    except AnsibleException as error:
        found = error.result
    return dict(found)


def refused(host: Host, version: str, *files: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The result of a call that must not succeed."""
    result = sync(host, version, *files, **options)
    assert "failure" in result, result
    return result


def info(host: Host, *, check: bool = False, **options: Any) -> dict[str, Any]:
    """What model_info tells of the host."""
    return dict(
        host.ansible("drydock.serving.model_info", json.dumps({"root": ROOT, **options}), check=check, become=True)
    )


def digests(host: Host) -> dict[str, str]:
    """What an application finds under ``current``."""
    lines = host.check_output(f"cd {ROOT}/sets/ocr/current/ && sha256sum *.onnx").splitlines()
    return {path: digest for digest, path in (line.split() for line in lines)}


def names(host: Host) -> list[str]:
    """Every final name in the store."""
    return host.check_output(f"find {ROOT}/sets {ROOT}/blobs | sort").splitlines()


def test_an_application_finds_the_declared_bytes_and_their_manifest(host: Host) -> None:
    assert digests(host) == {path: file["sha256"] for path, file in FILES.items()}
    manifest = json.loads(host.file(f"{ROOT}/sets/ocr/current/manifest.json").content_string)
    assert (manifest["name"], manifest["version"]) == ("ocr", "4.0")
    assert {path: (file["sha256"], file["size"]) for path, file in manifest["files"].items()} == {
        path: (file["sha256"], file["size"]) for path, file in FILES.items()
    }


def test_everybody_may_read_and_nobody_may_write(host: Host) -> None:
    read = host.run(f"setpriv --reuid 10001 --regid 10001 --clear-groups cat {ROOT}/sets/ocr/current/det.onnx | wc -c")
    assert int(read.stdout) == FILES["det.onnx"]["size"]
    writable = f"find {ROOT}/sets {ROOT}/blobs -not -type l \\( -perm /022 -o -not -user root -o -type f -perm /200 \\)"
    assert host.check_output(writable) == ""


def test_nothing_is_left_half_done(host: Host) -> None:
    assert host.check_output(f"find {ROOT}/partial -type f; find {ROOT} -name '.drydock-*'") == ""


def test_a_wrong_digest_leaves_the_old_set_active_and_no_file_under_a_final_name(host: Host) -> None:
    before = names(host)
    failed = refused(host, "4.1", listed("det.onnx"), listed("cls.onnx", checksum=f"sha256:{NONE}"))
    assert failed["failure"]["kind"] == "checksum_mismatch"
    for part in ("ocr 4.1: cls.onnx", f"expected sha256:{NONE}", f"found sha256:{FILES['cls.onnx']['sha256']}", ORIGIN):
        assert part in failed["msg"]
    assert names(host) == before
    assert host.file(f"{ROOT}/sets/ocr/current").linked_to == f"{ROOT}/sets/ocr/4.0"
    assert digests(host) == {path: file["sha256"] for path, file in FILES.items()}
    test_nothing_is_left_half_done(host)


# What can be wrong with a source, the kind of the failure, and what the message says.
SOURCES = {
    "origin down": (f"{ORIGIN}:9/models/ocr/4.0/det.onnx", "unreachable", "Connection refused"),
    "no such file": (f"{ORIGIN}/models/ocr/4.0/absent.onnx", "not_found", "answered 404"),
}


@pytest.mark.parametrize("case", SOURCES)
def test_a_source_that_does_not_answer_is_named_with_a_next_step(host: Host, case: str) -> None:
    url, kind, says = SOURCES[case]
    before = names(host)
    failed = refused(host, "4.1", listed("det.onnx", urls=[url], checksum=f"sha256:{NONE}"))
    assert failed["failure"]["kind"] == kind
    assert says in failed["msg"]
    assert "What serves now is untouched. Next step:" in failed["msg"]
    assert names(host) == before


def test_a_host_without_room_is_told_so_in_check_mode_before_the_first_byte(host: Host) -> None:
    big = listed("det.onnx", checksum=f"sha256:{NONE}", size=10**15)
    failed = refused(host, "4.1", big, check=True)
    assert failed["failure"]["kind"] == "no_space"
    assert "needs 1000.0 TB in 1 file(s)" in failed["msg"]
    assert failed["bytes_fetched"] == 0


def test_a_model_without_a_digest_is_refused_and_named(host: Host) -> None:
    failed = refused(host, "4.1", {key: value for key, value in listed("det.onnx").items() if key != "checksum"})
    assert failed["failure"]["kind"] == "invalid_input"
    assert "models[0] (ocr).files[0] (det.onnx).checksum: is missing" in failed["msg"]


def test_a_flipped_byte_is_told_in_check_mode_and_mended_in_a_run(host: Host) -> None:
    wanted = [listed(path) for path in FILES]
    target = f"{ROOT}/sets/ocr/current/rec.onnx"
    before = {path: file["sha256"] for path, file in FILES.items()}
    assert host.run(f"printf X | dd of={target} bs=1 seek=1000 conv=notrunc").succeeded
    told = sync(host, "4.0", *wanted, check=True)
    assert told["changed"] is True
    assert [damaged["checksum"] for damaged in told["quarantined"]] == [f"sha256:{before['rec.onnx']}"]
    assert digests(host) != before
    mended = sync(host, "4.0", *wanted)
    assert [set_["state"] for set_ in mended["sets"]] == ["repaired"]
    assert digests(host) == before
    assert sync(host, "4.0", *wanted)["changed"] is False


def test_the_facts_are_what_the_disk_says(host: Host) -> None:
    told = info(host)
    assert told["changed"] is False
    count, size = host.check_output(
        f"find {ROOT}/blobs -type f -printf '%s\\n' | awk '{{n++; s+=$1}} END {{print n, s}}'"
    ).split()
    assert told["blobs"] == {"count": int(count), "bytes": int(size)}
    free = int(host.check_output(f"df --output=avail -B1 {ROOT} | tail -1"))
    assert free * 0.9 < told["free_bytes"] < free * 1.1  # others write to that disk, too
    (model,) = told["sets"]
    assert (model["name"], model["current"]) == ("ocr", "4.0")
    versions = host.check_output(f"find {ROOT}/sets/ocr -mindepth 1 -maxdepth 1 -type d -printf '%f\\n'").split()
    assert {version["version"] for version in model["versions"]} == set(versions)
    assert told["damaged"] == []


def test_a_version_that_is_mounted_somewhere_is_told_so(host: Host) -> None:
    place = host.check_output("mktemp -d")
    assert host.run(f"mount --bind {ROOT}/sets/ocr/4.0 {place}").succeeded
    try:
        assert [version["mounted"] for version in info(host)["sets"][0]["versions"]] == [True]
    finally:
        host.run(f"umount {place} && rmdir {place}")
    assert [version["mounted"] for version in info(host)["sets"][0]["versions"]] == [False]


def test_a_byte_that_flipped_on_the_disk_is_found_by_a_scrub_and_healed_by_the_next_run(host: Host) -> None:
    digest = FILES["rec.onnx"]["sha256"]
    blob = f"{ROOT}/blobs/sha256/{digest[:2]}/{digest}"
    spoil = (
        f"touch -r {blob} /tmp/then && printf X | dd of={blob} bs=1 seek=1000 conv=notrunc && touch -r /tmp/then {blob}"
    )
    assert host.run(spoil).succeeded
    assert info(host)["damaged"] == []  # names and sizes cannot tell
    told = info(host, scrub_budget="10GB", check=True)
    assert (told["changed"], told["damaged"][0]["moved_to"], host.file(blob).exists) == (False, None, True)
    found = info(host, scrub_budget="10GB")
    assert found["changed"] is True
    (damage,) = found["damaged"]
    assert damage["checksum"] == f"sha256:{digest}"
    assert damage["sets"] == [{"name": "ocr", "version": "4.0", "path": "rec.onnx"}]
    assert not host.file(blob).exists
    assert host.file(damage["moved_to"]).exists
    assert digests(host)["rec.onnx"] not in (digest, None)  # served until the next run
    assert info(host)["damaged"] != []
    healed = sync(host, "4.0", *(listed(path) for path in FILES))
    assert [set_["state"] for set_ in healed["sets"]] == ["repaired"]
    assert digests(host) == {path: file["sha256"] for path, file in FILES.items()}
    again = info(host, scrub_budget="10GB")
    assert (again["damaged"], again["changed"]) == ([], False)
