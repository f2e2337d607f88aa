# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all archives have in common: members with names that stay inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import Blob, Refusal
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import check_path


class Member(NamedTuple):
    """One member. A name that ends with ``/`` is a directory."""

    name: str
    blob: Blob


def check_name(name: str) -> None:
    """:raises Refusal: unpacked by this name it could land elsewhere than in its directory, or look like another."""
    wrong = check_path("in/" + name.removesuffix("/"))
    if wrong:
        raise Refusal("an archive with a member that does not stay inside", f"the name {name[:200]!r} {wrong}")


def check_names(names: Sequence[str]) -> None:
    """:raises Refusal: a name is not usable, or stands for two members."""
    seen: set[str] = set()
    for name in names:
        check_name(name)
        if name.removesuffix("/") in seen:
            raise Refusal("an archive with two members of one name", f"{name[:200]!r} could be either")
        seen.add(name.removesuffix("/"))
