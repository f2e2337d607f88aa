# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model that everything after reads, from input that has passed every rule."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._stack import golden, replicas
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.capacity import totals
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.components import Component

SCHEMA = 1
MODEL_STORE = "/var/lib/drydock/models"
# below the ports that Linux gives to outgoing connections
HOST_PORTS = {"blue": range(18000, 18500), "green": range(18500, 19000)}


def taken_ports(stack: Mapping[str, Any]) -> set[int]:
    """Ports of the host that somebody has chosen."""
    services, firewall, edge = stack["services"], stack["firewall"], stack["edge"]
    taken = {port for service in services.values() for port in (service["host_ports"] or {}).values()}
    taken |= {
        firewall["ssh_port"],
        edge["http_port"],
        edge["https_port"],
        *(item["port"] for item in firewall["allow"]),
    }
    return taken | {item["port"] for service in services.values() for item in service["publish"]}


def assign_host_ports(stack: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Loopback ports, one for each colour, for services that have a port and chose none.

    They follow from the service's name, so that adding or removing a service moves no other one: the edge goes on
    reaching what it reached, also while a release is under way or given up.
    """
    taken = taken_ports(stack)
    assigned: dict[str, dict[str, int]] = {}
    for name, service in sorted(stack["services"].items()):
        if service["port"] is not None and service["host_ports"] is None:
            assigned[name] = {}
            for colour, ports in HOST_PORTS.items():
                start = zlib.crc32(name.encode()) % len(ports)
                assigned[name][colour] = next(port for port in (*ports[start:], *ports[:start]) if port not in taken)
                taken.add(assigned[name][colour])
    return assigned


def derive(
    stack: Mapping[str, Any],
    models: Sequence[Mapping[str, Any]],
    known: Mapping[str, Component],
    assigned: Mapping[str, Mapping[str, int]],
) -> dict[str, Any]:
    """See ``docs/stack.md`` for what each key means."""
    root = f"/opt/{stack['name']}"
    versions = {model["name"]: model["version"] for model in models}
    further = replicas.assign_ports(stack, taken_ports(stack))
    services = {
        name: {
            **_service(item, versions, assigned.get(name)),
            "replicas": {
                "count": item["replicas"]["count"],
                "max": replicas.most(stack, name),
                "ports": further.get(name, []),
            },
        }
        for name, item in stack["services"].items()
    }
    components = {name: _component(item, known[name], root) for name, item in stack["components"].items()}
    units = {**services, **components}
    return {
        "schema": SCHEMA,
        "name": stack["name"],
        "environment": stack["environment"],
        "domain": stack["domain"],
        "paths": {"root": root, "secrets": f"/etc/{stack['name']}/secrets", "models": MODEL_STORE},
        "services": services,
        "components": components,
        "secrets": _secrets(stack, services, components, known),
        "models": [dict(model) for model in models],
        "edge": _edge(stack, services),
        "firewall": _firewall(stack, services),
        "capacity": stack["capacity"],
        "release": stack["release"],
        "totals": {**totals(units), "model_bytes": sum(item["size"] for model in models for item in model["files"])},
    }


def _service(
    item: Mapping[str, Any], versions: Mapping[str, str], assigned: Mapping[str, int] | None
) -> dict[str, Any]:
    return {
        **item,
        "host_ports": item["host_ports"] if assigned is None else dict(assigned),
        "routes": sorted(item["routes"]),
        "publish": [{**entry, "target": entry["target"] or entry["port"]} for entry in item["publish"]],
        "secrets": sorted(item["secrets"]),
        "models": [
            {
                "name": name,
                "version": versions[name],
                "source": f"{MODEL_STORE}/sets/{name}/{versions[name]}",
                "target": f"/models/{name}",
            }
            for name in sorted(item["models"])
        ],
        "health": _health(item["health"]),
    }


def _health(item: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in item.items() if value is not None}
    if "phases" in found:
        found["phases"] = {key: value for key, value in found["phases"].items() if value is not None}
    return {**found, "golden": golden.complete(found["golden"])} if "golden" in found else found


def _component(item: Mapping[str, Any], component: Component, root: str) -> dict[str, Any]:
    return {
        "image": item["image"],
        "user": component.user,
        "port": component.port,
        "settings": {key: item[key] for key in component.settings},
        "secrets": sorted(key for key, secret in component.secrets.items() if secret.mounted),
        "data": f"{root}/data/{component.name}" if component.data else None,
        "resources": item["resources"],
        "health": dict(component.health),
        "stop_grace_period": component.stop_grace_period,
        "backup": dict(component.backup) if component.backup else None,
    }


def _secrets(
    stack: Mapping[str, Any],
    services: Mapping[str, Any],
    components: Mapping[str, Any],
    known: Mapping[str, Component],
) -> dict[str, Any]:
    """Every secret with who reads it. Values never pass through here."""
    found: dict[str, dict[str, Any]] = {}
    for name in components:
        for key, secret in known[name].secrets.items():
            if secret.derived_from:
                found[key] = {"derived_from": secret.derived_from, "template": secret.template, "consumers": []}
            else:
                found[key] = {"length": secret.length, "consumers": []}
    for key, declared in stack["secrets"].items():
        found.setdefault(key, {"consumers": []})["length"] = declared["length"]
    for name, unit in sorted({**services, **components}.items()):
        uid, _colon, gid = unit["user"].partition(":")
        for key in unit["secrets"]:
            entry = found.setdefault(key, {"length": 32, "consumers": []})
            entry["consumers"].append({"service": name, "uid": int(uid), "gid": int(gid)})
    return dict(sorted(found.items()))


def _edge(stack: Mapping[str, Any], services: Mapping[str, Any]) -> dict[str, Any]:
    routes = [{"path": route, "service": name} for name, service in services.items() for route in service["routes"]]
    return {
        "domain": stack["domain"],
        **stack["edge"],
        "access_log": f"/var/log/nginx/{stack['name']}-access.log",  # rotated with nginx's own
        "routes": sorted(routes, key=lambda route: route["path"]),
    }


def _firewall(stack: Mapping[str, Any], services: Mapping[str, Any]) -> dict[str, Any]:
    firewall, rules = stack["firewall"], []
    if any(service["routes"] for service in services.values()):
        rules += [
            {"name": name, "port": stack["edge"][f"{name}_port"], "protocol": "tcp", "sources": ["any"]}
            for name in ("http", "https")
        ]
    for name, service in services.items():
        rules += [
            {"name": f"{name}-{item['port']}", **{key: item[key] for key in ("port", "protocol", "sources")}}
            for item in service["publish"]
        ]
    rules += [dict(item) for item in firewall["allow"]]
    return {"ssh_port": firewall["ssh_port"], "ssh_sources": firewall["ssh_sources"], "rules": rules}
