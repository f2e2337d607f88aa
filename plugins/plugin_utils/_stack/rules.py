# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules between values of one stack. Each takes what the schema has read; what could not be read is passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import repeated
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.components import Component
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems, listed, suggestion

Stack = Mapping[str, Any]


def check_services(stack: Stack, problems: Problems) -> None:
    """What one service needs of itself."""
    if not stack["services"]:
        problems.add("stack.services", "has no service; expected at least one.")
    for name, service in stack["services"].items():
        where = f"stack.services.{name}"
        if name in stack["components"]:
            problems.add(
                where,
                "has the name of a component; both would answer to it in the stack's network. Rename the service.",
            )
        if service["port"] is None and not problems.reported(f"{where}.port"):
            for reason in (key for key in ("routes", "host_ports") if service[key]):
                problems.add(
                    f"{where}.port", f"is required because {reason} is set: it is the container's port behind it."
                )
            for key in (key for key in ("path", "live") if service["health"][key]):
                problems.add(f"{where}.port", f"is required because health.{key} is asked there.")
        if service["health"]["path"] and service["health"]["command"]:
            problems.add(f"{where}.health", "has both path and command; expected one of them.")
        if (service["health"]["phases"] or {}).get("live") and not service["health"]["live"]:
            problems.add(f"{where}.health.phases.live", "has no meaning without health.live, the path that is asked.")


def check_references(
    stack: Stack, models: Iterable[str], secrets: Iterable[str], known: Mapping[str, Component], problems: Problems
) -> None:
    """Models, secrets, services and components that are named exist."""
    services, components = stack["services"], stack["components"]
    provided = {key for name in components for key in known[name].secrets}
    usable_secrets = provided | set(stack["secrets"]) | set(secrets)
    names = set(models)
    for name, service in services.items():
        where = f"stack.services.{name}"
        for model in service["models"]:
            if model not in names:
                problems.add(
                    f"{where}.models",
                    f"'{model}' is not a model. Known in models: {listed(names)}.{suggestion(model, names)}",
                )
        for secret in service["secrets"]:
            if secret not in usable_secrets:
                problems.add(
                    f"{where}.secrets",
                    f"nothing provides '{secret}'. Known: {listed(usable_secrets)}."
                    f"{suggestion(secret, usable_secrets)} "
                    f"To have it generated on the host, declare it: stack.secrets: {{{secret}: {{length: 32}}}}.",
                )
        others = (set(services) | set(components)) - {name}
        for other in service["depends_on"]:
            if other == name:
                problems.add(f"{where}.depends_on", f"'{other}' is the service itself.")
            elif other not in others:
                problems.add(
                    f"{where}.depends_on",
                    f"'{other}' is neither a service nor a component of this stack. Known: {listed(others)}."
                    f"{suggestion(other, others)}",
                )


def check_secrets(stack: Stack, given: Iterable[str], known: Mapping[str, Component], problems: Problems) -> None:
    """Every secret that is given or declared has a reader, and none that is computed is given."""
    used = {secret for service in stack["services"].values() for secret in service["secrets"]}
    of_components = {key: item for name in stack["components"] for key, item in known[name].secrets.items()}
    readers = used | set(of_components)
    for where, names in (("stack_secrets", given), ("stack.secrets", stack["secrets"])):
        for name in names:
            source = of_components[name].derived_from if name in of_components else None
            if source:
                problems.add(f"{where}.{name}", f"is computed from '{source}' and cannot be set; set '{source}'.")
            elif name not in readers:
                problems.add(f"{where}.{name}", f"no service and no component reads it.{suggestion(name, readers)}")


def check_cycles(stack: Stack, problems: Problems) -> None:
    """Services do not wait for each other in a circle."""
    graph = {
        name: [other for other in service["depends_on"] if other in stack["services"] and other != name]
        for name, service in stack["services"].items()
    }
    for cycle in _cycles(graph):
        problems.add(
            f"stack.services.{cycle[0]}.depends_on",
            f"is a circle: {' -> '.join([*cycle, cycle[0]])}. Take one of them out.",
        )


