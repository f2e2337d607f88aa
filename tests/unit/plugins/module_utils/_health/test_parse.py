# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From options to targets: what cannot be meant is refused, all of it at once and with its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.parse import parse_targets
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import TESTS
from ansible_collections.drydock.serving.plugins.module_utils._health.target import (
    PHASES,
    CommandSpec,
    ContainerSpec,
    GrpcSpec,
    HttpSpec,
    JsonTest,
    PostgresSpec,
    RedisSpec,
    Target,
    TcpSpec,
    Tls,
)
from ansible_collections.drydock.serving.plugins.modules.health_poll import ARGUMENT_SPEC, TARGET_SPEC

HTTP = {"name": "api", "url": "https://127.0.0.1:1/"}
GRPC = {"name": "api", "type": "grpc", "port": 50051}
COMMAND = {"name": "api", "type": "command", "container": "c", "command": ["true"]}


def options(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the module makes of a task's arguments."""
    checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate({"targets": list(targets), **more})
    assert not checked.error_messages
    return dict(checked.validated_parameters)


def parse(*targets: dict[str, Any], **more: Any) -> list[Target]:
    return parse_targets(options(*targets, **more))


def refused(*targets: dict[str, Any], **more: Any) -> str:
    with pytest.raises(DrydockError) as failure:
        parse(*targets, **more)
    assert failure.value.kind == "invalid_target"
    return failure.value.message


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({**HTTP, "successes": 0}, "targets[0].successes: expected at least 1, found 0 (target api)"),
        ({**HTTP, "timeout": 0}, "targets[0].timeout: expected seconds above 0"),
        ({**HTTP, "interval": float("nan")}, "targets[0].interval: expected seconds above 0"),
        ({**HTTP, "url": "http://[::1"}, "targets[0].url: cannot be read"),
        ({**HTTP, "url": "http://h:99999/"}, "targets[0].url: cannot be read"),
        ({**HTTP, "url": "ftp://h/"}, "targets[0].url: expected http:// or https:// and a host"),
        ({**HTTP, "url": "https:///x"}, "targets[0].url: expected http:// or https:// and a host"),
        ({**HTTP, "method": "GET /"}, "targets[0].method: expected a word"),
        ({**HTTP, "status": [99]}, "targets[0].status: expected codes"),
        ({**HTTP, "status": []}, "targets[0].status: expected codes"),
        ({**HTTP, "address": "example.org:80"}, "targets[0].address: expected an IP address or a host name"),
        ({**HTTP, "address": ""}, "targets[0].address: expected an IP address or a host name"),
        ({**HTTP, "matches": ["a", "("]}, "targets[0].matches[1]: '(' is no regular expression"),
        ({**HTTP, "max_latency": -1}, "targets[0].max_latency: expected seconds above 0"),
        ({**HTTP, "certificate_days": -1}, "targets[0].certificate_days: expected 0 or more"),
        ({**HTTP, "ca_path": "/nowhere.pem"}, "targets[0].ca_path: ca_path /nowhere.pem cannot be used: there is no"),
        ({"name": "a", "url": "http://h/", "certificate_days": 1}, "targets[0].certificate_days: expected a URL"),
        ({**HTTP, "body_file": "/nowhere"}, "targets[0].body_file: /nowhere cannot be read"),
        (
            {**HTTP, "json_tests": [{"path": "a", "test": "above", "value": "1"}]},
            "value: expected a number",
        ),
        (
            {**HTTP, "json_tests": [{"path": "a", "test": "above", "value": True}]},
            "value: expected a number",
        ),
        ({**HTTP, "json_tests": [{"path": "a", "test": "one_of", "value": 1}]}, "json_tests[0].value: expected a list"),
        ({**HTTP, "json_tests": [{"path": "a", "test": "matches", "value": "["}]}, "'[' is no regular expression"),
        ({**HTTP, "json_tests": [{"path": "a", "test": "matches", "value": 1}]}, "expected a regular expression"),
        ({**HTTP, "json_tests": [{"path": "a", "test": "exists", "value": 1}]}, "means nothing to the test exists"),
        ({**HTTP, "container": "c"}, "targets[0].container: means nothing to a target of the type http"),
        ({**GRPC, "port": 0}, "targets[0].port: expected 1 to 65535, found 0"),
        ({**GRPC, "port": 65536}, "targets[0].port: expected 1 to 65535, found 65536"),
        ({**GRPC, "host": ""}, "targets[0].host: expected a name or an address"),
        ({**GRPC, "server_name": "x"}, "targets[0].server_name: expected tls: true beside it"),
        ({**GRPC, "service": "x" * 1001}, "targets[0].service: expected at most 1000 characters"),
        ({"name": "a", "type": "postgres", "user": "a\0b"}, "targets[0].user: expected at most 1000 characters"),
        ({"name": "a", "type": "tcp", "port": 1, "url": "x"}, "targets[0].url: means nothing to a target of the type"),
        ({"name": "a", "type": "container", "container": ""}, "targets[0].container: expected a name"),
        ({"name": "a", "type": "container", "container": "c", "max_restarts": 0}, "max_restarts: expected at least 1"),
        ({**COMMAND, "command": []}, "targets[0].command: expected a program"),
        ({**COMMAND, "command": ["a", "b\0"]}, "targets[0].command: expected arguments without NUL"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_path(target: dict[str, Any], words: str) -> None:
    assert words in refused(target)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"timeout": 0}, "timeout: expected seconds above 0"),
        ({"timeout": float("inf")}, "timeout: expected seconds above 0"),
        ({"delay": -1}, "delay: expected seconds from 0 on"),
        ({"backoff": 0.5}, "backoff: expected a factor from 1 on"),
        ({"jitter": 1}, "jitter: expected a part from 0 to less than 1"),
        ({"successes": 0}, "successes: expected at least 1"),
        ({"phases": {"loading": 0}}, "phases.loading: expected seconds above 0"),
    ],
)
def test_what_cannot_be_meant_for_all_targets_is_refused(option: dict[str, Any], words: str) -> None:
    assert words in refused(HTTP, **option)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = refused({**HTTP, "method": "", "status": [1]}, {**GRPC, "port": -1}, timeout=-1)
    paths = [line.partition(":")[0] for line in found.splitlines()]
    assert paths == ["timeout", "targets[1].name", "targets[0].method", "targets[0].status", "targets[1].port"]


