# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any step, the old or the new set serves, and the next run finishes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import DET, REC, Killed, Store, sha256


def _stop_at(count: int, steps: list[str]) -> Callable[[str], None]:
    def step(name: str) -> None:
        if len(steps) == count:
            raise Killed(name)
        steps.append(name)

    return step


def _assert_whole(store: Store, *allowed: dict[str, bytes]) -> None:
    """Everything under a final name is complete and right, and one of the allowed contents is active."""
    for blob in (store.root / "blobs" / "sha256").glob("*/*"):
        assert sha256(blob.read_bytes()) == blob.name
    assert store.active("ocr") in allowed
    manifest = json.loads((store.root / "sets/ocr/current/manifest.json").read_text())
    assert {path: value["sha256"] for path, value in manifest["files"].items()} == {
        path: sha256(data) for path, data in store.active("ocr").items()
    }


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("kind", ["new version", "same version", "repair"])
def test_killed_at_any_step_the_old_or_the_new_set_serves_and_the_next_run_finishes(
    make_store: Callable[[], Store], mounted: set[Path], kind: str, connections: int
) -> None:
    version = "2" if kind == "new version" else "1"
    new_files = {"det_onnx": DET, "tok__rec_onnx": REC}
    old, new = {"det.onnx": DET, "rec.onnx": b"one"}, {"det.onnx": DET, "tok/rec.onnx": REC}
    count = 0
    while True:
        store = make_store()
        store.keep = 1
        store.connections = connections
        if kind == "repair":
            model = store.model("ocr", "1", **new_files)
            store.sync(model)
            store.overwrite(store.root / "sets/ocr/1/det.onnx", b"rot")
            old = {"det.onnx": b"rot", "tok/rec.onnx": REC}
        else:
            store.sync(store.model("ocr", "1", det_onnx=DET, rec_onnx=b"one"))
            model = store.model("ocr", version, **new_files)
        steps: list[str] = []
        try:
            store.sync(model, step=_stop_at(count, steps))
            break
        except Killed:
            pass
        if kind == "repair":
            assert store.active("ocr") in (old, new)
        else:
            _assert_whole(store, old, new)
        store.sync(model)
        _assert_whole(store, new)
        assert store.sync(model)["changed"] is False
        assert store.blobs() == {sha256(DET), sha256(REC)}
        assert list(store.root.rglob(".drydock-*")) == []
        count += 1
    assert count > (4 if kind == "repair" else 8), steps


def test_what_a_killed_sync_fetched_and_nobody_wants_any_more_goes_with_what_it_built(store: Store) -> None:
    old = store.model("ocr", "1", a=b"1")
    store.sync(old)

    def step(name: str) -> None:
        if name in ("link b", "save receipts"):
            raise Killed(name)

    with pytest.raises(Killed):
        store.sync(store.model("ocr", "1", a=b"22", b=b"1"), step=step)
    store.sync(old)
    assert store.blobs() == {sha256(b"1")}
    assert store.sync(old)["changed"] is False


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["1", "2", "3"]),
            st.dictionaries(st.sampled_from(["a", "b", "d__e"]), st.sampled_from([b"1", b"22", b"333"]), min_size=1),
            st.one_of(st.none(), st.integers(0, 25)),
            st.sampled_from(["keep", "flip", "delete", "intrude", "scrub", "forget", "rewind", "advance", "record"]),
            st.sampled_from([1, 3]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_after_any_history_one_undisturbed_run_gives_exactly_what_is_wanted(
    make_store: Callable[[], Store],
    mounted: set[Path],
    history: list[tuple[str, dict[str, bytes], int | None, str, int]],
) -> None:
    store = make_store()
    store.releases = store.root.parent / "releases"
    recorded: set[str] = set()
    for version, files, kill, harm, store.connections in history:
        model = store.model("ocr", version, **files)
        try:
            store.sync(model, step=(lambda _name: None) if kill is None else _stop_at(kill, []))
        except Killed:
            continue
        target = next(path for path in sorted((store.root / "sets/ocr/current").rglob("*")) if path.is_file())
        if harm == "flip":
            store.overwrite(target, b"rotten")
        elif harm == "delete":
            target.unlink()
        elif harm == "intrude":
            (store.root / "sets/ocr/current/extra").write_bytes(b"x")
        elif harm == "scrub":
            store.overwrite(target, b"rotten")
            store.scrub()
        elif harm == "forget":
            store.layout.receipts.unlink(missing_ok=True)
        elif harm == "record":
            recorded.add(version)
            record = store.releases / version / "release.json"
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps({"models": {"ocr": {"version": version}}}))
        else:
            store.now += {"rewind": -(10**8), "advance": 10**8}.get(harm, 0)
    told = store.sync(model, check=True)
    done = store.sync(model)
    assert told["changed"] == done["changed"]
    assert store.active("ocr") == {path.replace("__", "/"): data for path, data in files.items()}
    assert len(set(store.versions("ocr")) - recorded) <= 2
    assert recorded <= set(store.versions("ocr"))
    assert {path.name for path in store.root.rglob(".drydock-*")} == set()
    assert store.sync(model)["changed"] is False
