# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run that has made a release stays until its probation is over, and ends as that ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.ending import Ending, watch_of
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import RELEASE
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import (
    ENDED,
    FAILED,
    Note,
    active,
    remaining,
    start_unit,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.probation_log import KIND, STEP, verdict_of
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.watching import wait


def unwatched(desired: Desired, runner: Runner) -> bool:
    """Whether what serves is on probation and nobody on the host watches it; the unit is started where there is one.

    :raises DrydockError: ``state_unreadable``.
    """
    return active(desired.layout) is not None and not start_unit(desired.name, runner)


def after(desired: Desired, host: Host, *, actor: str, result: dict[str, Any]) -> None:
    """Wait for the verdict on a release that this run has made. The unit of systemd watches; where there is none, or it
    dies, this run does, also when it has made nothing. It does not hold the lease.

    :param result: of the run.
    :raises DrydockError: ``probation_failed`` with the figures.
    """
    note = active(desired.layout)
    if note is None:
        return
    watched = start_unit(desired.name, host.runner)
    if result["kind"] == RELEASE or not watched:
        _follow(desired, note, host, watched=watched, actor=actor, result=result)


def _follow(desired: Desired, note: Note, host: Host, *, watched: bool, actor: str, result: dict[str, Any]) -> None:
    layout, seconds = desired.layout, note.thresholds.seconds

    def tell() -> None:
        host.progress.tell(f"the end of the probation: {seconds - remaining(note, host.clocks):.0f} s of {seconds:g} s")

    ending = Ending(desired.name, layout, host, actor=actor, say=result["actions"].append)
    at = watch_of(layout, host, actor=actor, say=lambda _text: tell())
    with host.progress.shown(layout.job, {"release": note.release, "wish": desired.hash({})}, holding=False):
        host.progress.step(STEP, 1, 1)
        wait(at, note.release, ending, watched=watched, tell=tell)
    verdict = verdict_of(layout, note.release) or {"verdict": ENDED, "said": [], "end": "it was ended by another run"}
    result["probation"] = dict(verdict)
    if verdict.get("verdict") == FAILED:
        result["release"] = layout.current.readlink().name
        raise _failed(note.release, verdict)


def _failed(release: str, verdict: Mapping[str, Any]) -> DrydockError:
    evidence = verdict.get("evidence")
    where = f" Evidence on the host: {evidence}." if evidence else ""
    return DrydockError(
        KIND,
        f"The release {release} did not pass its probation: {'; '.join(verdict.get('said') or [])}. "
        f"As to what serves: {verdict.get('end') or 'the host goes back to the release before'}.{where}",
        step=STEP,
        evidence=evidence,
        breaches=verdict.get("breaches") or [],
        figures=verdict.get("figures") or {},
    )
