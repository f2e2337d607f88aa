# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``stack_model``. Documentation: ``stack_model.yml`` beside this file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.trusted import fingerprint
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.capacity import Host
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import to_bytes, to_float
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.components import load_components
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.model import build_model
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import StackError


def _host(given: Any) -> Host | None:
    if given is None:
        return None
    try:
        return Host(memory=to_bytes(given["memory_bytes"]), cpus=to_float(given["cpus"]))
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"stack_model: host needs memory_bytes and cpus as numbers; {error}") from error


def _names(given: Any) -> list[str]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise AnsibleFilterError(
            "stack_model: secrets needs the names of the given secrets, such as stack_secrets.keys() | list"
        )
    return [str(name) for name in given]


def stack_model(
    stack: Any, models: Any = None, lock: Any = None, secrets: Any = (), host: Any = None, *, base: Any = None
) -> dict[str, Any]:
    """The stack model, or one AnsibleFilterError with every violation."""
    try:
        return build_model(
            stack,
            models=models,
            lock=lock,
            secrets=_names(secrets),
            host=_host(host),
            trusted=partial(fingerprint, base=Path(str(base))) if base else None,
            components=load_components(),
        )
    except StackError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"stack_model": stack_model}
