# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unchanged result of a release, as the host and the controller begin with it."""

from __future__ import annotations

from typing import Any


def empty_result() -> dict[str, Any]:
    """The unchanged result; every exit has these keys."""
    return {
        "changed": False,
        "release": None,
        "previous": None,
        "directory": None,
        "kind": "none",
        "actions": [],
        "engine": "ok",
        "health": [],
        "durations": {},
        "pruned": [],
        "moved": {},
        "cut": [],
        "pruned_images": [],
        "rolled_back_to": None,
        "rolled_back_from": None,
        "kept": [],
        "switched": None,
        "probation": None,
        "backup": None,
        "migrated": [],
        "hooks": [],
        "lease_taken_over": None,
        "prepared": None,
        "maintenance": None,
        "diff": [],
    }
