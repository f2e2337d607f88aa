# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do what a plan says. Safe to be killed anywhere: every step leaves the old or the new state of what it touches, names
are given last, and what a killed sync leaves behind is recognised by its name and removed by the next one. So the disk
itself is the journal; there is no second account of it that could disagree.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import STAGING_PREFIX, fsync_dir
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import make_parents
from ansible_collections.drydock.serving.plugins.module_utils._model_store.collect import (
    Collection,
    quarantine_name,
    still_unused,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import (
    Layout,
    Ownership,
    lstat,
    room_of,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.links import (
    activate,
    beside,
    build,
    link,
    make_directory,
    put,
    remove,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.mounts import mounted_under
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Plan, Wishes
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import (
    Receipt,
    receipt_of,
    save_receipts,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.refused import remember
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import (
    SetPlan,
    digests_of,
    read_manifest,
    walk,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import (
    FileSpec,
    ModelSpec,
    check_path,
)

Finish = Callable[[Wanted, PartFiles], None]
# Completes the parts of all wanted files and calls the second argument with each, from any thread.
Bring = Callable[[Sequence[Wanted], Finish], None]
# Looks at one file of a set under a policy, as _formats.inspect.judge does.
Judge = Callable[..., str]


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
        make_directory(place, ownership)
    for place in (layout.partial, layout.quarantine, layout.state):
        place.mkdir(mode=0o700, exist_ok=True)


class Executor:
    """One sync, under the lock of the store.

    :param bring: completes the parts of files that are to be fetched.
    :param judge: refuses a file whose format the policy does not allow.
    :param now: seconds since the epoch.
    :param step: told the name of every step before it is taken; while files arrive from any thread, one at a time.
    """

    def __init__(
        self,
        layout: Layout,
        wishes: Wishes,
        *,
        bring: Bring,
        judge: Judge,
        now: Callable[[], float],
        step: Callable[[str], None],
    ) -> None:
        self._layout = layout
        self._wishes = wishes
        self._ownership = wishes.ownership
        self._bring = bring
        self._judge = judge
        self._now = now
        self._step = step
        self._receipts: dict[str, Receipt] = {}
        self._naming = threading.Lock()
        self._named: set[Path] = set()
        self._listed: dict[str, list[tuple[ModelSpec, FileSpec]]] = {}
        for model in wishes.models:
            for spec in model.files:
                self._listed.setdefault(spec.sha256, []).append((model, spec))
        self.outcome = Outcome()

    def run(self, plan: Plan) -> None:
        """Execute the plan; ``outcome`` tells how far it came. :raises DrydockError: it could not be finished."""
        self._receipts = dict(plan.receipts)
        try:
            self._judge_present(plan)
            for digest, found in plan.damaged.items():
                self._quarantine(digest, found)
            self._fetch(plan.fetch)
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

    def _judge_present(self, plan: Plan) -> None:
        """Bytes that came for another set, under its policy, are judged again before this one gets them."""
        for item in plan.sets:
            for file in item.files:
                if file.state == "linked":
                    with _named(item.model):
                        self._judge_as(item.model, file.spec, self._layout.blob(file.spec.sha256))

    def _judge_as(self, model: ModelSpec, spec: FileSpec, path: Path) -> None:
        today = datetime.fromtimestamp(self._now(), timezone.utc).date()
        self._judge(path, spec.path, model.policy.at_least(spec.minimum_size), sha256=spec.sha256, today=today)

    def _fetch(self, wanted: Sequence[Wanted]) -> None:
        """Every file gets its name as it comes; the names are made durable together, before anything builds on them."""
        if not wanted:
            return
        self._step("fetch")
        try:
            self._bring(wanted, self._name)
        finally:
            self._step("sync names")
            for directory in (*sorted(self._named), self._layout.blobs, self._layout.partial):
                fsync_dir(directory)

    def _name(self, wanted: Wanted, part: PartFiles) -> None:
        """Give whole, right, synced bytes their name, unless a policy refuses what they are."""
        # one digest may lie under several names, in several models with policies of their own
        for model, spec in self._listed[wanted.sha256]:
            with _named(model):
                try:
                    self._judge_as(model, spec, part.data)
                except DrydockError as error:
                    self._refuse(model, spec, part, error)
                    raise
        self._ownership.apply(part.data)
        blob = self._layout.blob(wanted.sha256)
        with self._naming:
            self._step(f"name {wanted.sha256}")
            make_directory(blob.parent, self._ownership, durable=False)
            part.data.rename(blob)
            self._named.add(blob.parent)
            self._step(f"forget {wanted.sha256}")
            part.drop()
            self._receipts[wanted.sha256] = receipt_of(os.lstat(blob))

    def _refuse(self, model: ModelSpec, spec: FileSpec, part: PartFiles, error: DrydockError) -> None:
        """Keep nothing of a refused file but the knowledge of it."""
        part.drop()
        with self._naming, contextlib.suppress(OSError):  # without it the next run fetches the file again
            remember(self._layout, model, spec, error, now=self._now())

    def _put_in_place(self, item: SetPlan) -> None:
        place = self._layout.set_dir(item.model.name, item.model.version)
        digests = {spec.sha256 for spec in item.model.files}
        if item.action in ("create", "replace"):
            make_directory(place.parent, self._ownership)
            with self._links_change(digests):
                self._step(f"build {item.model.name}/{item.model.version}")
                staged = build(self._layout, item.model, place, self._ownership, step=self._step)
                self._step(f"place {item.model.name}/{item.model.version}")
                put(staged, place)
                self.outcome.changed = True
                fsync_dir(place.parent)
        elif item.action == "repair":
            for extra in item.extra:
                self._step(f"remove {extra}")
                remove(place / extra)
                self.outcome.changed = True
            with self._links_change(digests):
                self._link(place, [(spec.path, spec.sha256) for spec in item.model.files])

    def _link(self, place: Path, files: Iterable[tuple[str, str]]) -> None:
        """Make each ``place/path`` a hard link to its blob, one by one in one step each, then durable."""
        touched = set()
        for path, digest in files:
            touched |= link(self._layout, place, path, digest, self._ownership, step=self._step)
            self.outcome.changed = self.outcome.changed or bool(touched)
        for directory in sorted(touched):
            fsync_dir(directory)

    def _relink(self, digests: frozenset[str]) -> None:
        """Other sets, the previous version for example, share a blob that was damaged: they get the new one too."""
        if not digests:
            return
        places = [model / version for model in self._layout.models() for version in self._layout.versions(model.name)]
        for place in sorted(places):
            present = walk(place)  # never through a link
            shared = [
                (path, digest)
                for path, digest in digests_of(read_manifest(place)).items()
                if digest in digests and check_path(path) is None and path in present
            ]
            with self._links_change({digest for _path, digest in shared}):
                self._link(place, shared)

    def _activate(self, item: SetPlan) -> None:
        if item.activate:
            self._step(f"activate {item.model.name}/{item.model.version}")
            activate(self._layout, item.model.name, item.model.version, now=self._now())
            self.outcome.changed = True

    def _collect(self, plan: Plan) -> None:
        wanted = {spec.sha256 for item in plan.sets for spec in item.model.files}
        trees = []
        self.outcome.collection = still_unused(self._layout, plan.collection, self._wishes.releases)
        for name, version in self.outcome.collection.versions:
            self._step(f"retire {name}/{version}")
            place = self._layout.set_dir(name, version)
            trees.append(place.rename(beside(place)))
        trees += [path for path in plan.collection.leftovers if self._layout.sets in path.parents]
        if any(item.action == "replace" for item in plan.sets):
            mounted = mounted_under(self._layout.root)
            replaced = [path for model in self._layout.models() for path in model.glob(f"{STAGING_PREFIX}*")]
            trees += [path for path in replaced if not any(path == used or path in used.parents for used in mounted)]
        for tree in dict.fromkeys(trees):
            self._remove_tree(tree, wanted)
        for path in plan.collection.leftovers:
            found = lstat(path)
            if found is not None:
                self._step(f"remove {path.name}")
                self.outcome.freed += room_of(found) if found.st_nlink == 1 and stat.S_ISREG(found.st_mode) else 0
                self.outcome.changed = True
                self._receipts.pop(path.name, None)
                remove(path)

    def _remove_tree(self, tree: Path, wanted: set[str]) -> None:
        """Remove a set that has lost its name, and the blobs that no other set links."""
        manifest = None if tree.is_symlink() else read_manifest(tree)
        digests = set(digests_of(manifest).values())
        with self._links_change(digests):
            self._step(f"remove {tree.name}")
            remove(tree)
            self.outcome.changed = True
        for digest in sorted(digests - wanted):
            blob = self._layout.blob(digest)
            found = lstat(blob)
            if found is not None and found.st_nlink == 1:
                self._step(f"remove {digest}")
                blob.unlink()
                self._receipts.pop(digest, None)
                self.outcome.freed += room_of(found)

    def _own(self, plan: Plan) -> None:
        digests = {path.name for path in plan.attributes}
        with self._links_change(digests):
            for path in plan.attributes:
                if lstat(path) is not None:
                    self._step(f"own {path}")
                    self._ownership.apply(path)
                    self.outcome.changed = True

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


@contextlib.contextmanager
def _named(model: ModelSpec) -> Iterator[None]:
    """What fails in the block fails for this model."""
    try:
        yield
    except DrydockError as error:
        raise DrydockError(error.kind, f"{model.name} {model.version}: {error.message}", **error.details) from None
