# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a job on a host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import (
    Died,
    GivenUp,
    Look,
    Lost,
    Watch,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.kind import DOWNLOAD
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot
from ansible_collections.drydock.serving.tests.unit.plugins.plugin_utils._job.stand_ins import Time, Told

RESULT = {"changed": True}


def running(updated: float) -> Look[Snapshot]:
    return Look(Snapshot(bytes_done=int(updated), bytes_total=100, updated=updated), "running")


class Host:
    """Answers what the script says for the number of the question."""

    def __init__(self, script: Callable[[int], Look[Snapshot] | Exception], *, lives: bool = True) -> None:
        self.script, self.lives = script, lives
        self.asked = self.reconnected = self.life_asked = 0

    def look(self) -> Look[Snapshot]:
        self.asked += 1
        answer = self.script(self.asked)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def alive(self) -> bool:
        self.life_asked += 1
        return self.lives

    def result(self) -> dict[str, Any]:
        return RESULT

    def reconnect(self) -> None:
        self.reconnected += 1


def watched(host: Host, time: Time, told: Told) -> dict[str, Any]:
    return Watch(host, DOWNLOAD, told, time.clock, patience=300).result()


def test_it_asks_often_at_first_and_every_three_seconds_later() -> None:
    time, told = Time(), Told()
    host = Host(lambda number: Look(None, "finished") if number == 20 else running(number))
    assert watched(host, time, told) == RESULT
    assert time.pauses[0] == 0.5
    assert time.pauses == sorted(time.pauses)
    assert time.pauses[-10:] == [3.0] * 10
    assert [one.updated for one in told.shown] == list(range(1, 20))
    assert told.notes == []


def test_it_asks_sooner_when_the_end_is_in_sight() -> None:
    time = Time()
    near = Look(Snapshot(bytes_done=99, bytes_total=100, eta=1.0, updated=1), "running")
    host = Host(lambda number: running(number) if number < 20 else near if number == 20 else Look(None, "finished"))
    assert watched(host, time, Told()) == RESULT
    assert time.pauses[-2:] == [3.0, 1.0]


def test_a_lost_connection_is_said_and_tried_again_at_growing_pauses() -> None:
    time, told = Time(), Told()
    answers: list[Look[Snapshot] | Exception] = [
        running(1),
        Lost("no route"),
        Lost("no route"),
        Lost("no route"),
        running(2),
        Look(None, "finished"),
    ]
    host = Host(lambda number: answers[number - 1])
    assert watched(host, time, told) == RESULT
    assert host.reconnected == 3
    assert time.pauses[2:5] == [2.0, 4.0, 8.0]
    assert told.notes == [
        "does not answer; the download goes on there. Trying again for 5 min 00 s more. no route",
        "does not answer; the download goes on there. Trying again for 4 min 58 s more. no route",
        "does not answer; the download goes on there. Trying again for 4 min 54 s more. no route",
        "answers again after 14 s",
    ]


def test_a_host_that_stays_silent_is_given_up_after_the_time_allowed() -> None:
    time, told = Time(), Told()
    with pytest.raises(GivenUp, match="no route"):
        watched(Host(lambda _number: Lost("no route")), time, told)
    assert 300 <= time.now <= 301
    assert 10 < len(told.notes) < 25


def test_each_loss_has_the_whole_time_again() -> None:
    time, told = Time(), Told()

    def script(number: int) -> Look[Snapshot] | Exception:
        if number == 60:
            return Look(None, "finished")
        return running(number) if number % 15 == 0 else Lost("")

    host = Host(script)
    assert watched(host, time, told) == RESULT
    assert time.now > 600


@pytest.mark.parametrize("script", ["no news", "no status file"])
def test_a_job_whose_process_is_gone_has_died(script: str) -> None:
    time = Time()
    host = Host(lambda _number: running(1) if script == "no news" else Look(None, "running"), lives=False)
    with pytest.raises(Died, match="process is gone"):
        watched(host, time, Told())
    assert 20 <= time.now < 30


def test_a_job_that_ends_while_somebody_asks_for_its_process_has_not_died() -> None:
    host = Host(lambda number: running(1) if number < 12 else Look(None, "finished"), lives=False)
    assert watched(host, Time(), Told()) == RESULT


def test_a_job_that_lives_without_news_is_waited_for() -> None:
    time = Time()
    host = Host(lambda number: running(1) if number < 500 else Look(None, "finished"))
    assert watched(host, time, Told()) == RESULT
    assert host.life_asked == pytest.approx(time.now / 21, abs=5)


def test_a_job_without_a_result_file_is_gone_after_three_looks() -> None:
    with pytest.raises(Died, match="result file is gone"):
        watched(Host(lambda _number: Look(None, "missing")), Time(), Told())
    late = Host(lambda number: Look(None, "missing" if number < 3 else "finished"))
    assert watched(late, Time(), Told()) == RESULT


def test_somebody_may_act_on_each_look() -> None:
    seen: list[Look[Snapshot]] = []
    host = Host(lambda number: running(number) if number < 3 else Look(None, "finished"))
    Watch(host, DOWNLOAD, Told(), Time().clock, patience=300, on_look=seen.append).result()
    assert [look.job for look in seen] == ["running", "running", "finished"]
