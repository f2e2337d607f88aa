# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role stack from the operator's words to what would be on the host, in check mode on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "ocr" / "sample.png"
CANARY = "canary-Vq8wT2mZ"
LOGIN = {"username": "drydock-unit-test", "password": "canary-R7kd0pXe"}  # an account that is called like the stack
STACK: dict[str, Any] = {
    "name": "drydock-unit-test",
    "environment": "lab",
    "domain": "ocr.example.org",
    "services": {
        "api": {
            "image": "registry.example.org/ocr:1",
            "command": ["serve", "--price=$5"],
            "port": 8000,
            "routes": ["/"],
            "publish": [{"port": 9000, "target": 9001}],
            "environment": {"GREETING": 'a "quoted" $VALUE: yes', "EMPTY": ""},
            "secrets": ["postgres_password", "redis_password"],
            "models": ["ocr"],
            "depends_on": ["postgres"],
            "health": {
                "path": "/health/ready",
                "golden": {"path": "/v1/read", "body_file": str(SAMPLE), "json": {"lines.0.text": "drydock.serving"}},
            },
        },
        "big-worker": {
            "image": "registry.example.org/ocr:1",
            "depends_on": ["api", "redis"],
            "health": {"command": ["sh", "-c", "test $HOME"]},
        },
    },
    "components": {
        "postgres": {"image": "postgres:17", "database": "ocr", "user": "ocr", "resources": {"memory": "1g"}},
        "redis": {"image": "redis:8"},
    },
    "edge": {"tls": {"mode": "self_signed"}},
}
MODELS = {
    "ocr": {
        "version": "4.0",
        "files": [{"path": "a.onnx", "urls": ["https://x.example.org/a"], "checksum": "sha256:" + "a" * 64, "size": 1}],
    }
}


