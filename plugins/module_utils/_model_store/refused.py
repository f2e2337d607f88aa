# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that came whole and were refused for their format: fetching them again would only end in the same refusal.

Remembered by digest, with all that the refusal depended on. Another name, other allowed formats, an exemption or
another version of the inspection let the file come and be looked at again; so does time, in case nobody raised that.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import INSPECTION
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import read_json
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import FileSpec, ModelSpec

KIND = "format_refused"
STANDS_FOR = 7 * 24 * 3600
_MOST = 1000


def remember(layout: Layout, model: ModelSpec, spec: FileSpec, error: DrydockError, *, now: float) -> None:
    """Write a refusal down, by whoever holds the lock of the store. :raises OSError: it cannot be written."""
    if error.kind != KIND or spec.sha256 in model.policy.exempt:
        return
    known = {digest: one for digest, one in _load(layout).items() if _stands(one, now)}
    kept = sorted(known.items(), key=lambda pair: pair[1]["at"])
    new = {**_question(model, spec), "at": int(now), "message": error.message}
    write_json(
        layout.refused, {"schema": 1, "refused": {**dict(kept[max(0, len(kept) + 1 - _MOST) :]), spec.sha256: new}}
    )


def refuse_again(layout: Layout, models: Iterable[ModelSpec], digests: Collection[str], *, now: float) -> None:
    """Look at what is to be fetched.

    :raises DrydockError: kind ``format_refused``: one of these files was refused, and nothing has changed since.
    """
    known = _load(layout) if digests else {}
    for model in models if known else ():
        for spec in model.files:
            one = known.get(spec.sha256, {}) if spec.sha256 in digests else {}
            if spec.sha256 in model.policy.exempt or not _stands(one, now):
                continue
            if {key: one.get(key) for key in ("path", "formats", "inspection")} == _question(model, spec):
                raise _again(layout, model, spec, one)


def _again(layout: Layout, model: ModelSpec, spec: FileSpec, one: Mapping[str, Any]) -> DrydockError:
    day = time.strftime("%Y-%m-%d", time.gmtime(one["at"]))
    return DrydockError(
        KIND,
        f"{model.name} {model.version}: {one.get('message')} That was found on {day}, when sha256:{spec.sha256} was "
        f"fetched; so that it does not come in vain again, nothing was fetched now. It is looked at again when "
        f"'formats' or 'exempt' of the model change, or when {layout.refused} is removed.",
        file=spec.path,
        checksum=f"sha256:{spec.sha256}",
        remembered=True,
    )


def _question(model: ModelSpec, spec: FileSpec) -> dict[str, Any]:
    """What the answer depends on, besides the bytes."""
    allowed = model.policy.allowed
    return {"path": spec.path, "formats": None if allowed is None else sorted(allowed), "inspection": INSPECTION}


def _stands(one: Mapping[str, Any], now: float) -> bool:
    moment = one.get("at")
    return isinstance(moment, int) and 0 <= now - moment < STANDS_FOR


def _load(layout: Layout) -> dict[str, Mapping[str, Any]]:
    """What is remembered; nothing where it cannot be read, so that the file comes and is looked at again."""
    content = read_json(layout.refused)
    listed = content.get("refused") if isinstance(content, Mapping) else None
    return {key: one for key, one in listed.items() if isinstance(one, dict)} if isinstance(listed, Mapping) else {}
