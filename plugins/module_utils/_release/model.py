# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``model.json`` of a release: what it read of the stack model, so that a host can make that release again by itself.

No value of a secret is in it, and no address that models come from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

SCHEMA = 1
MODEL = "model.json"
KEPT = ("name", "domain", "paths", "services", "components", "secrets", "edge", "release", "capacity")


def release_model(stack: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a stack model that ``parse_desired`` reads; reading that again gives the same."""
    found = {key: stack[key] for key in KEPT if key in stack}
    found["models"] = [
        {
            **{key: model[key] for key in ("name", "version")},
            "files": [{key: item[key] for key in ("path", "checksum")} for item in model["files"]],
        }
        for model in stack.get("models") or []
    ]
    return found


def model_text(model: Mapping[str, Any]) -> bytes:
    """The file. The sum in it tells whether it was changed since."""
    value = {"schema": SCHEMA, "sha256": _sum(model), "model": model}
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode("utf-8")


def read_model(folder: Path) -> dict[str, Any] | None:
    """The model in a release directory; None when there is none.

    :raises DrydockError: ``release_altered`` when it is not as it was written, ``state_unreadable`` when a newer
        version of the collection wrote it.
    """
    try:
        raw = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        schema, model = raw["schema"], raw["model"]
        whole = schema > SCHEMA or (isinstance(model, dict) and raw["sha256"] == _sum(model))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        whole, schema, model = False, 0, {}
    if schema > SCHEMA:
        raise DrydockError(
            "state_unreadable",
            f"{folder / MODEL} was written by a newer version of this collection (schema {schema}, this one knows "
            f"{SCHEMA}). Run with that version; nothing was touched.",
        )
    if not whole:
        raise DrydockError(
            "release_altered",
            f"{folder / MODEL} is not as its release has written it. Nothing was touched. Put it back from a backup, "
            "or release from the inventory (the tag `stack`).",
            files=[MODEL],
        )
    return dict(model)


def _sum(model: Mapping[str, Any]) -> str:
    text = json.dumps(model, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