def _cycles(graph: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """Circles of a graph, each told once."""
    done: set[str] = set()

    def walk(node: str, trail: list[str]) -> Iterator[list[str]]:
        if node in trail:
            yield trail[trail.index(node) :]
        elif node not in done:
            for other in graph[node]:
                yield from walk(other, [*trail, node])
            done.add(node)

    for start in graph:
        yield from walk(start, [])


def check_routes(stack: Stack, problems: Problems) -> None:
    """One path prefix leads to one service. Routes are normalised already."""
    owners: dict[str, str] = {}
    for name, service in stack["services"].items():
        where = f"stack.services.{name}.routes"
        for route in repeated(service["routes"]):
            problems.add(where, f"'{route}' is listed more than once (after taking out doubled and trailing slashes).")
        for route in dict.fromkeys(service["routes"]):
            if route == "/-" or route.startswith("/-/"):
                problems.add(
                    where, f"'{route}' is the edge's own: below /-/ it answers the health checks of balancers."
                )
            if route in owners:
                problems.add(
                    where, f"'{route}' already leads to service '{owners[route]}'. One path leads to one service."
                )
            owners.setdefault(route, name)


def check_ports(stack: Stack, assigned: Mapping[str, Mapping[str, int]], problems: Problems) -> None:
    """One port of the host has one owner: SSH, the edge, loopback ports, published and allowed ports."""
    owners: dict[tuple[int, str], str] = {}
    for port, protocol, path in _claims(stack, assigned):
        owner = owners.setdefault((port, protocol), path)
        if owner != path:
            problems.add(
                path,
                f"port {port}/{protocol} is taken by {owner}; every port of the host has one owner. Choose another.",
            )


def _claims(stack: Stack, assigned: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[int, str, str]]:
    yield stack["firewall"]["ssh_port"], "tcp", "stack.firewall.ssh_port"
    if any(service["routes"] for service in stack["services"].values()):
        yield stack["edge"]["http_port"], "tcp", "stack.edge.http_port"
        yield stack["edge"]["https_port"], "tcp", "stack.edge.https_port"
    for name, service in stack["services"].items():
        for colour, port in (service["host_ports"] or {}).items():
            if port is not None:
                yield port, "tcp", f"stack.services.{name}.host_ports.{colour}"
    for name, service in stack["services"].items():
        for number, item in enumerate(service["publish"]):
            if item["port"] is not None:
                yield item["port"], item["protocol"], f"stack.services.{name}.publish[{number}].port"
    for number, item in enumerate(stack["firewall"]["allow"]):
        if item["port"] is not None:
            yield item["port"], item["protocol"], f"stack.firewall.allow[{number}].port"
    for name, ports in assigned.items():
        for colour, port in ports.items():
            yield port, "tcp", f"stack.services.{name}.host_ports.{colour} (assigned)"


def check_publish(stack: Stack, problems: Problems) -> None:
    """A published port leads somewhere."""
    for name, service in stack["services"].items():
        for number, item in enumerate(service["publish"]):
            for source in _mixed_any(item["sources"]):
                problems.add(f"stack.services.{name}.publish[{number}].sources", source)
    for number, item in enumerate(stack["firewall"]["allow"]):
        for source in _mixed_any(item["sources"]):
            problems.add(f"stack.firewall.allow[{number}].sources", source)
    for source in _mixed_any(stack["firewall"]["ssh_sources"]):
        problems.add("stack.firewall.ssh_sources", source)


def _mixed_any(sources: list[str]) -> Iterator[str]:
    if "any" in sources and len(sources) > 1:
        yield "has 'any' beside addresses, which then mean nothing. Keep 'any' alone, or the addresses alone."


def check_tls(stack: Stack, problems: Problems) -> None:
    """Files where the mode wants files, and none where it makes its own."""
    tls = stack["edge"]["tls"]
    for key in ("certificate", "key"):
        if tls["mode"] == "files" and not tls[key]:
            problems.add(
                f"stack.edge.tls.{key}", "is required because mode is files: the path of the file on the controller."
            )
        if tls["mode"] == "self_signed" and tls[key]:
            problems.add(
                f"stack.edge.tls.{key}", "is given but mode is self_signed. Set mode: files to use it, or take it out."
            )
