# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sync would do. Everything here only reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._model_store.blobs import Blob, inspect_blob
from ansible_collections.drydock.serving.plugins.module_utils._model_store.collect import Collection, plan_collection
from ansible_collections.drydock.serving.plugins.module_utils._model_store.exemptions import judge_exemptions
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import (
    Layout,
    Ownership,
    lstat,
    require_directory,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import Receipt
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import SetPlan, parents_of, plan_set
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import MANIFEST, FileSpec, ModelSpec
from ansible_collections.drydock.serving.plugins.module_utils._model_store.users import contested, is_known


@dataclass(frozen=True)
class Wishes:
    """What the store must look like.

    :param keep: versions of each model that stay, the current one included.
    :param full: hash every wanted blob, whatever its receipt says.
    :param fetch: sources may be asked; without it a sync that needs them changes nothing.
    :param releases: the directory with the records of releases; versions they name stay.
    """

    models: tuple[ModelSpec, ...]
    ownership: Ownership
    keep: int
    full: bool
    fetch: bool = True
    releases: Path | None = None


@dataclass(frozen=True)
class Plan:
    """The whole sync: what is fetched, quarantined, built, activated, given other owners, removed.

    :param planned_bytes: room that fetching takes on the disk.
    :param receipts_stale: something was hashed, or gone, that the saved receipts do not know of.
    :param user_stale: the store does not know yet what this stack wants.
    :param versions_after: versions of the managed models that are there in the end.
    :param notices: what needs attention although nothing fails.
    """

    sets: tuple[SetPlan, ...]
    fetch: tuple[Wanted, ...]
    planned_bytes: int
    damaged: Mapping[str, str]
    attributes: tuple[Path, ...]
    collection: Collection
    receipts: Mapping[str, Receipt]
    receipts_stale: bool
    user_stale: bool
    versions_after: int = 0
    notices: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Is there nothing to do, nor to remember?"""
        return not (self.changed or self.receipts_stale or self.user_stale)

    @property
    def changed(self) -> bool:
        return bool(
            self.fetch
            or self.damaged
            or self.attributes
            or self.collection
            or any(item.state != "unchanged" for item in self.sets)
        )


def plan_sync(layout: Layout, wishes: Wishes, *, receipts: Mapping[str, Receipt], now: float) -> Plan:
    """Compare the store with what is wanted.

    :param receipts: digests proven earlier; whatever does not match is hashed.
    :param now: seconds since the epoch, to tell leftovers from work in progress.
    :raises DrydockError: the store holds what must not be followed, or a file to be fetched must not be.
    """
    for directory in (
        layout.root,
        layout.root / "blobs",
        layout.blobs,
        layout.sets,
        layout.partial,
        layout.quarantine,
        layout.state,
    ):
        require_directory(directory)
    wanted = {item.sha256: (model, item) for model in wishes.models for item in model.files}
    blobs = {
        digest: inspect_blob(layout, item, receipts, full=wishes.full) for digest, (_model, item) in wanted.items()
    }
    fetch = tuple(_wanted(*wanted[digest]) for digest, blob in blobs.items() if blob.state != "present")
    if fetch:
        _refuse_again(layout, wishes, fetch, now)
    proven = {digest: blob.receipt for digest, blob in blobs.items() if blob.receipt is not None}
    sets = tuple(plan_set(layout, model, blobs) for model in wishes.models)
    notices = judge_exemptions(sets, today=datetime.fromtimestamp(now, timezone.utc).date())
    versions = {model.name: model.version for model in wishes.models}
    collection = plan_collection(
        layout,
        keep=wishes.keep,
        wanted=frozenset(wanted),
        replaced=[layout.set_dir(one.model.name, one.model.version) for one in sets if one.action == "replace"],
        active=versions,
        releases=wishes.releases,
        now=now,
    )
    return Plan(
        sets=sets,
        fetch=fetch,
        planned_bytes=sum(max(0, item.size - layout.part(item.sha256).size()) for item in fetch),
        damaged={digest: blob.found or "" for digest, blob in blobs.items() if blob.state == "damaged"},
        attributes=tuple(_wrong_attributes(layout, wishes, sets, blobs)),
        collection=collection,
        receipts={**{digest: value for digest, value in receipts.items() if digest not in wanted}, **proven},
        receipts_stale=any(receipts.get(digest) != proven.get(digest) for digest in wanted),
        versions_after=sum(len(layout.versions(model.name) | {model.version}) for model in wishes.models)
        - len(collection.versions),
        user_stale=not is_known(layout, wishes.releases, versions),
        notices=(
            *notices,
            *collection.notices,
            *contested(layout, wishes.releases, {one.model.name: one.old_version for one in sets if one.activate}),
        ),
    )


def _refuse_again(layout: Layout, wishes: Wishes, fetch: Iterable[Wanted], now: float) -> None:
    from ansible_collections.drydock.serving.plugins.module_utils._model_store.refused import (  # noqa: PLC0415 - an idle run loads nothing of it
        refuse_again,
    )

    refuse_again(layout, wishes.models, {item.sha256 for item in fetch}, now=now)


def _wanted(model: ModelSpec, item: FileSpec) -> Wanted:
    return Wanted(
        label=f"{model.name} {model.version}: {item.path}", sha256=item.sha256, size=item.size, sources=item.sources
    )


def _wrong_attributes(
    layout: Layout, wishes: Wishes, sets: Iterable[SetPlan], blobs: Mapping[str, Blob]
) -> Iterable[Path]:
    """What is there already, stays, and is owned or permitted otherwise than asked."""
    differs = wishes.ownership.differs
    present = {digest: blob.stat for digest, blob in blobs.items() if blob.stat is not None}
    places = [layout.root, layout.root / "blobs", layout.blobs, layout.sets]
    places += [layout.blobs / prefix for prefix in sorted({digest[:2] for digest in present})]
    for item in sets:
        place = layout.set_dir(item.model.name, item.model.version)
        places.append(place.parent)
        if item.action in ("none", "repair"):
            places += [place, place / MANIFEST, *(place / parent for parent in sorted(parents_of(item.model)))]
    yield from (path for path in places if (found := lstat(path)) is not None and differs(found))
    yield from (layout.blob(digest) for digest, found in present.items() if differs(found))