def run(place: Path, stack: Mapping[str, Any], secrets: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What the release task says in check mode with diff; with everything the run printed under ``output``."""
    variables = {
        "stack": stack,
        "models": MODELS,
        "stack_secrets": secrets or {},
        "stack_registries": {"registry.example.org": LOGIN},
        "paths": {"root": str(place / "opt"), "secrets": str(place / "etc" / "secrets")},
    }
    model = (
        "{{ stack | drydock.serving.stack_model(models=models, secrets=stack_secrets | list) "
        "| combine({'paths': paths}, recursive=true) }}"
    )
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": variables,
        "roles": [{"role": "drydock.serving.stack", "vars": {"stack_model": model}}],
    }
    playbook = place / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "--inventory",
            "localhost,",
            "--connection",
            "local",
            "--check",
            "--diff",
            "-vvv",
            str(playbook),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=place,
        env={
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
    )
    output = done.stdout + done.stderr
    try:
        tasks = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"]
    except ValueError:
        raise AssertionError(output) from None
    released = next(task for task in tasks if task["task"]["name"].endswith("release | Release the stack"))
    return {**released["hosts"]["localhost"], "output": output}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run(tmp_path_factory.mktemp("planned"), STACK, {"postgres_password": CANARY})


def compose(planned: Mapping[str, Any], part: str) -> dict[str, Any]:
    (text,) = [item["after"] for item in planned["diff"] if item["after_header"].endswith(f"/{part}/compose.yaml")]
    return dict(yaml.safe_load(text))


def test_check_mode_says_what_would_be_done_and_does_nothing(planned: dict[str, Any]) -> None:
    assert planned["changed"] is True
    assert planned["kind"] == "release"
    assert "add the file services/compose.yaml" in planned["actions"]
    assert not Path(planned["diff"][0]["after_header"]).parents[2].exists()


def test_a_golden_request_and_its_picture_are_files_of_the_release(planned: dict[str, Any]) -> None:
    shown = {item["after_header"].rsplit("/current/", 1)[-1]: item["after"] for item in planned["diff"]}
    assert json.loads(shown["golden/api.json"])["method"] == "POST"
    digest = hashlib.sha256(SAMPLE.read_bytes()).hexdigest()
    assert shown["golden/api.body"] == f"{SAMPLE.stat().st_size} bytes, sha256:{digest}\n"


def test_a_picture_that_is_not_there_is_named_before_anything_is_touched(tmp_path: Path) -> None:
    golden = {"path": "/v1/read", "body_file": str(tmp_path / "nothing.png"), "contains": ["x"]}
    api = {**STACK["services"]["api"], "health": {"path": "/", "golden": golden}}
    told = run(tmp_path, {**STACK, "services": {**STACK["services"], "api": api}})
    assert told["failure"]["kind"] == "source_missing"
    assert "nothing.png" in told["msg"]


def test_no_value_of_a_secret_is_in_anything_that_is_printed(planned: dict[str, Any]) -> None:
    assert CANARY not in planned["output"]


def test_a_registry_s_password_is_not_printed_and_the_name_of_the_account_hides_nothing(
    planned: dict[str, Any],
) -> None:
    assert planned["invocation"]["module_args"]["registries"]
    assert LOGIN["password"] not in planned["output"]
    assert "drydock-unit-test: images" in [item["after_header"] for item in planned["diff"]]


@pytest.mark.parametrize("part", ["base", "services"])
def test_every_container_is_fenced_in_and_limited(planned: dict[str, Any], part: str) -> None:
    services = compose(planned, part)["services"]
    assert services
    for name, service in services.items():
        assert service["user"].split(":")[0] not in {"", "0"}, name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["read_only"] is True
        assert service["init"] is True
        assert service["mem_limit"] > 0
        assert service["cpus"] > 0
        assert service["pids_limit"] > 0
        assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}
        assert service["labels"]["drydock.stack"] == "drydock-unit-test"


def test_secrets_and_models_are_read_only_files_of_the_unit_itself(planned: dict[str, Any]) -> None:
    volumes = {item["target"]: item for item in compose(planned, "services")["services"]["api"]["volumes"]}
    assert set(volumes) == {"/run/secrets/postgres_password", "/run/secrets/redis_password", "/models/ocr"}
    assert all(item["read_only"] and item["bind"] == {"create_host_path": False} for item in volumes.values())
    assert volumes["/run/secrets/redis_password"]["source"] == "${SECRETS_DIR_API:?}/redis_password"
    assert volumes["/models/ocr"]["source"] == "/var/lib/drydock/models/sets/ocr/4.0"


def test_redis_gets_the_access_list_and_not_the_password(planned: dict[str, Any]) -> None:
    targets = {item["target"] for item in compose(planned, "base")["services"]["redis"]["volumes"]}
    assert targets == {"/data", "/etc/redis", "/run/secrets/redis_acl"}


def test_services_are_published_on_the_loopback_and_only_declared_ports_outside(planned: dict[str, Any]) -> None:
    services = {**compose(planned, "base")["services"], **compose(planned, "services")["services"]}
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert [(port.get("host_ip"), port["published"], port["target"]) for port in ports] == [
        ("127.0.0.1", "${PORT_API:?}", 8000),  # another one in each colour
        (None, "9000", 9001),
    ]


def test_text_reaches_the_container_as_written_and_is_not_interpolated(planned: dict[str, Any]) -> None:
    services = compose(planned, "services")["services"]
    assert services["api"]["environment"] == {"GREETING": 'a "quoted" $$VALUE: yes', "EMPTY": ""}
    assert services["api"]["command"] == ["serve", "--price=$$5"]
    assert services["big-worker"]["healthcheck"]["test"] == ["CMD", "sh", "-c", "test $$HOME"]
    assert services["big-worker"]["depends_on"] == ["api"]
    assert services["big-worker"]["labels"]["drydock.secrets"] == "${SECRETS_BIG_WORKER:?}"
    assert "healthcheck" not in services["api"]


def test_services_are_in_the_network_of_their_colour_and_components_in_both(planned: dict[str, Any]) -> None:
    base, services = compose(planned, "base"), compose(planned, "services")
    assert {tuple(item["networks"]) for item in base["services"].values()} == {("blue", "green")}
    assert {item["name"] for item in base["networks"].values()} == {"drydock-unit-test-blue", "drydock-unit-test-green"}
    assert {tuple(item["networks"]) for item in services["services"].values()} == {("default",)}
    assert services["networks"] == {"default": {"name": "${NETWORK:?}", "external": True}}


def test_the_edge_is_led_to_the_first_colour(planned: dict[str, Any]) -> None:
    (text,) = [item["after"] for item in planned["diff"] if item["after_header"].endswith("/edge/upstreams.conf")]
    assert "upstream drydock_api {" in text
    assert "server 127.0.0.1:18359 max_fails=0;" in text  # follows from the name "api"
    assert "big-worker" not in text


def test_components_are_sized_by_their_memory(planned: dict[str, Any]) -> None:
    files = {item["after_header"].rsplit("/current/", 1)[-1]: item["after"] for item in planned["diff"]}
    assert "shared_buffers = 256MB" in files["base/config/postgres/postgresql.conf"]
    assert "maxmemory 201326592" in files["base/config/redis/redis.conf"]


def test_a_stack_without_components_has_no_component_files(tmp_path: Path) -> None:
    api = {"image": "registry.example.org/ocr:1", "port": 8000, "routes": ["/"], "health": {"path": "/"}}
    planned = run(tmp_path, {**STACK, "services": {"api": api}, "components": {}})
    blocks = set(compose(planned, "services")["services"])
    assert blocks == {"api", "api-2", "api-3", "api-4"}  # as many as there may be
    assert not any("/config/" in item["after_header"] for item in planned["diff"])


def test_something_that_is_no_stack_model_is_refused_with_where_to_get_one(tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    task = {"drydock.serving.release": {"stack": {"name": "x"}, "files": [{"dest": "a", "content": "b"}]}}
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(playbook)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable},
    )
    assert done.returncode != 0
    assert "drydock.serving.stack_model" in done.stdout + done.stderr
