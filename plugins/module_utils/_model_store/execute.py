# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do what a plan says. Safe to be killed anywhere: every step leaves the old or the new state of what it touches, names
are given last, and what a killed sync leaves behind is recognised by its name and removed by the next one. So the disk
itself is the journal; there is no second account of it that could disagree.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import (
    STAGING_PREFIX,
    fsync_dir,
    replace_symlink,
    write_json,
)
from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import make_parents
from ansible_collections.drydock.serving.plugins.module_utils._model_store.collect import (
    Collection,
    quarantine_name,
    without_mounted,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership, lstat
from ansible_collections.drydock.serving.plugins.module_utils._model_store.mounts import mounted_under
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import (
    Plan,
    SetPlan,
    digests_of,
    read_manifest,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import (
    Receipt,
    receipt_of,
    save_receipts,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import (
    CURRENT,
    MANIFEST,
    ModelSpec,
    check_path,
)

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@dataclass
class Outcome:
    """What was really done, also when it ended early."""

    quarantined: list[dict[str, str]] = field(default_factory=list)
    freed: int = 0
    changed: bool = False
    collection: Collection = field(default_factory=Collection)


def prepare(layout: Layout, ownership: Ownership) -> None:
    """Make the directories of the store."""
    make_parents(layout.root)
    for place in (layout.root, layout.root / "blobs", layout.blobs, layout.sets):
        _make(place, ownership)
    for place in (layout.partial, layout.quarantine, layout.state):
        place.mkdir(mode=0o700, exist_ok=True)


class Executor:
    """One sync, under the lock of the store.

    :param now: seconds since the epoch.
    :param step: told the name of every step before it is taken.
    """

    def __init__(
        self,
        layout: Layout,
        ownership: Ownership,
        downloader: Downloader,
        *,
        now: Callable[[], float],
        step: Callable[[str], None],
    ) -> None:
        self._layout = layout
        self._ownership = ownership
        self._downloader = downloader
        self._now = now
        self._step = step
        self._receipts: dict[str, Receipt] = {}
        self.outcome = Outcome()

    def run(self, plan: Plan) -> None:
        """Execute the plan; ``outcome`` tells how far it came. :raises DrydockError: it could not be finished."""
        self._receipts = dict(plan.receipts)
        try:
            for digest, found in plan.damaged.items():
                self._quarantine(digest, found)
            for wanted in plan.fetch:
                self._fetch(wanted)
            for item in plan.sets:
                self._put_in_place(item)
            self._relink(frozenset(wanted.sha256 for wanted in plan.fetch))
            for item in plan.sets:
                self._activate(item)
            self._collect(plan)
            self._own(plan)
        finally:
            self._step("save receipts")
            with contextlib.suppress(OSError):  # without them the next run hashes; never let that hide a failure
                save_receipts(self._layout.receipts, self._receipts)

    def _quarantine(self, digest: str, found: str) -> None:
        self._step(f"quarantine {digest}")
        aside = self._layout.quarantine / quarantine_name(digest, self._now())
        self._layout.blob(digest).rename(aside)
        self.outcome.changed = True
        fsync_dir(aside.parent)
        self._receipts.pop(digest, None)
        self.outcome.quarantined.append({"checksum": f"sha256:{digest}", "found": found, "moved_to": str(aside)})

    def _fetch(self, wanted: Wanted) -> None:
        part, blob = self._layout.part(wanted.sha256), self._layout.blob(wanted.sha256)
        self._step(f"fetch {wanted.sha256}")
        self._downloader.fetch(wanted, part)
        self._step(f"sync {wanted.sha256}")
        self._ownership.apply(part.data)
        _fsync(part.data)
        _make(blob.parent, self._ownership)
        self._step(f"name {wanted.sha256}")
        part.data.rename(blob)
        fsync_dir(blob.parent)
        fsync_dir(blob.parent.parent)
        part.drop()
        self._receipts[wanted.sha256] = receipt_of(os.lstat(blob))

    def _put_in_place(self, item: SetPlan) -> None:
        place = self._layout.set_dir(item.model.name, item.model.version)
        if item.action in ("create", "replace"):
            _make(place.parent, self._ownership)
            with self._links_change({spec.sha256 for spec in item.model.files}):
                staged = self._build(item.model, place)
                self._step(f"place {item.model.name}/{item.model.version}")
                _put(staged, place)
                self.outcome.changed = True
                fsync_dir(place.parent)
        elif item.action == "repair":
            for extra in item.extra:
                self._step(f"remove {extra}")
                _remove(place / extra)
            with self._links_change({spec.sha256 for spec in item.model.files}):
                for spec in item.model.files:
                    self._link(place, spec.path, spec.sha256)

    def _build(self, model: ModelSpec, place: Path) -> Path:
        """The whole new set beside its final place, durable."""
        self._step(f"build {model.name}/{model.version}")
        staged = _beside(place)
        self._ownership.apply(staged)
        for spec in model.files:
            self._link(staged, spec.path, spec.sha256)
        write_json(staged / MANIFEST, model.manifest, mode=self._ownership.file_mode)
        self._ownership.apply(staged / MANIFEST)
        for directory, _directories, _names in os.walk(staged):
            fsync_dir(Path(directory))
        return staged

    def _link(self, place: Path, path: str, digest: str) -> None:
        """Make ``place/path`` a hard link to the blob, in one step where something else is there."""
        target, blob = place / path, self._layout.blob(digest)
        there, wanted = lstat(target), os.lstat(blob)
        if there is not None and (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
            return
        self._step(f"link {path}")
        for parent in reversed([parent for parent in target.parents if parent != place and place in parent.parents]):
            _make(parent, self._ownership)
        if there is not None and stat.S_ISDIR(there.st_mode):
            _remove(target)
        temporary = target.with_name(f"{STAGING_PREFIX}{target.name}")
        _remove(temporary)
        os.link(blob, temporary, follow_symlinks=False)
        temporary.rename(target)
        self.outcome.changed = True
        fsync_dir(target.parent)

    def _relink(self, digests: frozenset[str]) -> None:
        """Other sets, the previous version for example, share a blob that was damaged: they get the new one too."""
        if not digests:
            return
        for manifest in sorted(self._layout.sets.glob(f"*/*/{MANIFEST}")):
            place = manifest.parent
            if place.is_symlink():
                continue
            for path, digest in digests_of(read_manifest(place)).items():
                if digest in digests and check_path(path) is None and lstat(place / path) is not None:
                    with self._links_change({digest}):
                        self._link(place, path, digest)

    def _activate(self, item: SetPlan) -> None:
        if item.activate:
            self._step(f"activate {item.model.name}/{item.model.version}")
            moment = self._now()
            os.utime(self._layout.set_dir(item.model.name, item.model.version) / MANIFEST, (moment, moment))
            replace_symlink(self._layout.sets / item.model.name / CURRENT, item.model.version)

    def _collect(self, plan: Plan) -> None:
        wanted = {spec.sha256 for item in plan.sets for spec in item.model.files}
        trees = []
        self.outcome.collection = without_mounted(self._layout, plan.collection)
        for name, version in self.outcome.collection.versions:
            self._step(f"retire {name}/{version}")
            place = self._layout.set_dir(name, version)
            trees.append(place.rename(_beside(place)))
        trees += [path for path in plan.collection.leftovers if self._layout.sets in path.parents]
        if any(item.action == "replace" for item in plan.sets):
            mounted = mounted_under(self._layout.root)
            replaced = self._layout.sets.glob(f"*/{STAGING_PREFIX}*")
            trees += [path for path in replaced if not any(path == used or path in used.parents for used in mounted)]
        for tree in dict.fromkeys(trees):
            self._remove_tree(tree, wanted)
        for path in plan.collection.leftovers:
            found = lstat(path)
            if found is not None:
                self._step(f"remove {path.name}")
                self.outcome.freed += found.st_size if found.st_nlink == 1 and stat.S_ISREG(found.st_mode) else 0
                self._receipts.pop(path.name, None)
                _remove(path)

    def _remove_tree(self, tree: Path, wanted: set[str]) -> None:
        """Remove a set that has lost its name, and the blobs that no other set links."""
        manifest = None if tree.is_symlink() else read_manifest(tree)
        digests = set(digests_of(manifest).values())
        with self._links_change(digests):
            self._step(f"remove {tree.name}")
            _remove(tree)
        for digest in sorted(digests - wanted):
            blob = self._layout.blob(digest)
            found = lstat(blob)
            if found is not None and found.st_nlink == 1:
                self._step(f"remove {digest}")
                blob.unlink()
                self._receipts.pop(digest, None)
                self.outcome.freed += found.st_size

    def _own(self, plan: Plan) -> None:
        digests = {path.name for path in plan.attributes}
        with self._links_change(digests):
            for path in plan.attributes:
                if lstat(path) is not None:
                    self._step(f"own {path}")
                    self._ownership.apply(path)

    @contextlib.contextmanager
    def _links_change(self, digests: Iterable[str]) -> Iterator[None]:
        """A new or removed link or owner changes a blob's ctime: renew the receipts of those that matched until now."""
        proven = {}
        for digest in digests:
            found = lstat(self._layout.blob(digest)) if digest in self._receipts else None
            if found is not None and receipt_of(found) == self._receipts[digest]:
                proven[digest] = found
        yield
        for digest, before in proven.items():
            after = lstat(self._layout.blob(digest))
            if after is not None and (after.st_ino, after.st_mtime_ns, after.st_size) == (
                before.st_ino,
                before.st_mtime_ns,
                before.st_size,
            ):
                self._receipts[digest] = receipt_of(after)


def _make(place: Path, ownership: Ownership) -> None:
    """A directory of the store; an existing one is left as it is."""
    try:
        place.mkdir()
    except FileExistsError:
        return
    ownership.apply(place)
    fsync_dir(place.parent)


def _beside(place: Path) -> Path:
    """A new, empty directory beside ``place``, under a name that nobody mounts or reads."""
    return Path(tempfile.mkdtemp(prefix=f"{STAGING_PREFIX}{place.name}.", dir=place.parent))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a file, link or directory tree; nothing there is fine."""
    found = lstat(path)
    if found is None:
        return
    if stat.S_ISDIR(found.st_mode):
        shutil.rmtree(path)
    else:
        path.unlink()


def _put(staged: Path, place: Path) -> None:
    """Give a staged set its name. Where one is there, both change places in one step, and the old one can be collected.

    File systems without that step (renameat2(2), RENAME_EXCHANGE; since Linux 3.15, ZFS since 2.2) get two renames; a
    kill between them leaves no set under the name until the next sync puts it there.
    """
    if lstat(place) is None:
        staged.rename(place)
        return
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        if (
            renameat2(_AT_FDCWD, os.fsencode(staged), _AT_FDCWD, os.fsencode(place), ctypes.c_uint(_RENAME_EXCHANGE))
            == 0
        ):
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV):
            raise OSError(code, os.strerror(code), str(place))
    place.rename(_beside(place))
    staged.rename(place)


def as_failure(error: OSError) -> DrydockError:
    """What the operating system refused, as a failure an operator can act on."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DrydockError(
            "no_space",
            f"The disk of the model store is full{where}: {error.strerror}. What serves now is untouched. "
            "Next step: make room, run again.",
        )
    return DrydockError(
        "io_error",
        f"The model store could not be read or written{where}: {error.strerror or error}. "
        "What serves now is untouched. Next step: check permissions (does the task run with become?), mount options "
        "and the kernel log, then run again.",
    )
