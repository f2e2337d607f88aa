# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a bundle on the controller: bring every blob into a cache, verified and judged as a host would, then write one
archive of them beside its place and give it its name at the end.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.drydock.serving.plugins.module_utils import _bundle
from ansible_collections.drydock.serving.plugins.module_utils._atomic import STAGING_PREFIX, fsync_dir
from ansible_collections.drydock.serving.plugins.module_utils._checksum import CHUNK
from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import os_failure
from ansible_collections.drydock.serving.plugins.module_utils._http import HttpSettings, WebTransport
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Wishes
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._model_store.room import free_bytes, human
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import ModelSpec, parse_models
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock, Limits, OwnSources, Sync
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import lockfile
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import resolve_models

KEPT_VERSIONS = 2
LOCK_TIMEOUT = 300.0


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    :param models: as ``stack_model.models`` has them.
    :param lock: the variable ``models_lock``.
    :param path: where the bundle goes.
    :param cache: a model store of the controller's own, which keeps what was fetched.
    :param headers: by origin.
    """

    models: Sequence[Mapping[str, Any]]
    lock: Mapping[str, Any]
    path: Path
    cache: Path
    headers: Mapping[str, Mapping[str, str]]
    ca_path: str | None = None
    connections: int = 8
    timeout: float = 30.0
    stall_timeout: float = 60.0


@dataclass(frozen=True)
class Outcome:
    """What was or would be done.

    :param size: bytes of the whole bundle.
    :param fetched: bytes received from sources.
    :param missing: bytes that the cache lacked.
    """

    changed: bool
    blobs: int
    size: int
    fetched: int = 0
    missing: int = 0


def make(wish: Wish, *, check: bool, tell: Callable[[str], None], warn: Callable[[str], None]) -> Outcome:
    """Bring the bundle to what is wanted, or in check mode only say how.

    :param tell: takes lines for whoever waits.
    :raises DrydockError: nothing at ``wish.path`` was touched.
    """
    models = parse_models(wish.models)
    blobs = {item.sha256: item.size for model in models for item in model.files}
    if not blobs:
        raise DrydockError(
            "invalid_input",
            "There is no model to put into a bundle. Next step: declare some in `models` and lock them.",
        )
    lock = lockfile.dump(wish.lock)
    content, index = _bundle.compose(blobs, models=[_told(model) for model in models], lock=lock)
    if len(content) > _bundle.LONGEST_INDEX or len(lock) > _bundle.LONGEST_LOCK:
        raise DrydockError("invalid_input", f"{len(blobs)} files are too many for one bundle. Next step: make several.")
    if _is_there(wish.path, content):
        return Outcome(changed=False, blobs=len(blobs), size=index.size)
    try:
        if not check:
            _sweep(wish.path)
        reserve = _check_room(wish, index.size)
        cache = _Cache(wish, reserve, warn)
        missing = cache.missing()
        outcome = Outcome(changed=True, blobs=len(blobs), size=index.size, missing=missing)
        if check:
            return outcome
        if missing:
            tell(f"fetching {human(missing)} into {wish.cache}")
            cache.bring(full=False)
        tell(f"writing {human(index.size)} to {wish.path}")
        try:
            _write(wish.path, content, lock, cache.blobs(blobs))
        except _RottenError:
            warn(f"A blob in {wish.cache} no longer had the bytes it was kept for. All of them are read again.")
            cache.bring(full=True)
            _write(wish.path, content, lock, cache.blobs(blobs))
    except OSError as error:
        raise os_failure(error, so_far=f"Nothing at {wish.path} was touched.") from error
    return Outcome(changed=True, blobs=len(blobs), size=index.size, fetched=cache.fetched, missing=missing)


def _told(model: ModelSpec) -> dict[str, Any]:
    files = [{"path": item.path, "sha256": item.sha256, "size": item.size} for item in model.files]
    return {"name": model.name, "version": model.version, "files": sorted(files, key=lambda item: str(item["path"]))}


def _is_there(path: Path, content: bytes) -> bool:
    """Whether a whole bundle of just these blobs and this lock is there already."""
    try:
        return _bundle.read_index(path) == content
    except FileNotFoundError:
        return False
    except ValueError as error:
        if "is not a whole bundle" in str(error) or "is a bundle of layout" in str(error):
            return False
        raise DrydockError(
            "invalid_input",
            f"{path} {error}, so it is not replaced. Next step: give another path, or move that file away.",
        ) from None
    except OSError as error:
        raise os_failure(error, so_far="Nothing was touched.") from error


def _sweep(path: Path) -> None:
    """Remove what killed runs left beside the bundle; a run that goes on holds its own."""
    for left in path.parent.glob(f"{STAGING_PREFIX}{glob.escape(path.name)}.*"):
        with contextlib.suppress(OSError), left.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _check_room(wish: Wish, size: int) -> int:
    """Bytes that the cache must leave free for the bundle, where both lie on one file system.

    :raises DrydockError: ``no_space``, ``not_found`` where the folder of the bundle is missing.
    """
    folder = wish.path.parent
    if not folder.is_dir():
        raise DrydockError(
            "not_found",
            f"{folder} is not a directory, so no bundle can be put there. Next step: mount the medium, or make it.",
        )
    free = free_bytes(folder)
    if free < size:
        raise DrydockError(
            "no_space",
            f"Not enough room for the bundle: it takes {human(size)}, and {folder} has {human(free)} free. Nothing was "
            f"fetched or written. Next step: free {human(size - free)} there, or use a larger medium.",
            needed=size,
            free=free,
        )
    nearest = next(place for place in (wish.cache, *wish.cache.parents) if place.exists())
    return size if nearest.stat().st_dev == folder.stat().st_dev else 0


def _laid_down(contents: Mapping[str, bytes], place: Path) -> dict[str, str]:
    """Files that only the controller's token opens, where the sync can fetch them; their addresses."""
    found = {}
    for checksum, content in contents.items():
        path = place / checksum.rpartition(":")[2]
        path.write_bytes(content)
        found[checksum] = path.as_uri()
    return found


