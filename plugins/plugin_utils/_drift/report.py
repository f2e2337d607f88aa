# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a run in check mode: clean, drift or unknown, for each host and in all. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCHEMA = 1
CLEAN, DRIFT, UNKNOWN = "clean", "drift", "unknown"


def compose(record: Mapping[str, Any] | None, *, code: int, at: str, playbook: str, output: str) -> dict[str, Any]:
    """The report.

    :param record: what the callback wrote: ``{host: {changes, problems}}`` below ``hosts``; None when it wrote nothing.
    :param code: exit status of the run. One that nothing in the record explains makes the verdict unknown.
    :param output: the end of the run's output, kept when the run itself failed.
    """
    found = (record or {}).get("hosts") or {}
    hosts = {name: {"verdict": _verdict(item), **item} for name, item in sorted(found.items())}
    problems = []
    if record is None:
        problems.append(f"The run ended with exit status {code} before it could be judged. Its output ended:\n{output}")
    elif not hosts:
        problems.append("No host was looked at. Does the inventory have a group 'drydock' (or set drydock_hosts)?")
    elif code != 0 and not any(item["problems"] for item in hosts.values()):
        problems.append(f"The run ended with exit status {code}. Its output ended:\n{output}")
    verdicts = {item["verdict"] for item in hosts.values()}
    verdict = DRIFT if DRIFT in verdicts else UNKNOWN if problems or UNKNOWN in verdicts else CLEAN
    return {
        "schema": SCHEMA,
        "at": at,
        "playbook": playbook,
        "ok": verdict == CLEAN,
        "verdict": verdict,
        "problems": problems,
        "hosts": hosts,
    }


def _verdict(host: Mapping[str, Any]) -> str:
    """A host that could not be looked at to the end is never clean."""
    if host["changes"]:
        return DRIFT
    return UNKNOWN if host["problems"] else CLEAN


def table(report: Mapping[str, Any]) -> str:
    """The report for people: a line for each thing that would change or went wrong, its problems below."""
    rows = [("host", "verdict", "task", "where")]
    for name, host in report["hosts"].items():
        for change in host["changes"]:
            task = change["task"] if not change["role"] else f"{_short(change['role'])}: {change['task']}"
            rows.append((name, host["verdict"], task, change["file"] or ""))
        rows += [(name, host["verdict"], item["task"], item["message"].splitlines()[0]) for item in host["problems"]]
        rows += [(name, host["verdict"], text, "") for text in host.get("notes") or ()]
        if not host["changes"] and not host["problems"]:
            rows.append((name, host["verdict"], "nothing would change", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [_row(row, widths) for row in rows]
    return "\n".join([*lines, *report["problems"]])


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, [*widths, 0], strict=True)]
    return "  ".join(padded).rstrip()


def _short(role: str) -> str:
    return role.rsplit(".", 1)[-1]


def summary(report: Mapping[str, Any], path: str) -> str:
    """One sentence with the next step."""
    verdicts = [host["verdict"] for host in report["hosts"].values()]
    counts = [verdicts.count(verdict) for verdict in (DRIFT, UNKNOWN, CLEAN)]
    text = f"{counts[0]} with drift, {counts[1]} unknown, {counts[2]} clean. The whole report: {path}."
    if report["verdict"] == DRIFT:
        return f"Drift: {text} What changed there? Run site.yml to put it back, or take the change into the inventory."
    if report["verdict"] == UNKNOWN:
        return f"Unknown: {text} Mend what the problems say, then look again."
    return f"Clean: {text}"
