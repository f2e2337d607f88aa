# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at from outside, and the verdict."""

from __future__ import annotations

from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._verify import failed_checks, verify_plan, verify_verdict

from ._stack.stacks import build


def plan(changes: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    return verify_plan(build(changes), address="192.0.2.10", **arguments)


def test_a_route_is_asked_for_the_health_path_it_covers() -> None:
    route, redirect = plan(ca_path="/ca")["targets"]
    assert route["url"] == "https://ocr.example.org/health/ready"
    assert route["status"] == [200]
    assert route["address"] == "192.0.2.10"
    assert route["ca_path"] == "/ca"
    assert redirect["url"] == "http://ocr.example.org/"
    assert "ca_path" not in redirect


def test_a_route_beside_the_health_path_only_has_to_answer() -> None:
    route = plan({"stack.services.api.routes": ["/v1"]})["targets"][0]
    assert route["url"] == "https://ocr.example.org/v1"
    assert 404 in route["status"]
    assert 502 not in route["status"]


def test_other_ports_of_the_edge_are_in_the_address() -> None:
    route, redirect = plan({"stack.edge": {"http_port": 8080, "https_port": 8443}})["targets"]
    assert route["url"].startswith("https://ocr.example.org:8443/")
    assert redirect["url"] == "http://ocr.example.org:8080/"


def test_a_golden_request_is_asked_through_the_edge() -> None:
    golden = plan(golden=[{"path": "/v1/read", "method": "POST", "json": {"text": "x"}}])["targets"][-1]
    assert golden["url"] == "https://ocr.example.org/v1/read"
    assert golden["json"] == {"text": "x"}
    assert "path" not in golden


def test_declared_ports_are_open_and_everything_inside_is_closed() -> None:
    found = plan(
        {
            "stack.services.worker.publish": [{"port": 9000}],
            "stack.services.api.publish": [{"port": 9001, "sources": ["192.0.2.1"]}],
        }
    )
    assert found["open"] == [80, 443, 9000]
    assert {2375, 5432, 6379, 8000, 18359} <= set(found["closed"])  # 18359: the loopback port of "api"
    assert not {22, 80, 443, 9000, 9001} & set(found["closed"])


def verdict(polled: dict[str, Any], probed: dict[str, Any]) -> dict[str, Any]:
    return verify_verdict(polled, probed, host="a", at="now")


FINE = {"name": "route", "ok": True, "last": {"summary": "HTTP 200"}}


def test_everything_as_expected_is_ok() -> None:
    found = verdict({"targets": [FINE]}, {"ports": [{"port": 80, "state": "open", "expected": "open", "ok": True}]})
    assert found["ok"]
    assert [check["name"] for check in found["checks"]] == ["route", "port 80 is open"]


def test_one_wrong_port_is_not_ok_and_is_named() -> None:
    found = verdict(
        {"targets": [FINE]}, {"ports": [{"port": 5432, "state": "open", "expected": "closed", "ok": False}]}
    )
    assert not found["ok"]
    assert failed_checks(found) == ["port 5432 is closed: open"]


def test_a_check_that_broke_is_not_ok() -> None:
    assert not verdict({"failed": True, "msg": "no requests"}, {})["ok"]
    assert failed_checks(verdict({"failed": True, "msg": "no requests"}, {})) == ["requests: no requests"]


def test_a_target_whose_first_attempt_did_not_end_is_not_ok_and_is_named() -> None:
    found = verdict({"failed": True, "targets": [{"name": "route", "ok": False, "last": None}]}, {})
    assert failed_checks(found) == ["route: nothing was seen before the time was over"]


def test_nothing_looked_at_is_not_ok() -> None:
    assert not verdict({}, {})["ok"]
