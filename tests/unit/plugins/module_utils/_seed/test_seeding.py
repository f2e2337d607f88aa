# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sync tells its own server, and when it is over."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import Peer, SeedConfig
from ansible_collections.drydock.serving.plugins.module_utils._seed.seeding import Seeding
from ansible_collections.drydock.serving.plugins.module_utils._source import parse_source

ORIGIN = parse_source("https://origin.example.org/a")
WANTED = Wanted(label="a", sha256="a" * 64, size=1, sources=(ORIGIN,))
HERE = Peer("h0", "192.0.2.1", 4444)
CONFIG = SeedConfig(listen=4444, token="t" * 32, certificate="", key="", peers=(HERE,), name="h0")
STRAGGLERS: dict[str, Callable[[Seeding, Any], Any]] = {
    "looks for a file": lambda _seeding, locate: locate(WANTED),
    "got bytes": lambda seeding, _locate: seeding.moved(),
}


@pytest.mark.parametrize("does", STRAGGLERS)
def test_who_is_left_behind_writes_into_no_file_that_got_the_number_of_the_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    news, tell = os.pipe()
    seeding = Seeding(CONFIG, gid=-1, file_mode=0o644)
    monkeypatch.setattr(seeding, "_serve", lambda _layout, _wanted: tell)
    layout: Any = None
    with seeding.supply(layout, [WANTED]) as locate:
        STRAGGLERS[does](seeding, locate)
        assert os.read(news, 100)
    os.close(news)
    path = tmp_path / "manifest.json"
    with path.open("wb") as handle:
        os.dup2(handle.fileno(), tell)
        try:
            STRAGGLERS[does](seeding, locate)
        finally:
            os.close(tell)
    assert path.read_bytes() == b""
