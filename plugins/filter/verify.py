# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the playbook that judges a deployment from outside. Documentation: the ``.yml`` files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils import _verify
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import to_plain


def verify_plan(stack: Any, address: str, ca_path: Any = None, golden: Any = ()) -> dict[str, Any]:
    return _verify.verify_plan(
        to_plain(stack), address=str(address), ca_path=str(ca_path) if ca_path else None, golden=to_plain(golden)
    )


def verify_verdict(polled: Any, probed: Any, host: str, at: str = "") -> dict[str, Any]:
    verdict = _verify.verify_verdict(_mapping(polled), _mapping(probed), host=host, at=at)
    return {**verdict, "failed_checks": list(_verify.failed_checks(verdict))}


def _mapping(value: Any) -> Mapping[str, Any]:
    plain = to_plain(value)
    return plain if isinstance(plain, Mapping) else {}


class FilterModule:
    """Registers the filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"verify_plan": verify_plan, "verify_verdict": verify_verdict}
