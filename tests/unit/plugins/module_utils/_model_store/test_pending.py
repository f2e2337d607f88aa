# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call without sources, the status for those who wait, and what is told of sources."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _lock
from ansible_collections.drydock.serving.plugins.module_utils._download.progress import Meter
from ansible_collections.drydock.serving.plugins.module_utils._model_store import blobs
from ansible_collections.drydock.serving.plugins.module_utils._model_store.status import Status

from .conftest import DET, REC, Store, failure, sha256


def test_without_sources_what_needs_none_is_done(store: Store) -> None:
    old, new = store.model("ocr", "1", m=DET), store.model("ocr", "2", m=REC)
    store.sync(old)
    store.sync(new)
    result = store.sync(old, fetch=False)
    assert (result["pending"], result["changed"]) == (False, True)
    assert store.active("ocr") == {"m": DET}


def test_without_sources_nothing_is_changed_when_one_is_needed(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    before = store.snapshot()
    store.origin.asked.clear()
    new = store.model("ocr", "2", m=REC)
    result = store.sync(new, fetch=False)
    assert (result["pending"], result["changed"], result["diff"]) == (True, False, [])
    assert result["planned_bytes"] == len(REC)
    assert store.snapshot() == before
    assert store.origin.asked == []
    assert store.sync(new)["pending"] is False


def test_in_check_mode_it_tells_both(store: Store) -> None:
    result = store.sync(store.model("ocr", "1", m=DET), fetch=False, check=True)
    assert (result["pending"], result["changed"]) == (True, True)
    assert not store.root.exists()


def test_what_was_hashed_is_not_hashed_again_by_the_call_that_fetches(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    store.layout.receipts.unlink()
    new = store.model("ocr", "2", m=DET, n=REC)
    assert store.sync(new, fetch=False)["pending"] is True
    monkeypatch.setattr(blobs, "hash_file", lambda _path: pytest.fail("hashed again"))
    assert store.sync(new)["changed"] is True


def test_nor_does_it_wait_for_another_sync_to_remember_that(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    store.layout.receipts.unlink()
    with _lock.held(store.layout.lock, timeout=0):
        assert store.sync(store.model("ocr", "2", m=DET, n=REC), fetch=False)["pending"] is True
    assert not store.layout.receipts.exists()


@pytest.mark.parametrize("url", ["hf://acme/ocr@v4.0/m", "s3://bucket/m?versionId=1", "oci://registry/ocr@sha256:0"])
def test_an_address_for_the_controller_counts_only_when_it_must_be_asked(store: Store, url: str) -> None:
    model = store.model("ocr", "1", m=DET)
    store.sync(model)
    model["files"][0]["urls"] = [url]
    assert store.sync(model)["changed"] is False
    other = store.model("ocr", "2", m=REC)
    other["files"][0]["urls"] = [url]
    assert store.sync(other, fetch=False)["pending"] is True
    assert store.sync(other, check=True)["changed"] is True
    error = failure(store, other)
    assert (error.kind, "hf, s3 or oci" in error.message) == ("invalid_input", True)


def test_credentials_in_such_an_address_are_refused_too(store: Store) -> None:
    model = store.model("ocr", "1", m=DET)
    model["files"][0]["urls"] = ["s3://me:s3cr3t@bucket/m"]
    error = failure(store, model)
    assert "carries credentials" in error.message
    assert "s3cr3t" not in error.message


def test_the_result_says_who_sent_how_much(store: Store) -> None:
    result = store.sync(store.model("ocr", "1", m=DET, n=REC))
    assert result["sources"] == [{"source": "https://origin.example", "bytes": len(DET) + len(REC), "failures": 0}]
    assert store.sync(store.model("ocr", "1", m=DET, n=REC))["sources"] == []


def test_who_was_waited_for_is_told_and_shown(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    seen: list[dict[str, Any]] = []
    lock = _lock.held(store.layout.lock, timeout=0)
    lock.__enter__()

    def sleep(_seconds: float) -> None:
        seen.append(json.loads(store.layout.status.read_text()))
        lock.__exit__(None, None, None)

    store.sleep = sleep
    result = store.sync(store.model("ocr", "2", m=REC))
    assert result["waited_for"].startswith(f"process {os.getpid()} of ")
    assert [(one["phase"], one["waiting_for"]) for one in seen] == [("wait", result["waited_for"])]
    assert not store.layout.status.exists()


def test_the_status_of_the_sync_that_works_is_not_hidden_by_one_that_waits(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    content = {"schema": 1, "pid": os.getpid() + 1, "updated": 1000.0, "phase": "fetch"}
    store.layout.status.write_text(json.dumps(content))
    waiting = Status(store.layout.status, now=lambda: 1003.0)
    waiting.wait("process 12 of root")
    assert json.loads(store.layout.status.read_text()) == content
    waiting.end()
    assert store.layout.status.exists()
    Status(store.layout.status, now=lambda: 1060.0).wait("process 12 of root")  # its writer is gone
    assert json.loads(store.layout.status.read_text())["phase"] == "wait"


def test_the_status_counts_and_only_root_reads_it(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    status = Status(store.layout.status, now=lambda: 1000.0)
    meter = Meter(monotonic=lambda: 0.0)
    meter.begin(3, 100)
    meter.update("ocr 1: m", 40, "https://origin.example:8443/ocr/m?…")
    status.fetch(meter.snapshot())
    found = json.loads(store.layout.status.read_text())
    assert (found["bytes_done"], found["bytes_total"], found["files_total"]) == (40, 100, 3)
    assert (found["phase"], found["pid"], found["waiting_for"]) == ("fetch", os.getpid(), None)
    assert store.layout.status.stat().st_mode & 0o777 == 0o600
    status.fetch(meter.snapshot(), "lab-1 and 2 more")
    assert json.loads(store.layout.status.read_text())["waiting_for"] == "lab-1 and 2 more"


def test_a_status_that_cannot_be_written_stops_nothing(store: Store) -> None:
    Status(store.root / "not" / "there" / "status.json", now=lambda: 1.0).place()


def test_no_status_and_no_blob_is_left_by_a_failure(store: Store) -> None:
    model = store.model("ocr", "1", m=DET)
    store.origin.files.clear()
    failure(store, model)
    assert not store.layout.status.exists()
    assert sha256(DET) not in store.blobs()
