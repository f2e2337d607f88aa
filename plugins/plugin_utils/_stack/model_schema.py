# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of ``models``, which an operator writes, and of ``models_lock``, which the lock writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import FORMATS
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import gates
from ansible_collections.drydock.serving.plugins.plugin_utils._stack import coerce, fields
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.fields import Field, scalar
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

MODEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
MODEL_WORDS = "letters, digits, '.', '_' and '-', the first a letter or digit, at most 64 in all"
VERSION = r"(?!current$)[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"
VERSION_WORDS = (
    "letters, digits, '.', '_', '+' and '-', the first a letter or digit, at most 64 in all, and not 'current'"
)
SIGNED_BY = ("key", "certificate")
GATES = ("require", "licenses", "signature", "formats")

_text = scalar(coerce.to_str)
_texts = fields.list_of(_text, unique=True, empty=False)
_version = scalar(coerce.matching(VERSION, VERSION_WORDS))
_bytes = scalar(coerce.at_least(coerce.to_bytes, 1, "1 byte"))
_size = scalar(coerce.at_least(coerce.to_int, 1, "1 byte"))
_checksum = scalar(gates.to_checksum)
_metrics = {"pattern": r"[^\x00-\x1f\x7f]{1,100}", "meaning": "the name of a metric as the model card writes it"}
_paths = {"pattern": r"[^\x00-\x1f\x7f]+", "meaning": "the path of a file"}


def _values(value: Any, path: str, problems: Problems) -> Any:
    """One number, or all the numbers a model card gives for a metric."""
    if isinstance(value, (list, tuple)):
        return fields.list_of(scalar(coerce.to_float), empty=False)(value, path, problems)
    return scalar(coerce.to_float)(value, path, problems)


def _facts(value: Any, path: str, problems: Problems) -> Any:
    """What only the lock's reader needs to understand."""
    if not isinstance(value, Mapping):
        problems.add(path, f"expected keys and values, found {coerce.shown(value)}.")
        return None
    return {str(key): item for key, item in value.items()}


_file = fields.record(
    {
        "path": Field(_text, required=True),
        "urls": Field(_texts, []),
        "checksum": Field(_checksum),
        "size": Field(_size),
        "minimum_size": Field(_bytes),
    }
)

_signature = fields.record(
    {
        "required": Field(scalar(coerce.to_bool), False),
        "method": Field(scalar(coerce.choice(*SIGNED_BY)), required=True),
        "public_key": Field(_text),
        "certificate_chain": Field(_texts),
        "file": Field(_text),
    }
)

_exemption = fields.record(
    {
        "checksum": Field(_checksum, required=True),
        "reason": Field(scalar(gates.to_reason), required=True),
        "until": Field(scalar(gates.to_date), required=True),
    }
)

_models = fields.map_of(
    fields.record(
        {
            "version": Field(_version, required=True),
            "source": Field(_text),
            "include": Field(_texts, ["*"]),
            "exclude": Field(fields.list_of(_text, unique=True), []),
            "mirrors": Field(fields.list_of(_text, unique=True), []),
            "files": Field(fields.list_of(_file, empty=False), []),
            "card": Field(scalar(coerce.choice(*gates.CARD)), "optional"),
            "card_url": Field(_text),
            "require": Field(fields.map_of(scalar(gates.to_requirement), **_metrics), {}),
            "licenses": Field(fields.list_of(scalar(gates.to_license), unique=True, empty=False)),
            "signature": Field(_signature),
            "minimum_size": Field(_bytes, 1),
            "formats": Field(fields.list_of(scalar(coerce.choice(*FORMATS)), unique=True, empty=False)),
            "exempt": Field(fields.list_of(_exemption), []),
        }
    ),
    pattern=MODEL,
    meaning=MODEL_WORDS,
)


def models(value: Any, path: str, problems: Problems) -> Any:
    """The section; a gate whose values are all commented out is a mistake, not a gate that stands open."""
    for name, model in value.items() if isinstance(value, Mapping) else ():
        for key in GATES if isinstance(model, Mapping) else ():
            if key in model and model[key] is None:
                problems.add(
                    f"{path}.{name}.{key}", "is empty, so nothing would be demanded. Give values or leave it out."
                )
    return _models(value, path, problems)


_locked_file = fields.record(
    {
        "checksum": Field(_checksum, required=True),
        "size": Field(_size, required=True),
        "format": Field(_text),
        "urls": Field(fields.list_of(_text), []),
    }
)

lock = fields.map_of(
    fields.record(
        {
            "version": Field(_text, required=True),
            "source": Field(_text),
            "requested": Field(_text),
            "include": Field(fields.list_of(_text)),
            "exclude": Field(fields.list_of(_text)),
            "license": Field(_text),
            "signature": Field(_facts, {}),
            "card": Field(_facts, {}),
            "metrics": Field(fields.map_of(_values, **_metrics), {}),
            "files": Field(fields.map_of(_locked_file, **_paths), {}),
        }
    ),
    pattern=MODEL,
    meaning=MODEL_WORDS,
)