class _Cache:
    """The blobs on the controller: a model store like a host's, with all that makes it resume, verify and judge."""

    def __init__(self, wish: Wish, reserve: int, warn: Callable[[str], None]) -> None:
        self._wish = wish
        self._reserve = reserve
        self._warn = warn
        self._layout = Layout(root=Path(os.path.realpath(wish.cache)))
        self.fetched = 0

    def missing(self) -> int:
        """Bytes that have to be fetched. :raises DrydockError: there is no room for them."""
        return int(self._sync(self._wish.models, {}, check=True, full=False)["planned_bytes"])

    def bring(self, *, full: bool) -> None:
        """Fetch what is missing, and with ``full`` what is damaged."""
        with tempfile.TemporaryDirectory() as place:
            models, headers = resolve_models(
                self._wish.models,
                headers=self._wish.headers,
                ca_path=self._wish.ca_path,
                warn=self._warn,
                send=lambda contents: _laid_down(contents, Path(place)),
            )
            result = self._sync(models, headers, check=False, full=full)
        self.fetched += int(result["bytes_fetched"])

    def blobs(self, wanted: Mapping[str, int]) -> Iterable[tuple[str, int, Path]]:
        """Digest, size and place of each, in the order of the digests."""
        return [(sha256, wanted[sha256], self._layout.blob(sha256)) for sha256 in sorted(wanted)]

    def _sync(
        self, models: Sequence[Mapping[str, Any]], headers: Mapping[str, Mapping[str, str]], *, check: bool, full: bool
    ) -> dict[str, Any]:
        result = empty_result()
        clock = Clock(now=time.time, monotonic=time.monotonic, sleep=time.sleep)
        wishes = Wishes(
            models=parse_models(models),
            ownership=Ownership(uid=-1, gid=-1, file_mode=0o400),
            keep=KEPT_VERSIONS,
            full=full,
        )
        limits = Limits(reserve=self._reserve, lock_timeout=LOCK_TIMEOUT)
        settings = HttpSettings(
            timeout=self._wish.timeout,
            stall_timeout=self._wish.stall_timeout,
            ca_path=self._wish.ca_path,
            headers=headers,
        )

        def connect(progress: Progress) -> Downloader:
            return Downloader(
                WebTransport(settings, now=time.time),
                RetryPolicy(),
                clock=clock,
                limits=DownloadLimits(connections=self._wish.connections, stall_timeout=settings.stall_timeout),
                progress=progress,
            )

        Sync(self._layout, wishes, limits, lambda: OwnSources(connect), clock, result=result).run(check=check)
        return result


class _RottenError(Exception):
    """A blob in the cache is not what its name says."""


def _write(path: Path, content: bytes, lock: bytes, blobs: Iterable[tuple[str, int, Path]]) -> None:
    """Write the archive beside its place, hash every blob on the way, and give it its name when it is on the medium.

    :raises _RottenError: a blob has other bytes.
    """
    descriptor, name = tempfile.mkstemp(prefix=f"{STAGING_PREFIX}{path.name}.", dir=path.parent)
    staged = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as archive:
            fcntl.flock(archive, fcntl.LOCK_EX)
            for member, body in ((_bundle.INDEX, content), (_bundle.LOCK, lock)):
                archive.write(_bundle.member_header(member, len(body)))
                archive.write(body.ljust(_bundle.padded(len(body)), b"\0"))
            for sha256, size, blob in blobs:
                archive.write(_bundle.member_header(_bundle.blob_name(sha256), size))
                _copy(blob, archive, sha256, size)
            archive.write(_bundle.END)
            archive.flush()
            with contextlib.suppress(PermissionError):  # media without permission bits
                os.fchmod(archive.fileno(), 0o666 & ~_umask())
            os.fsync(archive.fileno())
        staged.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()
        raise
    fsync_dir(path.parent)


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found


def _copy(blob: Path, archive: BinaryIO, sha256: str, size: int) -> None:
    digest, count = hashlib.sha256(), 0
    with blob.open("rb", buffering=0) as source:
        while piece := source.read(CHUNK):
            digest.update(piece)
            count += len(piece)
            archive.write(piece)
    if count != size or digest.hexdigest() != sha256:
        raise _RottenError
    archive.write(bytes(_bundle.padded(size) - size))
