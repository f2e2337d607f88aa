# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main promise: a bare host comes out serving, and a second run changes nothing."""

from __future__ import annotations

import copy
import io
import json
import re
import secrets
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from lab.outside import Answer, ask

from .conftest import Playbook, Run

pytestmark = [pytest.mark.lab, pytest.mark.slow]

# Characters that the model tells apart: measured, see examples/ocr/tests/ocr_doubles.py.
CLEAR = "ACDEHKLMNPRT345"


def picture_of(text: str) -> bytes:
    """A PNG that shows this text in black on white."""
    image = Image.new("RGB", (60 + 34 * len(text), 110), "white")
    ImageDraw.Draw(image).text((30, 25), text, fill="black", font=ImageFont.load_default(size=48))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def random_text() -> str:
    return "".join(secrets.choice(CLEAR) for _ in range(8))


@pytest.fixture
def post(facts: dict[str, Any], deployed: Run) -> Any:
    """Ask the deployed service from outside, TLS verified against the lab's CA."""

    def send(path: str, body: bytes | None = None, content_type: str = "image/png") -> Answer:
        return ask(
            facts["stack"]["domain"],
            path,
            address=facts["ansible_host"],
            ca=Path(facts["lab_ca_path"]),
            body=body,
            content_type=content_type,
        )

    return send


def container_starts(host: Any) -> str:
    """Id and start time of every container on the host."""
    command = "docker inspect --format '{{.Name}} {{.Id}} {{.State.StartedAt}}' $(docker ps --quiet) | sort"
    return str(host.check_output(command))


def test_the_demo_shows_what_the_model_read_and_where_to_look(deployed: Run, facts: dict[str, Any]) -> None:
    assert "TLS verified" in deployed.output
    assert f"https://{facts['stack']['domain']}" in deployed.output
    for phase in ("engine, lab, images", "site.yml", "in all"):
        assert re.search(rf"^ +{re.escape(phase)} +\d+ s$", deployed.output, re.MULTILINE), deployed.output[-2000:]


def test_a_picture_made_just_now_is_read_through_the_edge(post: Any) -> None:
    text = random_text()
    answer = post("/v1/read", picture_of(text))
    assert answer.status == 200, answer.body
    read = json.loads(answer.body)
    assert read["text"].replace(" ", "") == text
    assert read["lines"][0]["box"]


def test_a_picture_sent_through_the_queue_is_read_by_the_worker(post: Any) -> None:
    text = random_text()
    accepted = post("/v1/jobs", picture_of(text))
    assert accepted.status == 202, accepted.body
    job = json.loads(accepted.body)["id"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = json.loads(post(f"/v1/jobs/{job}").body)
        if state["status"] not in {"queued", "running"}:
            break
        time.sleep(0.5)  # the worker is another process on another host: there is nothing else to wait on
    assert state["status"] == "done", state
    assert state["result"]["text"].replace(" ", "") == text


def test_a_second_run_changes_nothing(deployed: Run, playbook: Playbook, host: Any) -> None:
    before = container_starts(host)
    second = playbook("site.yml")
    assert second.code == 0, second.output[-8000:]
    assert second.recap()["changed"] == 0, second.output[-8000:]
    assert container_starts(host) == before
    print(f"second site.yml: {second.seconds:.0f} s, {second.recap()}")  # noqa: T201 - the figure for the reader


def test_check_mode_on_the_deployed_host_reports_no_change(deployed: Run, playbook: Playbook) -> None:
    checked = playbook("site.yml", "--check", "--diff")
    assert checked.code == 0, checked.output[-8000:]
    assert checked.recap()["changed"] == 0, checked.output[-8000:]


def test_the_firewall_tag_acts_on_the_firewall_only_and_restarts_nothing(
    deployed: Run, playbook: Playbook, host: Any
) -> None:
    before = container_starts(host)
    host.check_output("nft delete table inet drydock")
    run = playbook("site.yml", "--tags", "firewall")
    assert run.code == 0, run.output[-8000:]
    assert run.recap()["changed"] >= 1, run.output
    assert host.check_output("nft list table inet drydock")
    roles = {task.split(" : ")[0] for task in run.tasks if " : " in task}
    assert roles == {"drydock.serving.firewall"}, run.tasks
    assert container_starts(host) == before
    print(f"--tags firewall: {run.seconds:.0f} s, {len(run.tasks)} tasks")  # noqa: T201 - the figure for the reader


def test_a_release_that_cannot_be_had_leaves_service_and_edge_as_they_were(
    facts: dict[str, Any], post: Any, playbook: Playbook, host: Any, tmp_path: Path
) -> None:
    def serving() -> str:
        return str(host.check_output("readlink /opt/ocr/current; sha256sum /etc/nginx/conf.d/*"))

    before = serving(), container_starts(host)
    wanted = copy.deepcopy(facts["stack"])
    wanted["services"]["aaa"] = {
        "image": f"{facts['lab_registry']}/missing@sha256:{'0' * 64}",
        "port": 8000,
        "routes": ["/aaa"],
    }
    variables = tmp_path / "stack.json"
    variables.write_text(json.dumps({"stack": wanted}))
    run = playbook("site.yml", "--extra-vars", f"@{variables}", "--tags", "edge,stack")
    assert run.code == 2, run.output[-8000:]
    assert "missing@sha256:0000" in run.output
    assert (serving(), container_starts(host)) == before
    text = random_text()
    assert json.loads(post("/v1/read", picture_of(text)).body)["text"].replace(" ", "") == text


@pytest.mark.parametrize("tag", ["preflight", "host", "hardening", "engine", "models", "edge", "stack", "verify"])
def test_each_tag_works_alone(tag: str, deployed: Run, playbook: Playbook) -> None:
    run = playbook("site.yml", "--tags", tag)
    assert run.code == 0, run.output[-8000:]
    assert run.recap()["changed"] == 0, run.output[-8000:]
    assert run.recap()["ok"] >= 2, run.output[-8000:]


def test_no_container_shows_a_secret_when_inspected(host: Any) -> None:
    values = set(host.check_output("find /etc/ocr/secrets -type f -exec cat {} + | tr -s '\\n' '\\n'").split())
    assert values, "the deployment made no secret at all"
    containers = host.check_output("docker ps --all --quiet").split()
    assert len(containers) >= 4
    shown = host.check_output(f"docker inspect {' '.join(containers)}")
    shown += host.check_output("docker image inspect $(docker image ls --quiet)")
    assert [value for value in values if len(value) > 8 and value in shown] == []


def test_generated_secrets_are_readable_by_their_consumer_alone_and_were_never_printed(
    host: Any, deployed: Run
) -> None:
    listed = host.check_output("find /etc/ocr/secrets -type f -printf '%m %p\\n'").splitlines()
    assert listed
    assert {line.split()[0] for line in listed} == {"400"}
    values = host.check_output("find /etc/ocr/secrets -type f -exec cat {} +").split()
    assert [value for value in values if len(value) > 8 and value in deployed.output] == []
    record = host.check_output("cat /opt/ocr/current/release.json")
    assert [value for value in values if len(value) > 8 and value in record] == []
