# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of ``model_sync`` and ``model_plan`` ask for, as a plan needs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._model_store.arguments import bounds, number_of
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Ownership
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Wishes
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import fail_with, parse_models


def wishes_of(params: Mapping[str, Any], *, check: bool) -> Wishes:
    """Read the options, with their defaults in place.

    :param check: in check mode an owner may be missing that an earlier task would make.
    :raises DrydockError: kind ``invalid_input`` with every violation.
    """
    fail_with(bounds(dict(params)))
    return Wishes(
        models=parse_models(params["models"] or ()),
        ownership=Ownership(
            uid=number_of("owner", params["owner"], check=check),
            gid=number_of("group", params["group"], check=check),
            file_mode=int(params["mode"], 8),
        ),
        keep=params["keep"],
        full=params["verify"] == "full",
        fetch=params["fetch"],
        releases=Path(params["releases"]) if params["releases"] else None,
    )
