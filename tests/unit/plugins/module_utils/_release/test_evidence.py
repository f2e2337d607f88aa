# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a failed release tells why it failed, to people first, and is of bounded size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.bundle import Bundle
from ansible_collections.drydock.serving.plugins.module_utils._release.cause import ending
from ansible_collections.drydock.serving.plugins.module_utils._release.events import Event
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import KEPT_FAILURES, failures
from ansible_collections.drydock.serving.plugins.module_utils._release.redact import Redactor
from ansible_collections.drydock.serving.plugins.module_utils._release.summary import MEANINGS

from tests.unit.plugins.module_utils._release.world import World

KILLED = {"Status": "exited", "ExitCode": 137, "OOMKilled": True}


def happened(action: str, container: str, at: float = 1_795_234_500.25, **attributes: str) -> dict[str, Any]:
    """As the engine tells it."""
    attributes = {"name": "demo-green-api-1", **attributes}
    return {"Action": action, "timeNano": int(at * 1e9), "Actor": {"ID": container, "Attributes": attributes}}


def failed(world: World, **state: Any) -> Path:
    """A second release whose service does not stay; its evidence."""
    world.docker.sick = {"api:2"}
    world.docker.endings = {"api:2": state} if state else {}
    world.release()
    world.failing(world.with_api(image="api:2"))
    return world.root / "failures" / "r002"


def test_a_container_that_was_killed_for_memory_is_the_first_line_of_the_failure(world: World) -> None:
    world.release()
    world.docker.endings = {"api:2": KILLED}
    error = world.failing(world.with_api(image="api:2"))
    said = "The service api was killed for memory: its limit is 512 MiB (container demo-green-api-1)."
    assert error.message.splitlines()[0] == said
    (cause,) = error.details["causes"]
    assert (cause["service"], cause["exit_code"], cause["oom_killed"], cause["memory"]) == (
        "api",
        137,
        True,
        512 * 1024**2,
    )
    told = json.loads((world.root / "failures" / "r002" / "failure.json").read_text())
    assert told["message"].splitlines()[0] == said
    assert told["causes"] == [cause]


def test_an_exit_code_is_told_in_the_first_line(world: World) -> None:
    world.release()
    world.docker.endings = {"api:2": {"Status": "exited", "ExitCode": 127, "Error": "no such file"}}
    error = world.failing(world.with_api(image="api:2"))
    assert error.message.splitlines()[0] == (
        "The service api ended with exit code 127, the command was not found in the image: no such file (container "
        "demo-green-api-1)."
    )


@pytest.mark.parametrize(
    ("state", "events", "log", "said"),
    [
        ({"Status": "running", "ExitCode": 0}, [], "", None),
        (KILLED, [], "", "was killed for memory: its limit is 64 MiB (container x, 2 restarts)."),
        # started again, a container does not know any more how it ended
        ({"Status": "running", "ExitCode": 0}, [("oom", None), ("die", 137)], "", "was killed for memory"),
        (
            {"Status": "running", "ExitCode": 0},
            [("die", 3), ("start", None)],
            "",
            "ended with exit code 3 (container x",
        ),
        ({"Status": "restarting", "ExitCode": 3}, [("die", 1)], "", "ended with exit code 3 (container x"),
        ({"Status": "exited", "ExitCode": 139}, [], "", "exit code 139, segmentation fault (container x"),
        ({"Status": "exited", "ExitCode": 0}, [], "", "ended with exit code 0 (container x"),
        (
            {"Status": "restarting", "ExitCode": 255},
            [],
            "exec /app: exec format error",
            "its program is for another kind of processor",
        ),
        (
            {"Status": "exited", "ExitCode": 127},
            [],
            "/app: 1: \x7fELF\x02: not found",
            "its program is for another kind of processor",
        ),
    ],
)
def test_why_a_container_ended_is_read_from_its_state_and_from_what_happened_before(
    state: dict[str, Any], events: list[tuple[str, int | None]], log: str, said: str | None
) -> None:
    seen = [Event(at=1.0, action=action, container="id", name="x", exit_code=code) for action, code in events]
    seen.append(Event(at=0.0, action="oom", container="another one", name="x"))
    raw = {"Id": "id", "Name": "/x", "State": state, "RestartCount": 2, "HostConfig": {"Memory": 64 * 1024**2}}
    found = ending("api", raw, seen, log=log)
    assert (found is None) == (said is None)
    if found is not None and said is not None:
        assert said in found.said


