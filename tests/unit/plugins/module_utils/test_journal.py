# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._journal import COMMITTED, OPEN, Journal


def test_a_transaction_is_read_back_as_it_was_written_until_it_is_cleared(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    assert journal.load() is None
    record = journal.begin("demo", {"a": [1]}, now=5.0)
    assert record.state == OPEN
    assert journal.load() == record
    record = journal.commit(record)
    loaded = journal.load()
    assert loaded == record
    assert loaded is not None
    assert (loaded.state, loaded.data, loaded.started) == (COMMITTED, {"a": [1]}, 5.0)
    journal.clear()
    journal.clear()
    assert journal.load() is None
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.begin("demo", {}, now=0.0)
    assert journal.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"schema": 1, "state": "open"}', "cannot be read"),
        ('{"schema": 1, "state": "half"}', "another version"),
        ('{"schema": 2, "state": "open"}', "another version"),
    ],
)
def test_a_journal_that_cannot_be_trusted_is_refused_and_left_alone(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "j").write_text(text)
    with pytest.raises(DrydockError) as caught:
        Journal(tmp_path / "j").load()
    assert caught.value.kind == "journal_unreadable"
    assert words in caught.value.message
    assert (tmp_path / "j").read_text() == text
