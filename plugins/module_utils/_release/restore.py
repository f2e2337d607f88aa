# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorded release as something to want again, from what lies on the host, without Ansible.

Images, rendered files, configuration, values of secrets and versions of models as they were. What is not there any
more, or not as it was, is refused before anything is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired, desired_of, sha256
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.model import MODEL, read_model
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    RECORD,
    Record,
    all_records,
    current_record,
    patience,
    read_record,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import PATIENCE, Options
from ansible_collections.drydock.serving.plugins.module_utils._release.wish import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._secrets import fingerprint, read_or_make_key


def desired_from(layout: Layout, identity: str) -> Desired:
    """What this release wanted.

    :raises DrydockError: ``release_unknown``, ``release_altered``, ``release_incomplete``, ``state_unreadable``.
    """
    record = record_of(layout, identity)
    return restored(layout, record, model_of(layout, record))


def wanted_from(layout: Layout, identity: str) -> Wanted:
    """The same with the values of its secrets.

    :raises DrydockError: the kinds of ``desired_from``, and ``secret_lost``.
    """
    record = record_of(layout, identity)
    desired = restored(layout, record, model_of(layout, record))
    return Wanted(desired, given_from(layout, record, desired))


def record_of(layout: Layout, identity: str) -> Record:
    """The record of a release on the host.

    :raises DrydockError: ``release_unknown``, ``state_unreadable``.
    """
    folder = layout.release(identity)
    plain = Path(identity).name == identity and not identity.startswith(".")
    record = read_record(folder) if plain else None
    if record is None or record.identity != identity:
        raise DrydockError(
            "release_unknown",
            f"There is no release {identity} on this host, or its record {folder / RECORD} is damaged. Nothing was "
            "touched. `status` and the module release_info tell which there are.",
            release=identity,
        )
    return record


def model_of(layout: Layout, record: Record) -> dict[str, Any]:
    """What a release read of the stack model.

    :raises DrydockError: ``release_incomplete``, ``release_altered``, ``state_unreadable``.
    """
    folder = layout.release(record.identity)
    model = read_model(folder)
    if model is None:
        raise DrydockError(
            "release_incomplete",
            f"The release {record.identity} cannot be made again from what lies on the host: {folder / MODEL} is not "
            "there, as in releases of older versions of this collection. Nothing was touched. Release it from the "
            "inventory (the tag `stack`).",
            release=record.identity,
        )
    return model


def restored(layout: Layout, record: Record, model: Mapping[str, Any]) -> Desired:
    """What a release wanted, with the files that it was made of.

    :raises DrydockError: ``release_altered``, ``invalid_stack``.
    """
    folder = layout.release(record.identity)
    files = {dest: _read(folder / dest) for dest in record.files}
    altered = sorted(dest for dest, text in files.items() if text is None or sha256(text) != record.files[dest])
    if altered:
        raise DrydockError(
            "release_altered",
            f"Files of the release {record.identity} in {folder} are gone or not as it was made: {', '.join(altered)}. "
            "Nothing was touched. Put them back from a backup, go back to another release, or release from the "
            "inventory (the tag `stack`).",
            release=record.identity,
            files=altered,
        )
    return desired_of(model, {dest: text for dest, text in files.items() if text is not None})


def on_the_host(layout: Layout, options: Options) -> Options:
    """With at least the patience that the inventory had with what serves, as where a model takes long to load. And no
    release is removed: how many are kept is the inventory's to say.

    :raises DrydockError: ``state_unreadable``.
    """
    current = current_record(layout)
    longer = {key: max(patience(current, key), getattr(options, key)) for key in PATIENCE}
    return replace(options, keep=max(options.keep, len(all_records(layout)) + 1), **longer)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def given_from(layout: Layout, record: Record, desired: Desired) -> dict[str, str]:
    """The values that the release's containers read their secrets from.

    A secret that nobody reads has no copy; the one that is stored counts.

    :raises DrydockError: ``secret_lost``.
    """
    key = read_or_make_key(layout.fingerprint_key, create=False)
    recorded: Mapping[str, Any] = record.rest.get("secrets") or {}
    given, lost = {}, []
    for spec in desired.secrets:
        folders = [str((record.containers.get(item.service) or {}).get("secrets") or "") for item in spec.consumers]
        copies = [_read(Path(folder) / spec.name) for folder in folders if folder]
        values = {copy.decode("utf-8", "replace") for copy in copies if copy is not None}
        if None in copies or any(fingerprint(key, spec.name, text) != recorded.get(spec.name) for text in values):
            lost.append(spec.name)
        elif values and spec.derived_from is None:
            given[spec.name] = values.pop()
    if lost:
        raise DrydockError(
            "secret_lost",
            f"Secrets that the release {record.identity} was made with are not on the host any more, or not as they "
            f"were: {', '.join(lost)}. Nothing was touched. Put their files back from a backup, or go back to another "
            "release.",
            release=record.identity,
            secrets=lost,
        )
    return given
