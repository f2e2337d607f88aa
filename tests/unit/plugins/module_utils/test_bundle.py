# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle is written the same for the same models, read where it lies, and trusted in nothing."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _bundle
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import HttpSettings, SourceError, WebTransport
from ansible_collections.drydock.serving.plugins.plugin_utils import _model_bundle
from ansible_collections.drydock.serving.plugins.plugin_utils._model_bundle import Outcome, Wish, make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._formats.samples import JSON, SAFETENSORS, TEXT

FILES = {"model.safetensors": SAFETENSORS, "config.json": JSON, "README.md": TEXT, "copy/config.json": JSON}
LOCK: dict[str, Any] = {"ocr": {"version": "4.0", "source": None, "files": {}}}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Site:
    """A controller: files to fetch, a cache, a medium."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.origin, self.cache, self.path = root / "origin", root / "cache", root / "usb" / "models.tar"
        self.path.parent.mkdir()
        self.told: list[str] = []
        self.warned: list[str] = []
        for path, content in FILES.items():
            (self.origin / path).parent.mkdir(parents=True, exist_ok=True)
            (self.origin / path).write_bytes(content)

    def models(self, **more: Any) -> list[dict[str, Any]]:
        files = [
            {
                "path": path,
                "urls": [f"file://{self.origin}/{path}"],
                "checksum": f"sha256:{sha256(content)}",
                "size": len(content),
            }
            for path, content in FILES.items()
        ]
        return [{"name": "ocr", "version": "4.0", "files": files, "formats": None, "exempt": [], **more}]

    def make(self, models: list[dict[str, Any]] | None = None, *, check: bool = False, **more: Any) -> Outcome:
        wish = Wish(
            models=self.models() if models is None else models,
            lock=LOCK,
            **{"path": self.path, "cache": self.cache, "headers": {}, **more},
        )
        return make(wish, check=check, tell=self.told.append, warn=self.warned.append)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def member(path: Path, content: bytes) -> bytes:
    descriptor, offset, size = _bundle.open_member(path, sha256(content))
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)


def test_a_bundle_holds_every_blob_once_and_the_lock(site: Site) -> None:
    outcome = site.make()
    assert (outcome.changed, outcome.blobs, outcome.size) == (True, 3, site.path.stat().st_size)
    assert outcome.fetched == outcome.missing == len(SAFETENSORS) + len(JSON) + len(TEXT)
    for content in FILES.values():
        assert member(site.path, content) == content
    assert b"models_lock:\n  ocr:" in _bundle.read_lock(site.path)
    told = json.loads(_bundle.read_index(site.path))["models"]
    assert [item["path"] for item in told[0]["files"]] == sorted(FILES)


def test_it_is_an_ordinary_archive_of_tar(site: Site) -> None:
    site.make()
    with tarfile.open(site.path) as archive:
        names = archive.getnames()
        assert names[:2] == ["drydock-bundle.json", "models.lock.yml"]
        assert names[2:] == sorted(f"blobs/sha256/{sha256(each)[:2]}/{sha256(each)}" for each in set(FILES.values()))
        for item in archive.getmembers():
            assert (item.isfile(), item.mode, item.uid, item.gid, item.mtime) == (True, 0o444, 0, 0, 0)


def test_a_member_of_nine_gibibytes_has_a_header_that_tar_reads() -> None:
    header = tarfile.TarInfo.frombuf(_bundle.member_header("blobs/x", 9 << 30), "ascii", "strict")
    assert (header.name, header.size, header.type) == ("blobs/x", 9 << 30, tarfile.REGTYPE)


def test_the_same_models_give_the_same_bytes_in_whatever_order(site: Site, tmp_path: Path) -> None:
    site.make()
    models = site.models()
    models[0]["files"].reverse()
    other = tmp_path / "other.tar"
    assert site.make(models, path=other).fetched == 0
    assert other.read_bytes() == site.path.read_bytes()


def test_a_second_run_changes_and_fetches_nothing(site: Site) -> None:
    site.make()
    before = site.path.stat()
    site.told.clear()
    assert site.make() == Outcome(changed=False, blobs=3, size=before.st_size)
    assert (site.path.stat(), site.told) == (before, [])


def test_check_mode_says_and_writes_nothing(site: Site) -> None:
    outcome = site.make(check=True)
    assert (outcome.changed, outcome.fetched, outcome.missing > 0) == (True, 0, True)
    assert not site.path.exists()
    assert not site.cache.exists()


def test_a_new_version_fetches_only_what_is_new(site: Site) -> None:
    site.make()
    content = b'{"model_type": "other"}'
    (site.origin / "config.json").write_bytes(content)
    models = site.models(version="5.0")
    models[0]["files"] = [
        {**item, "checksum": f"sha256:{sha256(content)}", "size": len(content)}
        if item["path"] == "config.json"
        else item
        for item in models[0]["files"]
    ]
    outcome = site.make(models)
    assert (outcome.changed, outcome.fetched) == (True, len(content))
    assert member(site.path, content) == content


def test_a_blob_that_rotted_in_the_cache_is_fetched_again(site: Site) -> None:
    site.make()
    site.path.unlink()
    blob = site.cache / "blobs" / "sha256" / sha256(JSON)[:2] / sha256(JSON)
    kept = blob.stat()
    blob.chmod(0o600)
    blob.write_bytes(JSON[:-2] + b"!\n")
    os.utime(blob, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert site.make().changed
    assert member(site.path, JSON) == JSON


def test_bytes_that_change_while_they_are_copied_never_get_into_a_bundle(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make(path=site.root / "first.tar")
    real = _model_bundle._copy
    spoilt: list[Path] = []

    def copy(blob: Path, archive: Any, digest: str, size: int) -> None:
        if not spoilt:
            spoilt.append(blob)
            blob.chmod(0o600)
            blob.write_bytes(b"\0" * size)
        real(blob, archive, digest, size)

    monkeypatch.setattr(_model_bundle, "_copy", copy)
    assert site.make().changed
    assert site.warned
    for content in FILES.values():
        assert member(site.path, content) == content


def test_a_failure_leaves_the_old_bundle_and_no_remains(site: Site) -> None:
    site.make()
    before = site.path.read_bytes()
    models = site.models()
    models[0]["files"][0] = {**models[0]["files"][0], "checksum": f"sha256:{'ab' * 32}"}
    with pytest.raises(DrydockError, match="could not be fetched"):
        site.make(models)
    assert site.path.read_bytes() == before
    assert [path.name for path in site.path.parent.iterdir()] == ["models.tar"]


def test_what_a_killed_run_left_is_removed_and_what_another_run_writes_is_not(site: Site) -> None:
    left, held, other = (
        site.path.parent / f".drydock-{name}" for name in ("models.tar.x1", "models.tar.x2", "b.tar.x3")
    )
    for place in (left, held, other):
        place.write_bytes(b"x" * 100)
    with held.open("rb") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        site.make(check=True)
        assert left.exists()
        site.make()
    assert not left.exists()
    assert held.exists()
    assert other.exists()


def test_a_pickle_does_not_get_into_a_bundle(site: Site) -> None:
    harm = b"cos\nsystem\n(S'id'\ntR."
    (site.origin / "model.bin").write_bytes(harm)
    file = {
        "path": "model.bin",
        "urls": [f"file://{site.origin}/model.bin"],
        "checksum": f"sha256:{sha256(harm)}",
        "size": len(harm),
    }
    with pytest.raises(DrydockError, match="found a pickle") as caught:
        site.make(site.models(files=[file]))
    assert caught.value.kind == "format_refused"
    assert not site.path.exists()


def test_room_is_checked_before_anything_is_fetched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_model_bundle, "free_bytes", lambda _place: 100)
    with pytest.raises(DrydockError, match="Not enough room for the bundle") as caught:
        site.make()
    assert caught.value.kind == "no_space"
    assert not site.cache.exists()


def test_only_a_bundle_is_ever_replaced(site: Site) -> None:
    site.path.write_bytes(b"my thesis")
    with pytest.raises(DrydockError, match=r"is no bundle.*so it is not replaced"):
        site.make()
    assert site.path.read_bytes() == b"my thesis"


def test_half_a_bundle_is_replaced(site: Site) -> None:
    site.make()
    whole = site.path.read_bytes()
    site.path.write_bytes(whole[:-600])
    assert site.make().changed
    assert site.path.read_bytes() == whole


def test_a_medium_that_is_not_there_is_told(site: Site) -> None:
    with pytest.raises(DrydockError, match=r"is not a directory.*mount the medium"):
        site.make(path=site.root / "nowhere" / "models.tar")


def test_no_models_make_no_bundle(site: Site) -> None:
    with pytest.raises(DrydockError, match="There is no model"):
        site.make([])


# reading


def fetched(path: Path, digest: str, *, offset: int = 0, until: int | None = None) -> bytes:
    (source,) = _bundle.sources(str(path), digest)
    transport = WebTransport(HttpSettings(timeout=1, stall_timeout=1, ca_path=None, headers={}), now=lambda: 0.0)
    answer = transport.open(source, offset=offset, until=until)
    found = b""
    while piece := answer.read(7):
        found += piece
    answer.close()
    return found


def test_a_bundle_is_a_source_with_ranges(site: Site) -> None:
    site.make()
    assert fetched(site.path, sha256(TEXT)) == TEXT
    assert fetched(site.path, sha256(TEXT), offset=5, until=20) == TEXT[5:20]


def test_a_bundle_is_no_source_of_what_it_does_not_hold(site: Site) -> None:
    site.make()
    assert _bundle.sources(str(site.path), "ab" * 32) == ()
    with pytest.raises(ValueError, match="does not hold sha256:abab"):
        _bundle.open_member(site.path, "ab" * 32)


def test_a_bundle_that_cannot_be_read_stays_a_source_so_that_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        fetched(tmp_path / "a b#c.tar", "ab" * 32)
    (tmp_path / "x.tar").write_bytes(b"x" * 2000)
    with pytest.raises(SourceError, match=r"x\.tar is no bundle: it does not begin with drydock-bundle\.json"):
        fetched(tmp_path / "x.tar", "ab" * 32)
    with pytest.raises(SourceError, match="is not a file"):
        fetched(tmp_path, "ab" * 32)


def test_a_bundle_copied_in_part_is_told(site: Site) -> None:
    site.make()
    whole = site.path.read_bytes()
    site.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"it has {len(whole) // 2} bytes and must have {len(whole)}; copy it again"):
        _bundle.open_member(site.path, sha256(JSON))


def spoilt_index(**change: Any) -> bytes:
    content, _index = _bundle.compose({"ab" * 32: 10, "cd" * 32: 600}, models=[], lock=b"x")
    told = json.loads(content)
    told.update(change)
    return json.dumps(told).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        spoilt_index(schema=2),
        spoilt_index(schema=None),
        spoilt_index(lock={"size": -1}),
        spoilt_index(lock={"size": 1 << 40}),
        spoilt_index(blobs=[]),
        spoilt_index(blobs={"ab" * 32: {"offset": 0, "size": 10}}),
        spoilt_index(blobs={"ab" * 32: {"offset": 512, "size": -5}}),
        spoilt_index(blobs={"ab" * 32: {"offset": 512, "size": True}}),
        spoilt_index(blobs={"ab" * 32: {"offset": 512, "size": 1 << 70}}),
        spoilt_index(blobs={"../../etc": {"offset": 512, "size": 1}}),
        spoilt_index(blobs={"ab" * 32: {"offset": 512, "size": 10}, "cd" * 32: {"offset": 600, "size": 10}}),
    ],
)
def test_a_damaged_index_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^is (no|a) bundle"):
        _bundle.parse_index(content)


def test_another_member_in_the_place_of_a_blob_is_refused(site: Site) -> None:
    site.make()
    descriptor, offset, _size = _bundle.open_member(site.path, sha256(JSON))
    os.close(descriptor)
    site.path.chmod(0o600)
    content = bytearray(site.path.read_bytes())
    content[offset - 512 + 156] = ord("2")  # a symbolic link
    site.path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged: what should be"):
        _bundle.open_member(site.path, sha256(JSON))


def test_a_lock_that_was_changed_is_told(site: Site) -> None:
    site.make()
    content = site.path.read_bytes()
    site.path.chmod(0o600)
    site.path.write_bytes(
        content.replace(b'version: "4.0"', b'version: "6.6"').replace(b"version: '4.0'", b"version: '6.6'")
    )
    with pytest.raises(ValueError, match=r"models\.lock\.yml in it is not the one"):
        _bundle.read_lock(site.path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_hostile_bytes_end_in_a_member_or_in_words(tmp_path: Path, data: st.DataObject) -> None:
    content, _index = _bundle.compose({sha256(JSON): len(JSON)}, models=[], lock=b"x")
    whole = io.BytesIO()
    for name, body in (
        ("drydock-bundle.json", content),
        ("models.lock.yml", b"x"),
        (_bundle.blob_name(sha256(JSON)), JSON),
    ):
        whole.write(_bundle.member_header(name, len(body)) + body.ljust(_bundle.padded(len(body)), b"\0"))
    spoilt = bytearray(whole.getvalue() + _bundle.END)
    for place in data.draw(st.lists(st.integers(0, len(spoilt) - 1), max_size=4)):
        spoilt[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "b.tar"
    path.write_bytes(spoilt[: data.draw(st.integers(0, len(spoilt)))] if data.draw(st.booleans()) else spoilt)
    try:
        descriptor, offset, size = _bundle.open_member(path, sha256(JSON))
    except ValueError:
        return
    os.close(descriptor)
    assert offset + size <= path.stat().st_size
