# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that do not wait for each other."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.at_once import MOST, at_once


def test_they_are_under_way_at_the_same_time() -> None:
    meeting = threading.Barrier(MOST, timeout=30)
    at_once([lambda: (meeting.wait(), None)[1]] * MOST)
    assert not meeting.broken


def test_one_that_fails_is_told_when_the_others_have_ended() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("the first")

    with pytest.raises(ValueError, match="the first"):
        at_once([fail, *[lambda: done.append(1)] * 6])
    assert len(done) == 6