def test_the_bundle_has_everything_and_nobody_else_reads_it(world: World) -> None:
    world.docker.events = [happened("start", "x"), happened("die", "x", exitCode="3"), {"Action": "?"}]
    evidence = failed(world)
    files = {path.name: path for path in evidence.iterdir() if path.is_file()}
    assert files.keys() == {
        "failure.json",
        "timeline.txt",
        "inspect.json",
        "containers.txt",
        "events.txt",
        "host.txt",
        "summary.txt",
        "api.log",
        "db.log",
    }
    assert evidence.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert files["events.txt"].read_text().splitlines() == [
        "2026-11-21T04:15:00.250Z  demo-green-api-1  start",
        "2026-11-21T04:15:00.250Z  demo-green-api-1  die, exit code 3",
    ]
    assert "healthy: failed" in files["timeline.txt"].read_text()
    assert "api (ready): running, unhealthy" in files["timeline.txt"].read_text()
    assert "disk of the stack" in files["host.txt"].read_text()
    told = json.loads(files["failure.json"].read_text())
    assert (told["number"], told["step"]) == (1, "healthy")
    assert "up" in told["durations"]
    assert told["timeline"][0]["target"] in {"api", "db"}


def test_the_summary_says_what_failed_what_serves_and_where_to_look(world: World) -> None:
    text = (failed(world, Status="exited", ExitCode=3) / "summary.txt").read_text()
    first = text.splitlines()[0]
    assert first == "The release r002 of the stack demo failed at the step `healthy`, 2026-11-21T04:15:00Z (unhealthy)."
    assert "The service api ended with exit code 3" in text
    assert "The previous release r001 was not touched and serves." in text
    assert "sudo demo status" in text
    assert "sudo docker logs --timestamps demo-green-api-1" in text
    assert "failure.json" in text
    assert "hunter2" not in text


def test_every_kind_of_file_in_a_bundle_has_a_meaning() -> None:
    ends = [end for end, _meaning in MEANINGS]
    names = ["failure.json", "timeline.txt", "inspect.json", "containers.txt", "events.txt", "host.txt", "api.log"]
    assert all(any(name.endswith(end) for end in ends) for name in [*names, "golden-api.answer", "nginx-error.log"])


def test_the_log_of_nginx_is_kept_where_the_edge_had_a_part_in_it(world: World) -> None:
    nginx = world.with_edge()
    (world.place / "nginx-error.log").write_text("old\n" * 100_000 + "connect() failed\n")
    world.release()
    nginx.deaf = True
    world.failing(world.with_api(image="api:2"))
    kept = (world.root / "failures" / "r002" / "nginx-error.log").read_text()
    assert kept.endswith("connect() failed\n")
    assert len(kept) <= 64 * 1024
    assert not (failed(World(world.place / "another")) / "nginx-error.log").exists()


def test_a_bundle_is_of_bounded_size_and_keeps_the_ends(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "b", Redactor([]), limit=10_000)
    bundle.text("a.log", "first\n" + "x" * 99 + "\n" + "line\n" * 2000 + "last\n", most=1000)
    text = (tmp_path / "b" / "a.log").read_text()
    assert len(text) <= 1000
    assert text.startswith("[the first ")
    assert text.splitlines()[1:3] == ["line", "line"]
    assert text.endswith("last\n")
    bundle.answer("big.answer", b"y" * 20_000, most=8_000)
    assert (tmp_path / "b" / "big.answer").read_bytes() == b"y" * 8_000
    bundle.text("rest.log", "z" * 50_000)
    bundle.text("none.log", "z" * 50_000)
    assert sum(path.stat().st_size for path in (tmp_path / "b").iterdir()) <= 10_000


def test_a_program_that_says_megabytes_does_not_fill_the_disk(world: World) -> None:
    world.docker.log = ["x" * 100_000 for _line in range(60)]
    evidence = failed(world)
    assert (evidence / "api.log").stat().st_size <= 256 * 1024
    assert (evidence / "api.log").read_text().rstrip().endswith("says password=[redacted] and canary-value")


def test_the_evidence_of_failures_that_no_release_follows_is_kept_within_bounds(world: World) -> None:
    world.release()
    world.docker.sick = {"api:2"}
    for _attempt in range(KEPT_FAILURES + 3):
        world.failing(world.with_api(image="api:2"))
    layout = world.desired(world.stack).layout
    assert failures(layout) == [f"r{number:03}" for number in range(KEPT_FAILURES + 4, 4, -1)]


def test_a_clock_that_was_set_back_does_not_cost_the_newest_evidence(world: World) -> None:
    world.release()
    world.docker.sick = {"api:2"}
    world.number = 900
    for _attempt in range(KEPT_FAILURES):
        world.failing(world.with_api(image="api:2"))
    world.number = 100
    error = world.failing(world.with_api(image="api:2"))
    layout = world.desired(world.stack).layout
    assert failures(layout)[0] == "r101"
    assert Path(error.details["evidence"], "summary.txt").is_file()
    assert len(failures(layout)) == KEPT_FAILURES