@pytest.mark.parametrize("address", ["192.0.2.1", "::1", "web1.example.org", "web_1"])
def test_an_address_may_be_a_name(address: str) -> None:
    spec = parse({**HTTP, "address": address})[0].spec
    assert isinstance(spec, HttpSpec)
    assert spec.address == address


def test_an_address_that_cannot_be_read_is_told_without_what_may_be_a_password() -> None:
    assert "canary" not in refused({**HTTP, "url": "http://user:canary/x"})


def test_a_certificate_file_without_certificates_is_told_from_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing here")
    assert "holds no PEM certificates" in refused({**HTTP, "ca_path": str(tmp_path / "empty.pem")})


def test_every_kind_gets_what_was_given_and_the_defaults_of_its_protocol(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"from a file")
    found = parse(
        {
            "name": "http",
            "url": "http://h/",
            "method": "post",
            "body_file": str(tmp_path / "body"),
            "json_tests": [{"path": "a.b", "test": "at_least", "value": 0.9}],
            "matches": ["x+"],
            "max_latency": 2,
            "phase": "infers",
            "group": "g",
        },
        {"name": "tcp", "type": "tcp", "port": 22},
        {"name": "grpc", "type": "grpc", "port": 1, "service": "s", "tls": True, "certificate_days": 7},
        {"name": "pg", "type": "postgres", "host": "db", "tls": True, "server_name": "db.example.org"},
        {"name": "redis", "type": "redis"},
        {"name": "job", "type": "container", "container": "c", "exit_code": 0},
        {"name": "command", "type": "command", "container": "c", "command": ["test", "-e", "/x"]},
        interval=3,
        backoff=1.5,
    )
    assert [target.spec for target in found] == [
        HttpSpec(
            url="http://h/",
            method="POST",
            body=b"from a file",
            json_tests=(JsonTest("a.b", "at_least", 0.9),),
            matches=("x+",),
            max_latency=2.0,
        ),
        TcpSpec(host="127.0.0.1", port=22),
        GrpcSpec(host="127.0.0.1", port=1, service="s", tls=Tls(name="127.0.0.1", days=7)),
        PostgresSpec(host="db", port=5432, tls=Tls(name="db.example.org")),
        RedisSpec(host="127.0.0.1", port=6379),
        ContainerSpec(container="c", exit_code=0),
        CommandSpec(container="c", command=("test", "-e", "/x")),
    ]
    first = found[0]
    assert (first.phase, first.group, first.interval, first.backoff, first.timeout) == ("infers", "g", 3.0, 1.5, 5.0)


def test_data_is_sent_as_json_and_says_so_unless_the_task_does() -> None:
    plain, named = parse(
        {**HTTP, "body": {"a": 1}}, {**HTTP, "name": "b", "body": [1], "headers": {"content-type": "x"}}
    )
    assert isinstance(plain.spec, HttpSpec)
    assert (plain.spec.body, plain.spec.headers) == (b'{"a": 1}', {"Content-Type": "application/json"})
    assert isinstance(named.spec, HttpSpec)
    assert named.spec.headers == {"content-type": "x"}


def test_the_module_offers_the_phases_and_tests_that_there_are() -> None:
    assert tuple(TARGET_SPEC["phase"]["choices"]) == PHASES == tuple(ARGUMENT_SPEC["phases"]["options"])
    assert set(TARGET_SPEC["json_tests"]["options"]["test"]["choices"]) == set(TESTS)
