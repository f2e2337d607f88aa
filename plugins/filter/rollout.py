# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that tells how far a rollout has come. Documentation: the ``.yml`` file beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils import _rollout


def rollout(names: Sequence[str], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return _rollout.rollout(names, hostvars)
    except DrydockError as error:
        raise AnsibleFilterError(error.message) from error


class FilterModule:
    """Registers the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"rollout": rollout}
