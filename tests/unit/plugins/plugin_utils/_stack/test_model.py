# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stack model holds when nothing is wrong."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._stack.capacity import Host

from .stacks import DIGEST, build, violations


def test_a_right_stack_has_no_violation() -> None:
    assert violations() == []


def test_defaults_and_units_are_filled_in() -> None:
    api = build()["services"]["api"]
    assert api["user"] == "10001:10001"
    assert api["resources"] == {"cpus": 1.0, "memory": 768 * 1024**2}
    assert api["health"] == {"path": "/health/ready", "interval": 5, "timeout": 5, "retries": 12, "start_period": 60}
    assert api["read_only"] is True
    assert api["tmpfs"] == ["/tmp"]
    assert api["stop_grace_period"] == 30
    assert api["drain"] == {"timeout": 30, "signal": "SIGTERM", "command": None}


def test_models_are_mounted_from_the_set_of_their_version() -> None:
    assert build()["services"]["api"]["models"] == [
        {
            "name": "ocr",
            "version": "4.0",
            "source": "/var/lib/drydock/models/sets/ocr/4.0",
            "target": "/models/ocr",
        }
    ]


def test_digests_are_small_letters_and_sizes_numbers() -> None:
    (model,) = build()["models"]
    assert model["files"][0]["checksum"] == "sha256:" + "cd" * 32
    assert model["files"][0]["size"] == 4745517


def loopback_ports(**changes: Any) -> dict[str, dict[str, int] | None]:
    model = build({path.replace("__", "."): value for path, value in changes.items()})
    return {name: service["host_ports"] for name, service in model["services"].items()}


def test_loopback_ports_follow_from_the_name_and_stay_when_services_come_and_go() -> None:
    alone = loopback_ports()
    assert alone["api"] is not None
    assert alone["api"]["blue"] in range(18000, 18500)
    assert alone["api"]["green"] in range(18500, 19000)
    assert alone["worker"] is None
    others = {f"stack__services__{name}": {"image": f"x@{DIGEST}", "port": 80} for name in ("alpha", "beta", "zeta")}
    together = loopback_ports(**others)
    assert together["api"] == alone["api"]
    ports = [port for pair in together.values() if pair for port in pair.values()]
    assert len(set(ports)) == len(ports) == 8


def test_a_loopback_port_nobody_chose_never_takes_a_declared_one() -> None:
    usual = loopback_ports()["api"]
    assert usual is not None
    declared = {"ssh_port": usual["blue"], "allow": [{"name": "x", "port": usual["blue"] + 1}]}
    assert loopback_ports(stack__firewall=declared)["api"] == {**usual, "blue": usual["blue"] + 2}


def test_chosen_loopback_ports_are_kept() -> None:
    chosen = {"blue": 20001, "green": 20002}
    assert loopback_ports(stack__services__api__host_ports=chosen)["api"] == chosen


def test_a_secret_knows_its_readers_by_number_and_never_its_value() -> None:
    secrets = build(secrets=["postgres_password"])["secrets"]
    assert secrets["postgres_password"] == {
        "length": 32,
        "consumers": [
            {"service": "api", "uid": 10001, "gid": 10001},
            {"service": "postgres", "uid": 999, "gid": 999},
        ],
    }
    assert [item["service"] for item in secrets["redis_password"]["consumers"]] == ["api", "worker"]
    assert secrets["redis_acl"]["derived_from"] == "redis_password"
    assert [item["service"] for item in secrets["redis_acl"]["consumers"]] == ["redis"]


def test_a_declared_secret_has_its_length() -> None:
    changes = {"stack.secrets.jwt_key": {"length": "64"}, "stack.services.api.secrets": ["jwt_key"]}
    assert build(changes)["secrets"]["jwt_key"]["length"] == 64


def test_releases_are_on_no_probation_unless_it_is_asked_for() -> None:
    assert build()["release"]["probation"] == {
        "seconds": 0,
        "error_rate": 0.05,
        "latency_seconds": None,
        "latency_factor": None,
        "min_requests": 20,
        "restarts": 0,
        "interval": 1.0,
    }
    asked = build({"stack.release.probation": {"seconds": "600", "latency_factor": 2}})["release"]["probation"]
    assert (asked["seconds"], asked["latency_factor"]) == (600, 2.0)


def test_each_stack_has_an_access_log_of_its_own_where_nginx_s_are_rotated() -> None:
    assert build()["edge"]["access_log"] == f"/var/log/nginx/{build()['name']}-access.log"


def test_the_edge_leads_each_route_to_its_service() -> None:
    changes = {"stack.services.api.routes": ["/v1//", "/docs/"]}
    assert build(changes)["edge"]["routes"] == [
        {"path": "/docs", "service": "api"},
        {"path": "/v1", "service": "api"},
    ]


def test_the_firewall_lets_in_the_edge_published_ports_and_what_is_allowed_and_nothing_else() -> None:
    changes = {
        "stack.services.worker.publish": [{"port": 9000, "sources": ["192.0.2.0/24"]}],
        "stack.firewall.allow": [{"name": "node", "port": 9100}],
    }
    rules = build(changes)["firewall"]["rules"]
    assert {(rule["name"], rule["port"], rule["protocol"], *rule["sources"]) for rule in rules} == {
        ("http", 80, "tcp", "any"),
        ("https", 443, "tcp", "any"),
        ("worker-9000", 9000, "tcp", "192.0.2.0/24"),
        ("node", 9100, "tcp", "any"),
    }


def test_a_stack_without_routes_opens_no_web_ports() -> None:
    changes: dict[str, Any] = {"stack.services.api.routes": []}
    assert build(changes)["firewall"]["rules"] == []
    assert build(changes)["edge"]["routes"] == []


def test_variables_are_text_as_the_program_reads_it() -> None:
    changes = {"stack.services.api.environment": {"A": True, "B": 1, "C": None, "D": 0.5}}
    assert build(changes)["services"]["api"]["environment"] == {"A": "true", "B": "1", "C": "", "D": "0.5"}


def test_totals_add_up_everything_that_runs() -> None:
    totals = build()["totals"]
    assert totals["memory"] == (768 + 512 + 512 + 256) * 1024**2
    assert totals["cpus"] == 3.5
    assert totals["model_bytes"] == 4745517


def test_the_model_is_the_same_for_the_same_input_and_plain_json() -> None:
    assert json.loads(json.dumps(build())) == build()


def test_a_host_that_is_large_enough_is_no_problem() -> None:
    assert violations(host=Host(memory=8 * 1024**3, cpus=4)) == []


def test_a_locked_model_needs_no_digest_of_its_own() -> None:
    changes = {"models.ocr.files.0.checksum": ..., "models.ocr.files.0.size": ...}
    lock = {"ocr": {"version": "4.0", "files": {"det.onnx": {"checksum": DIGEST, "size": 7}}}}
    (file,) = build(changes, lock=lock)["models"][0]["files"]
    assert (file["checksum"], file["size"]) == (DIGEST, 7)
