# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of every host's stack: a report for programs and a table for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.verdict import container_state
from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import clean

SCHEMA = 1
OK, PROBLEM, UNREACHABLE, UNKNOWN = "ok", "problem", "unreachable", "unknown"
MIB = 1024**2
GIB = 1024**3


def host_report(name: str, gathered: Mapping[str, Any], *, at: str) -> dict[str, Any]:
    """One host.

    :param gathered: the result of ``release_info`` as the task got it: perhaps not one, but that of a host which did
        not answer, or of a task that failed.
    """
    if gathered.get("unreachable"):
        verdict, problems = UNREACHABLE, [{"kind": UNREACHABLE, "message": _message(gathered, "The host is silent.")}]
    elif "problems" not in gathered or gathered.get("failure"):
        verdict = UNKNOWN
        problems = [{"kind": "not_gathered", "message": _message(gathered, "The host was not asked; see the output.")}]
    else:
        problems = [dict(item) for item in gathered["problems"]]
        verdict = PROBLEM if problems else OK
    told = None if verdict in {UNREACHABLE, UNKNOWN} else {key: gathered[key] for key in _TOLD if key in gathered}
    return {
        "schema": SCHEMA,
        "host": name,
        "at": at,
        "ok": verdict == OK,
        "verdict": verdict,
        "problems": problems,
        "status": told,
    }


_TOLD = (
    "stack",
    "root",
    "release",
    "colours",
    "since",
    "actor",
    "reason",
    "revision",
    "previous",
    "rolled_back_to",
    "back_to",
    "warm",
    "images",
    "models",
    "containers",
    "releases",
    "unfinished",
    "prepared",
    "out_of_service",
    "lease",
    "probation",
    "maintenance",
    "stopped",
    "engine",
    "disks",
    "certificate",
    "failures",
    "attempts",
    "backups",
    "backup_failure",
    "msg",
)


def _message(gathered: Mapping[str, Any], otherwise: str) -> str:
    return str(gathered.get("msg") or otherwise).strip()


def status_report(hosts: Sequence[str], gathered: Sequence[Any], *, at: str) -> dict[str, Any]:
    """All hosts. No host at all is not well."""
    found = {
        name: host_report(name, item if isinstance(item, Mapping) else {}, at=at)
        for name, item in zip(hosts, gathered, strict=True)
    }
    return {
        "schema": SCHEMA,
        "at": at,
        "ok": bool(found) and all(host["ok"] for host in found.values()),
        "hosts": found,
    }


def table(report: Mapping[str, Any]) -> str:
    """A line for each host; below, the details of those where something is wrong."""
    rows = [("host", "verdict", "release", "colour", "since", "containers", "models", "free", "certificate")]
    rows += [(name, host["verdict"], *_cells(host["status"])) for name, host in report["hosts"].items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    closed = {name: (host["status"] or {}).get("maintenance") for name, host in report["hosts"].items()}
    lines += [
        f"{name} is closed for maintenance since {item['since']} by {item['by']}: {item['reason'] or 'no reason given'}"
        for name, item in closed.items()
        if item
    ]
    for name, host in report["hosts"].items():
        if not host["ok"]:
            lines += ["", f"{name}:", *_details(host)]
    return "\n".join(clean(part) for line in lines for part in line.splitlines() or [""])


def _cells(status: Mapping[str, Any] | None) -> tuple[str, ...]:
    if status is None:
        return ("?",) * 7
    recorded = [item for item in status["containers"] if item["recorded"]]
    running = sum(item["state"] == "running" and item["health"] != "unhealthy" for item in recorded)
    certificate = status["certificate"]
    free = min((disk["free"] for disk in status["disks"]), default=None)
    return (
        status["release"] or "none",
        "+".join(status["colours"]) or "-",
        status["since"] or "-",
        f"{running}/{len(recorded)}" if status["engine"] == "ok" else "?",
        " ".join(f"{model['name']}:{model['version']}" for model in status["models"]) or "-",
        "?" if free is None else f"{free / GIB:.1f} GiB",
        f"{certificate['days']} d" if certificate else "-",
    )


def _details(host: Mapping[str, Any]) -> Iterable[str]:
    """What is wrong on a host, then what helps to see why."""
    for problem in host["problems"]:
        first, *more = problem["message"].splitlines() or [""]
        yield f"  {problem['kind']}: {first}"
        yield from (f"    {line}" for line in more)
    status = host["status"]
    if status is None:
        return
    lease = status["lease"] or {}
    if lease.get("live"):
        yield f"  at work: {lease['actor']} since {lease['since']}: {lease['doing']}"
    probation = status.get("probation")
    if probation:
        yield f"  on probation until {probation['until']}; past its thresholds back to {probation['previous']}"
    for item in status["containers"]:
        restarts = f", {item['restarts']} restarts" if item["restarts"] else ""
        kept = "" if item["recorded"] else ", kept warm" if item.get("warm") else ", not of this release"
        yield f"  container {item['name']}: {container_state(item)}{restarts}{kept}"
    for item in status["failures"][:1]:
        yield f"  last failure: {item['id']} {item['kind']} at the step {item['step']}: {item['message']}"
    for item in status.get("backups") or ():
        yield f"  backup of {item['component']}: {item['made']}, {item['size'] / MIB:.1f} MiB"
    if status["previous"]:
        yield f"  before: {status['previous']}"


def summary(report: Mapping[str, Any], folder: str) -> str:
    """One sentence with the next step."""
    verdicts = [host["verdict"] for host in report["hosts"].values()]
    if not verdicts:
        return "No host was asked. Does the inventory have a group 'drydock' (or set drydock_hosts)?"
    words = ((PROBLEM, "with problems"), (UNREACHABLE, UNREACHABLE), (UNKNOWN, UNKNOWN), (OK, OK))
    counted = ", ".join(f"{verdicts.count(verdict)} {said}" for verdict, said in words if verdict in verdicts)
    return f"{counted}. The whole status of each host: {folder}/status-<host>.json."
