# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A time limit for one question."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._job.limit import TooSlow, children, within


def test_what_takes_too_long_is_ended_with_the_processes_it_started() -> None:
    other = subprocess.Popen(["sleep", "30"])
    hangs: list[subprocess.Popen[bytes]] = []
    try:
        with pytest.raises(TooSlow), within(0.05):  # noqa: PT012 - the block is what is cut short
            hangs.append(subprocess.Popen(["sleep", "30"]))
            try:
                hangs[0].wait()
            except Exception:  # noqa: BLE001 - as connection plugins do
                pytest.fail("caught by somebody who would only try again")
        if not children():
            pytest.skip("this kernel does not tell a process's children")
        assert hangs[0].wait(5) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (other, *hangs):
            process.kill()
            process.wait()


def test_nothing_is_left_ringing() -> None:
    with within(60):
        pass
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


class Over(BaseException):
    pass


def ring(_number: int, _frame: object) -> None:
    raise Over


@pytest.mark.parametrize("own", [0.02, 60.0])
def test_a_limit_that_was_there_before_still_holds(own: float) -> None:
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.06)
    try:
        with pytest.raises(Over):  # noqa: PT012 - the waiting is what is cut short
            try:
                with within(own):
                    signal.pause()
            except TooSlow:
                assert own == 0.02
                deadline = time.monotonic() + 5
                while time.monotonic() < deadline:
                    signal.pause()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
