# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that answers errors to real clients through a real nginx: the host goes back by itself, whoever dies."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from benchmarks.release.load import Load, Mix
from benchmarks.release.site import Collection, Host
from benchmarks.release.wanted import DOMAIN, NAME, Wanted, stack
from lab.ca import ensure_ca, ensure_certificate
from lab.checkout import this_checkout

pytestmark = [pytest.mark.lab, pytest.mark.slow]

HOST = "probation"
ROOT = this_checkout().root
LIGHT = Mix(rate=20, kept=4, slow=0, streams=0, websockets=0)
BAD = "error_rate=0.3"


class OnProbation(Collection):
    """The collection with a stack whose releases are on probation."""

    probation: Mapping[str, float] = {"seconds": 90}

    def _want(self, wanted: Wanted) -> None:
        value = stack(wanted, **self._images, certificate=self._certificate.certificate, key=self._certificate.key)
        value["release"] = {"probation": dict(self.probation)}
        place = self._folder / "group_vars" / "all" / "stack.json"
        place.write_text(json.dumps({"stack": value}, indent=2), encoding="utf-8")

    def told(self, path: str) -> dict[str, Any]:
        """A JSON file of the stack on the host; empty when it is not there."""
        done = _lab("exec", HOST, "cat", f"/opt/{NAME}/{path}")
        return dict(json.loads(done.stdout)) if done.returncode == 0 else {}

    @property
    def serves(self) -> dict[str, Any]:
        """The record of what serves."""
        return self.told("current/release.json")


def _lab(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lab", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=600
    )


def lab(*words: str) -> str:
    done = _lab(*words)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def site(lab_up: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnProbation]:
    """A host with a first release, and light load on it."""
    found = json.loads(lab("host-up", HOST, "--engine", "--fresh"))
    try:
        checkout = this_checkout()
        ours = OnProbation(
            Host({name: value for name, value in found.items() if name.startswith("ansible_")}),
            tmp_path_factory.mktemp("site"),
            image=json.loads(lab("images", "echo"))["echo"],
            redis=json.loads(lab("images"))["redis"],
            certificate=ensure_certificate(checkout, "release", (DOMAIN,)),
            ca=ensure_ca(checkout).certificate,
        )
        ours.first(Wanted("first"))
        with Load(ours.place, mix=LIGHT):
            yield ours
    finally:
        lab("host-down", HOST)


@pytest.fixture(scope="module", name="lab_up")
def _lab_up(lab: None) -> None:
    """The lab is there."""


def until(what: Callable[[], Any], seconds: float) -> Any:
    """What it says as soon as that is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"nothing within {seconds:g} s")


def test_a_release_that_answers_errors_goes_back_by_itself_and_fails_the_run(site: OnProbation) -> None:
    before = site.serves["id"]
    done = site.deploy(Wanted("bad", BAD))
    said = " ".join(done.said.split())  # however its lines are wrapped
    assert done.status == 2, done.said
    assert "did not pass its probation" in said
    assert "were errors of the server; allowed are 5 %" in said
    assert f"the host went back to {before}" in said
    assert site.serves["rolled_back_to"] == before
    given_up = site.serves["rolled_back_from"]
    assert site.told(f"failures/{given_up}/failure.json")["kind"] == "probation_failed"
    last = json.loads(lab("exec", HOST, "tail", "-n", "1", f"/opt/{NAME}/state/deployments.jsonl"))
    assert (last["outcome"], last["release"]) == ("failed", given_up)
    assert site.host.ssh("test", "-e", f"/opt/{NAME}/state/probation.json").status == 1


def test_it_goes_back_also_when_the_run_and_then_the_watcher_are_killed(site: OnProbation) -> None:
    site.probation = {"seconds": 90, "min_requests": 200}  # some ten seconds of this load
    before = site.serves["id"]
    run = threading.Thread(target=site.deploy, args=(Wanted("bad again", BAD),))
    run.start()
    process = until(lambda: site.told("state/lease.json").get("pid"), 300)
    until(lambda: site.serves["id"] != before, 300)
    lab("exec", HOST, "kill", "-KILL", str(process))
    unit = f"{NAME}-probation.service"
    lab("exec", HOST, "systemctl", "kill", "--signal=KILL", unit)
    given_up = site.serves["id"]
    until(lambda: site.serves.get("rolled_back_from") == given_up, 120)
    run.join()
    until(lambda: not site.told("state/probation.json"), 60)
    assert int(lab("exec", HOST, "systemctl", "show", "--property=NRestarts", "--value", unit)) >= 1
    names = site.host.ssh("docker", "ps", "--filter", f"label=drydock.stack={NAME}", "--format", "{{.Names}}").said
    assert set(names.split()) == {item["name"] for item in site.serves["containers"].values()}


def test_a_release_that_does_well_is_kept_with_a_log_that_is_rotated_meanwhile(site: OnProbation) -> None:
    site.probation = {"seconds": 20}
    rotating = threading.Thread(target=_rotate_on_probation, args=(site,))
    rotating.start()
    done = site.deploy(Wanted("good"))
    rotating.join()
    assert done.status == 0, done.said
    verdict = site.serves["probation"]
    assert (verdict["verdict"], verdict["end"]) == ("kept", "it is kept")
    # 20 a second: what was read before the rotation and after it together
    assert verdict["figures"]["api"]["requests"] > 20 * 20 * 0.8
    assert verdict["figures"]["api"]["errors"] == 0
    assert site.host.ssh(NAME, "status").status == 0


def _rotate_on_probation(site: OnProbation) -> None:
    until(lambda: site.told("state/probation.json"), 300)
    time.sleep(8)  # so that there is something to read on both sides
    site.host.ssh("logrotate", "--force", "/etc/logrotate.d/nginx")
