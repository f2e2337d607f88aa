# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at from outside after a deploy, and the verdict on what was seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What must never answer from outside unless it is declared: the engine's own API and the usual databases and web
# servers.
NEVER = (2375, 2376, 3306, 5432, 6379, 8000, 8080, 9000, 9090, 27017)
REDIRECTS = [301, 302, 307, 308]
ANSWERS = [*range(200, 400), 401, 403, 404, 405, 422]
UNSEEN = {"summary": "nothing was seen before the time was over"}


def verify_plan(
    stack: Mapping[str, Any],
    *,
    address: str,
    ca_path: str | None = None,
    golden: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Targets for ``health_poll`` and ports for ``port_probe``.

    :param address: where the host answers; certificates are verified for the stack's domain all the same.
    :param golden: requests with a known answer, as in ``verify_golden``.
    """
    edge = stack["edge"]
    targets = []
    if edge["routes"]:
        targets = [_route_target(route, stack) for route in edge["routes"]]
        targets.append({"name": "plain HTTP redirects", "url": _url("http", edge, 80, "/"), "status": REDIRECTS})
    for number, request in enumerate(golden, 1):
        wanted = {key: value for key, value in request.items() if key != "path"}
        targets.append(
            {
                "name": f"golden request {number}",
                "url": _url("https", edge, 443, request["path"]),
                "timeout": 30,
                **wanted,
            }
        )
    for target in targets:
        target["address"] = address
        if ca_path and target["url"].startswith("https:"):
            target["ca_path"] = ca_path
    return {"targets": targets, **_ports(stack)}


def _url(scheme: str, edge: Mapping[str, Any], usual: int, path: str) -> str:
    port = edge[f"{scheme}_port"]
    return f"{scheme}://{edge['domain']}{'' if port == usual else f':{port}'}{path}"


def _route_target(route: Mapping[str, Any], stack: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for the service's health path where the route covers it; else the route, which may say no, but not fail."""
    health = stack["services"][route["service"]]["health"].get("path")
    prefix = route["path"].rstrip("/")
    covered = health is not None and (health == prefix or health.startswith(f"{prefix}/"))
    path = health if covered else route["path"]
    name = f"route {route['path']} to {route['service']}"
    return {"name": name, "url": _url("https", stack["edge"], 443, path), "status": [200] if covered else ANSWERS}


def _ports(stack: Mapping[str, Any]) -> dict[str, list[int]]:
    """Ports that everybody may reach have to be open; ports that nobody declared, closed. Others are not judged."""
    rules = [rule for rule in stack["firewall"]["rules"] if rule["protocol"] == "tcp"]
    allowed = {item["port"] for item in rules} | {stack["firewall"]["ssh_port"]}
    published = {item["port"] for service in stack["services"].values() for item in service["publish"]}
    served = {stack["edge"]["http_port"], stack["edge"]["https_port"]} if stack["edge"]["routes"] else set()
    inside = {unit["port"] for kind in ("services", "components") for unit in stack[kind].values() if unit["port"]}
    inside |= {
        port
        for service in stack["services"].values()
        for pair in (service["host_ports"] or {}, *service["replicas"]["ports"])
        for port in pair.values()
    }
    everybody = {rule["port"] for rule in rules if "any" in rule["sources"]}
    return {
        "open": sorted((published | served) & everybody),
        "closed": sorted((set(NEVER) | inside) - allowed),
    }


def verify_verdict(polled: Mapping[str, Any], probed: Mapping[str, Any], *, host: str, at: str) -> dict[str, Any]:
    """One verdict from the two modules' results: ``{host, at, ok, checks: [{name, ok, detail}]}``."""
    checks = [
        {"name": target["name"], "ok": bool(target["ok"]), "detail": str((target["last"] or UNSEEN).get("summary", ""))}
        for target in polled.get("targets") or []
    ]
    checks += [
        {"name": f"port {port['port']} is {port['expected']}", "ok": bool(port["ok"]), "detail": str(port["state"])}
        for port in probed.get("ports") or []
    ]
    for name, result in (("requests", polled), ("ports", probed)):
        if result.get("failed") and not any(not check["ok"] for check in checks):
            checks.append({"name": name, "ok": False, "detail": str(result.get("msg", "the check itself failed"))})
    return {
        "host": str(host),
        "at": str(at),
        "ok": bool(checks) and all(check["ok"] for check in checks),
        "checks": checks,
    }


def failed_checks(verdict: Mapping[str, Any]) -> Iterable[str]:
    """What did not pass, one line each."""
    return [f"{check['name']}: {check['detail']}" for check in verdict["checks"] if not check["ok"]]
