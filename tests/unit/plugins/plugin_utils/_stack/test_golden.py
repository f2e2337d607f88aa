# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden request and the phases of a service's health, as an operator writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.golden import golden_files

from .stacks import build, violations

HEALTH = "stack.services.api.health"
GOLDEN = f"{HEALTH}.golden"
RIGHT: dict[str, Any] = {"path": "/v1/read", "body_file": "page.png", "json": {"lines.0.text": "INVOICE"}}


def test_a_right_request_is_completed() -> None:
    golden = build({GOLDEN: RIGHT})["services"]["api"]["health"]["golden"]
    assert golden == {
        "path": "/v1/read",
        "method": "POST",
        "headers": {},
        "body_file": "page.png",
        "status": [200],
        "json": {"lines.0.text": "INVOICE"},
        "json_tests": [],
        "contains": [],
        "matches": [],
        "timeout": 30,
        "attempts": 3,
    }


def test_without_a_body_it_is_a_get() -> None:
    golden = build({GOLDEN: {"path": "/health/golden", "contains": ["2b7e"], "max_latency": "0.5"}})
    request = golden["services"]["api"]["health"]["golden"]
    assert (request["method"], request["max_latency"]) == ("GET", 0.5)


def test_without_a_golden_request_the_model_has_none() -> None:
    assert "golden" not in build()["services"]["api"]["health"]


CASES: list[tuple[str, Any, str, str]] = [
    ("no path", {"path": ...}, "path", "is required"),
    ("a path that is none", {"path": "v1/read"}, "path", "starts with '/'"),
    ("an unknown key", {"expect": 1}, "expect", "is not a known key"),
    ("two bodies", {"body": "x"}, "", "both body and body_file"),
    ("nothing but a status", {"json": ...}, "", "which a wrong answer has as well"),
    ("a status that is none", {"status": [2]}, "status[0]", "expected 100 to 599"),
    ("no status at all", {"status": []}, "status", "is empty"),
    ("a pattern that is none", {"matches": ["("]}, "matches[0]", "is no regular expression"),
    ("a test that is none", {"json_tests": [{"path": "a", "test": "is", "value": 1}]}, "json_tests[0].test", "one of"),
    ("a test without number", {"json_tests": [{"path": "a", "test": "above"}]}, "json_tests[0].value", "a number"),
    ("no time", {"timeout": 0}, "timeout", "above 0"),
    ("no latency", {"max_latency": -1}, "max_latency", "above 0"),
    ("values that are none", {"json": ["a"]}, "json", "expected paths and values"),
    ("headers that are none", {"headers": ["a"]}, "headers", "expected names and values"),
    ("a header of two lines", {"headers": {"A": "b\nc"}}, "headers.A", "line break"),
    ("a login", {"headers": {"Authorization": "Bearer abc"}}, "headers.Authorization", "looks like a secret"),
    ("a key", {"headers": {"X-Api-Key": "abc"}}, "headers.X-Api-Key", "looks like a secret"),
    ("no secret of the service", {"headers": {"A": "{secret:jwt}"}}, "headers.A", "none of the service's secrets"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "key", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_mistake_in_a_golden_request_is_refused_with_its_path(changes: dict[str, Any], key: str, said: str) -> None:
    request = {name: value for name, value in {**RIGHT, **changes}.items() if value is not ...}
    path = f"{GOLDEN}.{key}" if key else GOLDEN
    found = violations({GOLDEN: request})
    assert [line for line in found if line.startswith(f"{path}: ") and said in line], found


def test_a_header_may_name_a_secret_of_the_service() -> None:
    headers = {"Authorization": "Bearer {secret:redis_password}"}
    golden = build({GOLDEN: {**RIGHT, "headers": headers}})["services"]["api"]["health"]["golden"]
    assert golden["headers"] == headers


def test_a_service_without_a_port_cannot_be_asked() -> None:
    found = violations({"stack.services.worker.health.golden": RIGHT})
    assert [line for line in found if line.startswith("stack.services.worker.port: ") and "golden" in line], found


def test_a_request_becomes_a_file_of_the_release_with_its_body_beside_it() -> None:
    services = build({GOLDEN: RIGHT})["services"]
    request, body = golden_files(services)
    assert request["dest"] == "golden/api.json"
    told = json.loads(request["content"])
    assert told["json"] == {"lines.0.text": "INVOICE"}
    assert "body_file" not in told  # where the controller keeps it is no part of the release
    assert body == {"dest": "golden/api.body", "src": "page.png"}


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"stack.services.worker.health.live": "/live"}, "stack.services.worker.port", "health.live"),
        ({f"{HEALTH}.phases": {"live": 5}}, f"{HEALTH}.phases.live", "without health.live"),
        ({f"{HEALTH}.phases": {"ready": 0}}, f"{HEALTH}.phases.ready", "expected 1 to 86400"),
        ({f"{HEALTH}.live": "x"}, f"{HEALTH}.live", "starts with '/'"),
    ],
)
def test_a_mistake_in_the_phases_is_refused_with_its_path(changes: dict[str, Any], path: str, said: str) -> None:
    found = violations(changes)
    assert [line for line in found if line.startswith(f"{path}: ") and said in line], found


def test_phases_are_handed_on_as_written() -> None:
    health = build({f"{HEALTH}.live": "/live", f"{HEALTH}.phases": {"ready": 600}})["services"]["api"]["health"]
    assert (health["live"], health["phases"]) == ("/live", {"ready": 600})
