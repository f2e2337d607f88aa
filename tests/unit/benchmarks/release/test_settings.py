# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.release.echo.settings import Faults, Settings


def test_faults_are_read_by_name_and_number() -> None:
    found = Faults.parse("never_ready, crash_later=2.5,error_rate=0.1")
    assert found == Faults(never_ready=True, crash_later=2.5, error_rate=0.1)
    assert Faults.parse("") == Faults()


@pytest.mark.parametrize("text", ["never_redy", "never_ready=1", "crash_later", "slow_start=soon"])
def test_a_fault_that_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no fault|could not convert"):
        Faults.parse(text)


def test_settings_come_from_the_environment_and_have_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    found = Settings.from_environment({"ECHO_RELEASE": "r7", "ECHO_PORT": "1", "ECHO_QUEUE_SECRET": "/x"})
    assert (found.release, found.port, found.queue_secret) == ("r7", 1, Path("/x"))
