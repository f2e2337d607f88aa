# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of what the operator writes: keys, types, defaults. Rules between values are in ``rules``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._stack import (
    around,
    coerce,
    fields,
    golden,
    model_schema,
    replicas,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.components import Component
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.fields import Field, Reader, scalar
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems, listed, suggestion

ENVIRONMENTS = ("production", "staging", "lab")
COLOURS = ("blue", "green")  # as on the host: module_utils/_release/desired.py
NAME = r"[a-z][a-z0-9-]{0,30}"
NAME_WORDS = "a small letter, then small letters, digits and '-', at most 31 in all"
SECRET = r"[a-z][a-z0-9_]{0,63}"  # noqa: S105 - the pattern of a name
SECRET_WORDS = "a small letter, then small letters, digits and '_', at most 64 in all"  # noqa: S105 - words about a name
DOMAIN = r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
IMAGE = (
    r"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
DOCKER_MINIMUM = 6 * 1024 * 1024  # dockerd refuses a memory limit below 6 MiB

name = scalar(coerce.matching(NAME, NAME_WORDS))
secret_name = scalar(coerce.matching(SECRET, SECRET_WORDS))
image = scalar(coerce.matching(IMAGE, "an image such as registry.example.org/team/app@sha256:<64 hex digits>"))
port = scalar(coerce.to_port)
host_port = scalar(coerce.within(coerce.to_int, 1024, 65535))
sources = fields.list_of(scalar(coerce.to_source), unique=True, empty=False)
cpus = scalar(coerce.within(coerce.to_float, 0.01, 1024))
memory = scalar(coerce.at_least(coerce.to_bytes, DOCKER_MINIMUM, "6m, the least Docker accepts"))
seconds = scalar(coerce.within(coerce.to_int, 1, 86400))
seconds_or_none = scalar(coerce.within(coerce.to_int, 0, 86400))


def to_route(value: Any) -> str:
    """A path prefix, normalised: one slash between parts, none at the end."""
    text = coerce.to_str(value)
    if not re.fullmatch(r"/[A-Za-z0-9._~/-]*", text):
        raise ValueError(
            "expected a path prefix that starts with '/' and has letters, digits, '.', '_', '~', '-' only, "
            f"found {coerce.shown(value)}"
        )
    parts = [part for part in text.split("/") if part]
    if any(part in {".", ".."} for part in parts):
        raise ValueError(f"must not contain '.' or '..' as a part, found {coerce.shown(value)}")
    return "/" + "/".join(parts)


def to_user(value: Any) -> str:
    """``uid:gid`` in numbers."""
    text = coerce.to_str(value)
    if not re.fullmatch(r"\d{1,10}(:\d{1,10})?", text):
        raise ValueError(
            f'expected "uid:gid" in numbers such as "10001:10001" (quoted), found {coerce.shown(value)}; '
            "secret files are given to that number"
        )
    uid, _colon, gid = text.partition(":")
    return f"{int(uid)}:{int(gid or uid)}"


def to_absolute(value: Any) -> str:
    text = coerce.to_str(value)
    if not text.startswith("/") or ".." in text.split("/") or ":" in text:
        raise ValueError(f"expected an absolute path without '..' and ':', found {coerce.shown(value)}")
    return text


def environment(value: Any, path: str, problems: Problems) -> Any:
    """Variables of a container: text, as the program will read it. Values are never shown."""
    if not isinstance(value, Mapping):
        problems.add(path, f"expected names and values, found {type(coerce.to_plain(value)).__name__}.")
        return {}
    found = {}
    for key, item in value.items():
        variable = str(key)
        where = f"{path}.{variable}"
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            problems.add(where, "is not a usable variable name; expected letters, digits and '_', no leading digit.")
        elif isinstance(item, bool):
            found[variable] = "true" if item else "false"
        elif item is None or isinstance(item, (str, int, float)):
            found[variable] = "" if item is None else str(coerce.to_plain(item))
        else:
            problems.add(
                where, f"expected text, found {type(coerce.to_plain(item)).__name__}; write structures as JSON text."
            )
    return dict(sorted(found.items()))


resources: Mapping[str, Field] = {"cpus": Field(cpus), "memory": Field(memory)}


def resources_with(default_cpus: float, default_memory: int) -> Field:
    return Field(
        fields.record({"cpus": Field(cpus, default_cpus), "memory": Field(memory, default_memory)}), filled=True
    )


health_path = scalar(coerce.matching(r"/[!-~]*", "a path that starts with '/', without spaces"))

health = fields.record(
    {
        "path": Field(health_path),
        "live": Field(health_path),
        "command": Field(fields.command),
        "interval": Field(seconds, 5),
        "timeout": Field(seconds, 5),
        "retries": Field(scalar(coerce.within(coerce.to_int, 1, 1000)), 12),
        "start_period": Field(seconds_or_none, 60),
        "phases": Field(fields.record({"live": Field(seconds), "ready": Field(seconds)})),
        "golden": Field(golden.golden),
    }
)

publish = fields.record(
    {
        "port": Field(port, required=True),
        "target": Field(port),
        "protocol": Field(scalar(coerce.choice("tcp", "udp")), "tcp"),
        "sources": Field(sources, ["any"]),
    }
)

drain = fields.record(
    {
        "timeout": Field(seconds_or_none, 30),
        "signal": Field(scalar(coerce.matching(r"SIG[A-Z0-9]{2,10}", "a signal such as SIGQUIT")), "SIGTERM"),
        "command": Field(fields.command),
    }
)

service = fields.record(
    {
        "image": Field(image, required=True),
        "replicas": Field(replicas.read, {"count": 1, "max": None}),
        "command": Field(fields.command),
        "user": Field(scalar(to_user), "10001:10001"),
        "port": Field(port),
        "routes": Field(fields.list_of(scalar(to_route)), []),
        "host_ports": Field(fields.record({colour: Field(host_port, required=True) for colour in COLOURS})),
        "publish": Field(fields.list_of(publish), []),
        "environment": Field(environment, {}),
        "secrets": Field(fields.list_of(secret_name, unique=True), []),
        "models": Field(fields.list_of(scalar(coerce.to_str), unique=True), []),
        "depends_on": Field(fields.list_of(scalar(coerce.to_str), unique=True), []),
        "resources": resources_with(1.0, 512 * 1024**2),
        "health": Field(health, filled=True),
        "read_only": Field(scalar(coerce.to_bool), True),
        "tmpfs": Field(fields.list_of(scalar(to_absolute), unique=True), ["/tmp"]),  # noqa: S108 - in the container
        "stop_grace_period": Field(seconds, 30),
        "drain": Field(drain, filled=True),
        "migrate": Field(around.migrate(environment)),
    }
)

edge = fields.record(
    {
        "http_port": Field(port, 80),
        "https_port": Field(port, 443),
        "client_max_body": Field(scalar(coerce.at_least(coerce.to_bytes, 1, "1 byte")), 20 * 1024**2),
        "tls": Field(
            fields.record(
                {
                    "mode": Field(scalar(coerce.choice("self_signed", "files")), "self_signed"),
                    "certificate": Field(scalar(coerce.to_str)),
                    "key": Field(scalar(coerce.to_str)),
                }
            ),
            filled=True,
        ),
    }
)

allow = fields.record(
    {
        "name": Field(name, required=True),
        "port": Field(port, required=True),
        "protocol": Field(scalar(coerce.choice("tcp", "udp")), "tcp"),
        "sources": Field(sources, ["any"]),
    }
)

firewall = fields.record(
    {
        "ssh_port": Field(port, 22),
        "ssh_sources": Field(sources, ["any"]),
        "allow": Field(fields.list_of(allow), []),
    }
)

capacity = fields.record(
    {
        "memory_reserve": Field(scalar(coerce.to_bytes), 256 * 1024**2),
        "cpu_overcommit": Field(scalar(coerce.within(coerce.to_float, 1, 100)), 2.0),
    }
)

probation = fields.record(
    {
        "seconds": Field(seconds_or_none, 0),
        "error_rate": Field(scalar(coerce.within(coerce.to_float, 0, 1)), 0.05),
        "latency_seconds": Field(scalar(coerce.within(coerce.to_float, 0.001, 3600))),
        "latency_factor": Field(scalar(coerce.within(coerce.to_float, 1, 1000))),
        "min_requests": Field(scalar(coerce.within(coerce.to_int, 1, 1_000_000)), 20),
        "restarts": Field(scalar(coerce.within(coerce.to_int, 0, 1000)), 0),
        "interval": Field(scalar(coerce.within(coerce.to_float, 0.1, 60)), 1.0),
    }
)

release = fields.record(
    {
        "keep_warm": Field(scalar(coerce.to_bool), False),
        "probation": Field(probation, filled=True),
        "hooks": Field(fields.list_of(around.hook), []),
        "backup": Field(around.backup, filled=True),
    }
)

declared_secret = fields.record({"length": Field(scalar(coerce.within(coerce.to_int, 16, 512)), 32)})

models, lock = model_schema.models, model_schema.lock


def _component_record(component: Component) -> Reader:
    known: dict[str, Field] = {"image": Field(image, required=True)}
    kinds = {"str": coerce.to_str, "int": coerce.to_int, "float": coerce.to_float, "bool": coerce.to_bool}
    for key, setting in component.settings.items():
        known[key] = Field(scalar(kinds[setting.type]), setting.default)
    known["resources"] = resources_with(component.cpus, component.memory)
    return fields.record(known)


def components(known: Mapping[str, Component]) -> Reader:
    """Every component is read by the settings that its own ``component.yml`` declares."""

    def read(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, Mapping):
            problems.add(path, f"expected names and values, found {coerce.shown(value)}.")
            return {}
        found = {}
        for key, item in value.items():
            key_text = str(key)
            if key_text not in known:
                problems.add(
                    f"{path}.{key_text}",
                    f"is not a known component. Available: {listed(known)}.{suggestion(key_text, known)}",
                )
                continue
            found[key_text] = _component_record(known[key_text])(
                {} if item is None else item, f"{path}.{key_text}", problems
            )
        return dict(sorted(found.items()))

    return read


def stack(known: Mapping[str, Component]) -> Reader:
    """The reader of the whole ``stack``."""
    return fields.record(
        {
            "name": Field(name, required=True),
            "environment": Field(scalar(coerce.choice(*ENVIRONMENTS)), "production"),
            "domain": Field(
                scalar(coerce.matching(DOMAIN, "a host name in small letters such as ocr.example.org")), required=True
            ),
            "services": Field(fields.map_of(service, pattern=NAME, meaning=NAME_WORDS), {}, required=True),
            "components": Field(components(known), {}),
            "secrets": Field(fields.map_of(declared_secret, pattern=SECRET, meaning=SECRET_WORDS), {}),
            "edge": Field(edge, filled=True),
            "firewall": Field(firewall, filled=True),
            "capacity": Field(capacity, filled=True),
            "release": Field(release, filled=True),
        }
    )
