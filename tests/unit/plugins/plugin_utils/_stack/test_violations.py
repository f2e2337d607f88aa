# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is refused, each with the path of the value and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.capacity import Host

from .stacks import DIGEST, IMAGE, MODELS, violations

API = "stack.services.api"
SECOND = {"image": IMAGE, "port": 9000}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("unknown key at the top", {"stack.nmae": "x"}, "stack.nmae", "is not a known key"),
    ("unknown key deep down", {f"{API}.resources.memroy": 1}, f"{API}.resources.memroy", "Did you mean 'memory'?"),
    ("unknown key of a component", {"stack.components.redis.image_": 1}, "stack.components.redis.image_", "known key"),
    ("unknown key of a model", {"models.ocr.files.0.url": "x"}, "models.ocr.files[0].url", "Did you mean 'urls'?"),
    ("unknown component", {"stack.components.postgress": {}}, "stack.components.postgress", "'postgres'?"),
    ("missing image", {f"{API}.image": ...}, f"{API}.image", "is required"),
    ("missing name", {"stack.name": ...}, "stack.name", "is required"),
    ("no services", {"stack.services": {}}, "stack.services", "no service"),
    ("services as a list", {"stack.services": []}, "stack.services", "expected names and values"),
    ("name", {"stack.name": "OCR"}, "stack.name", "a small letter"),
    ("domain", {"stack.domain": "https://x"}, "stack.domain", "a host name"),
    ("service name", {"stack.services.API": {}}, "stack.services.API", "not a usable name"),
    ("wrong unit", {f"{API}.resources.memory": "lots"}, f"{API}.resources.memory", "such as 768m"),
    ("too little memory", {f"{API}.resources.memory": "1m"}, f"{API}.resources.memory", "at least 6m"),
    ("port out of range", {f"{API}.port": 70000}, f"{API}.port", "1 to 65535"),
    ("routes without a port", {f"{API}.port": None}, f"{API}.port", "is required because routes"),
    ("health without a port", {"stack.services.worker.health.path": "/"}, "stack.services.worker.port", "health"),
    ("two kinds of health", {f"{API}.health.command": ["true"]}, f"{API}.health", "both path and command"),
    ("command as one text", {f"{API}.command": "a b"}, f"{API}.command", "a list of words"),
    ("named user", {f"{API}.user": "www-data"}, f"{API}.user", "in numbers"),
    ("root", {f"{API}.user": "0:0"}, f"{API}.user", "is root"),
    ("image by tag in production", {f"{API}.image": "a/b:1"}, f"{API}.image", "not pinned by digest"),
    ("component by tag", {"stack.components.redis.image": "redis:7"}, "stack.components.redis.image", "digest"),
    (
        "whatever is newest",
        {"stack.environment": "lab", f"{API}.image": "a/b"},
        f"{API}.image",
        "whatever is newest",
    ),
    ("no image name", {f"{API}.image": "a b"}, f"{API}.image", "expected an image"),
    ("secret in a variable", {f"{API}.environment.DB_SECRET": "x"}, f"{API}.environment.DB_SECRET", "looks like"),
    ("token in a variable", {f"{API}.environment.HF_TOKEN": "x"}, f"{API}.environment.HF_TOKEN", "looks like a secret"),
    ("password in a URL", {f"{API}.environment.URL": "pg://u:p@h/d"}, f"{API}.environment.URL", "holds a password"),
    ("structure in a variable", {f"{API}.environment.A": {"b": 1}}, f"{API}.environment.A", "expected text"),
    ("unknown model", {f"{API}.models": ["ocrr"]}, f"{API}.models", "Did you mean 'ocr'?"),
    ("unknown secret", {f"{API}.secrets": ["postgres_pasword"]}, f"{API}.secrets", "Did you mean 'postgres_password'?"),
    ("unknown dependency", {f"{API}.depends_on": ["redsi"]}, f"{API}.depends_on", "Did you mean 'redis'?"),
    ("dependency on itself", {f"{API}.depends_on": ["api"]}, f"{API}.depends_on", "the service itself"),
    ("something twice", {f"{API}.models": ["ocr", "ocr"]}, f"{API}.models", "more than once"),
    ("service like a component", {"stack.services.redis": SECOND}, "stack.services.redis", "name of a component"),
    ("declared secret nobody reads", {"stack.secrets.jwt": {}}, "stack.secrets.jwt", "no service and no component"),
    ("computed secret declared", {"stack.secrets.redis_acl": {}}, "stack.secrets.redis_acl", "is computed from"),
    (
        "one host port twice",
        {
            "stack.services.b": {**SECOND, "host_ports": {"blue": 18500, "green": 18501}},
            f"{API}.host_ports": {"blue": 18499, "green": 18500},
        },
        "stack.services.b.host_ports.blue",
        "is taken by stack.services.api.host_ports.green",
    ),
    (
        "one host port for both colours",
        {f"{API}.host_ports": {"blue": 18500, "green": 18500}},
        f"{API}.host_ports.green",
        "is taken by stack.services.api.host_ports.blue",
    ),
    (
        "a host port for one colour alone",
        {f"{API}.host_ports": {"blue": 18500}},
        f"{API}.host_ports.green",
        "is required",
    ),
    ("a host port as one number", {f"{API}.host_port": 18500}, f"{API}.host_port", "Did you mean 'host_ports'?"),
    ("no signal", {f"{API}.drain": {"signal": "quit"}}, f"{API}.drain.signal", "such as SIGQUIT"),
    (
        "one published port twice",
        {f"{API}.publish": [{"port": 9000}], "stack.services.worker.publish": [{"port": "9000"}]},
        "stack.services.worker.publish[0].port",
        "is taken by stack.services.api.publish[0].port",
    ),
    ("published port of the edge", {f"{API}.publish": [{"port": 443}]}, f"{API}.publish[0].port", "https_port"),
    ("published port of SSH", {f"{API}.publish": [{"port": 22}]}, f"{API}.publish[0].port", "ssh_port"),
    ("edge on the port of SSH", {"stack.edge.https_port": 22}, "stack.edge.https_port", "ssh_port"),
    (
        "allowed port that is published",
        {f"{API}.publish": [{"port": 9100}], "stack.firewall.allow": [{"name": "node", "port": 9100}]},
        "stack.firewall.allow[0].port",
        "is taken by",
    ),
    ("route twice", {f"{API}.routes": ["/v1", "/v1/"]}, f"{API}.routes", "more than once"),
    (
        "route of two services",
        {"stack.services.b": {**SECOND, "routes": ["//"]}},
        "stack.services.b.routes",
        "already leads to service 'api'",
    ),
    ("route of the edge itself", {f"{API}.routes": ["/-/x"]}, f"{API}.routes", "is the edge's own"),
    ("route with dots", {f"{API}.routes": ["/a/../b"]}, f"{API}.routes[0]", "'.' or '..'"),
    ("route without a slash", {f"{API}.routes": ["v1"]}, f"{API}.routes[0]", "starts with '/'"),
    ("host bits", {"stack.firewall.ssh_sources": ["192.0.2.5/24"]}, "stack.firewall.ssh_sources[0]", "192.0.2.0/24"),
    ("any and more", {"stack.firewall.ssh_sources": ["any", "192.0.2.1"]}, "stack.firewall.ssh_sources", "'any'"),
    ("nobody may log in", {"stack.firewall.ssh_sources": []}, "stack.firewall.ssh_sources", "is empty"),
    ("errors above all", {"stack.release.probation.error_rate": 2}, "stack.release.probation.error_rate", "0 to 1"),
    ("probation for ever", {"stack.release.probation.seconds": 90000}, "stack.release.probation.seconds", "86400"),
    ("TLS files missing", {"stack.edge.tls.mode": "files"}, "stack.edge.tls.key", "is required because mode is files"),
    ("TLS files unused", {"stack.edge.tls.key": "/k"}, "stack.edge.tls.key", "mode is self_signed"),
    ("no digest", {"models.ocr.files.0.checksum": ...}, "models.ocr.files[0]", "has no checksum"),
    ("no size", {"models.ocr.files.0.size": ...}, "models.ocr.files[0]", "has no size"),
    ("wrong digest", {"models.ocr.files.0.checksum": "md5:1"}, "models.ocr.files[0].checksum", "64 hexadecimal"),
    ("empty file", {"models.ocr.files.0.size": 0}, "models.ocr.files[0].size", "at least 1 byte"),
    ("way out of the set", {"models.ocr.files.0.path": "../x"}, "models.ocr.files[0].path", "'..'"),
    ("absolute path", {"models.ocr.files.0.path": "/etc/passwd"}, "models.ocr.files[0].path", "absolute"),
    ("no address", {"models.ocr.files.0.urls": []}, "models.ocr.files[0].urls", "is empty"),
    ("odd scheme", {"models.ocr.files.0.urls": ["ftp://x/y"]}, "models.ocr.files[0].urls[0]", "https://"),
    ("path twice", {"models.ocr.files": MODELS["ocr"]["files"] * 2}, "models.ocr.files", "more than once"),
    ("version", {"models.ocr.version": "current"}, "models.ocr.version", "not 'current'"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "path", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_mistake_is_refused_with_its_path(changes: dict[str, Any], path: str, said: str) -> None:
    found = violations(changes)
    assert [line for line in found if line.startswith(f"{path}: ") and said in line], found


def test_all_violations_are_told_at_once() -> None:
    changes = {"stack.foo": 1, f"{API}.port": 0, f"{API}.models": ["x"], "models.ocr.files.0.checksum": ...}
    assert len(violations(changes)) == 4


def test_a_circle_of_services_is_shown_once() -> None:
    changes = {f"{API}.depends_on": ["worker"], "stack.services.worker.depends_on": ["api"]}
    (line,) = violations(changes)
    assert "api -> worker -> api" in line


def test_a_given_secret_that_nobody_reads_is_refused_with_the_one_that_was_meant() -> None:
    (line,) = violations(secrets=["postgres_pasword"])
    assert line.startswith("stack_secrets.postgres_pasword: ")
    assert "Did you mean 'postgres_password'?" in line


def test_no_value_of_a_variable_is_ever_shown() -> None:
    canary = "pg://user:c4n4ry@host"
    changes = {f"{API}.environment": {"DB_PASSWORD": canary, "URL": canary, "N": {"x": canary}, "1": canary}}
    assert len(violations(changes)) == 4
    assert "c4n4ry" not in "\n".join(violations(changes))


@pytest.mark.parametrize(
    "url",
    [
        "https://user:c4n4ry@example.org/x",
        "https://b.s3.amazonaws.com/x?X-Amz-Date=1&X-Amz-Signature=c4n4ry",
        "https://a.blob.core.windows.net/x?se=2026&sig=c4n4ry",
        "https://example.org/x?private_token=c4n4ry",
        "https://example.org/x?apikey=c4n4ry",
        "https://example.org/x?%73ig=c4n4ry",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_shown(url: str) -> None:
    (line,) = violations({"models.ocr.files.0.urls": [url]})
    assert "credentials" in line
    assert "c4n4ry" not in line


@pytest.mark.parametrize("query", ["download=true", "key=a/b.onnx", "versionId=3", "design=1", "tokens=5", "path=sig"])
def test_queries_without_credentials_pass(query: str) -> None:
    assert violations({"models.ocr.files.0.urls": [f"https://example.org/x?{query}"]}) == []


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD_FILE", "KEYCLOAK_URL", "MAX_TOKENS", "TOKENIZER", "KEY_PREFIX"])
def test_variables_that_only_sound_alike_pass(name: str) -> None:
    assert violations({f"{API}.environment": {name: "/run/secrets/x"}}) == []


def test_root_is_allowed_in_the_lab() -> None:
    assert violations({"stack.environment": "lab", f"{API}.user": 0}) == []


def test_limits_that_do_not_fit_the_host_are_refused() -> None:
    (line,) = violations(host=Host(memory=2 * 1024**3, cpus=4))
    assert line.startswith("stack.services.*.resources.memory: ")
    assert "2 GiB" in line
    (line,) = violations(host=Host(memory=8 * 1024**3, cpus=1))
    assert line.startswith("stack.services.*.resources.cpus: ")


def test_one_service_cannot_want_more_processors_than_there_are() -> None:
    (line,) = violations({f"{API}.resources.cpus": 3}, host=Host(memory=8 * 1024**3, cpus=2))
    assert "Docker refuses" in line


@pytest.mark.parametrize(
    ("lock", "path", "said"),
    [
        ({"ocrr": {"version": "1", "files": {}}}, "models_lock.ocrr", "Did you mean 'ocr'?"),
        ({"ocr": {"version": "3", "files": {}}}, "models_lock.ocr.version", "is '3'"),
        (
            {"ocr": {"version": "4.0", "files": {"det.onnx": {"checksum": DIGEST, "size": 4745517}}}},
            "models.ocr.files[0].checksum",
            "the lock says",
        ),
        (
            {"ocr": {"version": "4.0", "files": {"x": {"checksum": DIGEST, "size": 1}}}},
            "models_lock.ocr.files.x",
            "not a file of the model",
        ),
    ],
)
def test_a_lock_that_does_not_fit_is_refused(lock: dict[str, Any], path: str, said: str) -> None:
    found = violations(lock=lock)
    assert [line for line in found if line.startswith(f"{path}: ") and said in line], found
