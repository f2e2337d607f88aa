# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in a temporary directory, an origin that is a dictionary, and a clock that is a number."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import Policy, check
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, Source, SourceError
from ansible_collections.drydock.serving.plugins.module_utils._model_store import collect, execute, info, scrub
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Wishes
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import parse_models
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import (
    Clock,
    Limits,
    OwnSources,
    Sync,
)
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy


class Killed(BaseException):
    """The process ends here."""


class Origin:
    """Serves the bytes it was given; anything else is down."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def open(self, source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        self.asked.append(source.url)
        if source.url not in self.files:
            raise SourceError("unreachable", f"{source.shown}: Connection refused", retryable=True)
        rest = [self.files[source.url][offset:until]]

        def read(amount: int) -> bytes:
            piece, rest[0] = rest[0][:amount], rest[0][amount:]
            return piece

        size = len(self.files[source.url])
        part = bool(offset) or until is not None
        last = min(size if until is None else until, size) - 1
        headers = {"Content-Range": f"bytes {offset}-{last}/{size}"} if part else {}
        return Answer(status=206 if part else 200, headers=headers, read=read, close=lambda: None)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Store:
    """What the tests do with a model store, in their words."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = Layout(root=root)
        self.origin = Origin()
        self.now = 1_800_000_000.0
        self.keep = 2
        self.mode = 0o444
        self.connections = 1
        self.sleep: Callable[[float], None] = lambda _seconds: None
        self.releases: Path | None = None
        self.refused: set[str] = set()
        self.judged: list[tuple[str, bytes]] = []

    def model(self, name: str, version: str, **files: bytes) -> dict[str, Any]:
        """A model whose files the origin has. ``det_onnx=b"..."`` is the file ``det.onnx``."""
        listed = []
        for key, data in files.items():
            path = key.replace("__", "/").replace("_", ".")
            url = f"https://origin.example/{name}/{version}/{path}"
            self.origin.files[url] = data
            listed.append({"path": path, "urls": [url], "checksum": f"sha256:{sha256(data)}", "size": len(data)})
        return {"name": name, "version": version, "files": listed}

    def sync(
        self,
        *models: dict[str, Any],
        check: bool = False,
        full: bool = False,
        fetch: bool = True,
        reserve: int = 0,
        step: Callable[[str], None] = lambda _name: None,
    ) -> dict[str, Any]:
        """One call; gives its result."""
        self.result = empty_result()
        wishes = Wishes(
            models=parse_models(models),
            ownership=Ownership(uid=-1, gid=-1, file_mode=self.mode),
            keep=self.keep,
            full=full,
            fetch=fetch,
            releases=self.releases,
        )
        seconds = itertools.count()
        clock = Clock(now=self._tick, monotonic=lambda: float(next(seconds)), sleep=self.sleep)
        Sync(
            self.layout,
            wishes,
            Limits(reserve=reserve, lock_timeout=2),
            lambda: OwnSources(
                lambda progress: Downloader(
                    self.origin,
                    RetryPolicy(retries=1, delay=0),
                    clock=clock,
                    limits=DownloadLimits(connections=self.connections),
                    progress=progress,
                )
            ),
            clock,
            result=self.result,
            judge=self.judge,
            step=step,
        ).run(check=check)
        return self.result

    def judge(self, path: Path, name: str, policy: Policy, *, sha256: str, today: date) -> str:
        """Stands for the inspection of formats, which has tests of its own: everything is allowed but what is told."""
        self.judged.append((name, path.read_bytes()))
        if check(policy, sha256, today) is None and name in self.refused:
            raise DrydockError("format_refused", f"{name}: found a pickle")
        return "any"

    def scrub(self) -> dict[str, Any]:
        """Read everything again; gives the result of model_info."""
        result = info.empty_result()
        clock = Clock(now=self._tick, monotonic=lambda: 0.0, sleep=self.sleep)
        info.tell(self.root, budget=1 << 40, lock_timeout=0, clock=clock, result=result, check=False)
        return result

    def _tick(self) -> float:
        self.now += 1
        return self.now

    def active(self, name: str) -> dict[str, bytes]:
        """What an application sees under ``current``, the manifest apart."""
        place = self.root / "sets" / name / "current"
        return {
            str(path.relative_to(place)): path.read_bytes()
            for path in sorted(place.rglob("*"))
            if path.is_file() and path.name != "manifest.json"
        }

    def versions(self, name: str) -> list[str]:
        return sorted(path.name for path in (self.root / "sets" / name).iterdir() if not path.is_symlink())

    def blobs(self) -> set[str]:
        return {path.name for path in (self.root / "blobs" / "sha256").glob("*/*")}

    def snapshot(self) -> dict[str, tuple[int, int, int, int]]:
        """Everything that any write would show in."""
        paths = itertools.chain([self.root], self.root.rglob("*"))
        found = {str(path): os.lstat(path) for path in paths}
        return {path: (one.st_ino, one.st_mtime_ns, one.st_ctime_ns, one.st_mode) for path, one in found.items()}

    def overwrite(self, path: Path, data: bytes) -> None:
        """Change bytes behind the store's back, in the same inode."""
        path.chmod(0o644)
        with path.open("r+b") as handle:
            handle.write(data)
            handle.truncate()
        path.chmod(self.mode)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


@pytest.fixture
def make_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """New stores within one test, for property tests."""
    return lambda: Store(tmp_path_factory.mktemp("store") / "models")


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The directories that running containers mount; add to it."""
    paths: set[Path] = set()
    for module in (collect, execute):
        monkeypatch.setattr(module, "mounted_under", lambda _root: frozenset(paths))
    return paths


@pytest.fixture(autouse=True)
def _no_sync_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel keeps what was written across a killed process; waiting for the disk proves nothing here."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(scrub, "step_back", lambda: None)


DET, REC = b"detect" * 100, b"recognise" * 100


def failure(store: Store, *models: dict[str, object], **options: object) -> DrydockError:
    with pytest.raises(DrydockError) as caught:
        store.sync(*models, **options)  # type: ignore[arg-type]
    return caught.value
