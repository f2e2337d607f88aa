# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive on the host holds is not waited for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _bundle
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._source import Source, parse_source

ORIGIN, PEER = parse_source("https://origin.example.org/a"), parse_source("https://h0:1/blobs/a")
WANTED = Wanted(label="a", sha256="a" * 64, size=1, sources=(ORIGIN,))


# What is known of the archive, who is asked for the file, and whether the group was asked.
CASES = {
    "it holds the file": (True, ["file", "https://origin.example.org/a"], 0),
    "it lacks the file": (False, ["https://h0:1/blobs/a"], 1),
    "it cannot be read": (None, ["file", "https://h0:1/blobs/a"], 1),
}


@pytest.mark.parametrize("case", CASES)
def test_the_group_is_asked_only_for_what_the_archive_lacks(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holds, expected, times = CASES[case]
    monkeypatch.setattr(_bundle, "_holds", lambda _path, _sha256: holds)
    asked: list[Any] = []

    def locate(item: Any) -> Sequence[Source]:
        asked.append(item)
        return (PEER,)

    @contextlib.contextmanager
    def group(_layout: Any, _wanted: Any) -> Iterator[Any]:
        yield locate

    with _bundle.first("/mnt/models.tar", group)(None, [WANTED]) as located:
        found = [source.url if source.parts.scheme != "file" else "file" for source in located(WANTED)]
    assert found == expected
    assert len(asked) == times
