# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command says of a rollback."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verbs.rollback import report

BACK = {
    **empty_result(),
    "release": "r003",
    "rolled_back_to": "r001",
    "rolled_back_from": "r002",
    "actions": ["pull x"],
}


def test_it_says_from_where_to_where_and_that_the_inventory_wants_something_else() -> None:
    first, second = report("ocr", BACK, check=False)
    assert first == "ocr: went back from r002 to r001, as r003."
    assert "put that right first" in second


def test_a_check_lists_what_would_be_done() -> None:
    assert report("ocr", BACK, check=True) == ["ocr: would go back from r002 to r001:", "  pull x"]


def test_what_serves_already_is_said_to() -> None:
    result = {**empty_result(), "release": "r003"}
    assert report("ocr", result, check=False) == ["ocr: r003 serves what was to be gone back to; nothing changed."]
