# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of one stack as text: first what is wrong, then what there is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.verdict import container_state

MIB = 1024**2
GIB = 1024**3
ATTEMPTS = ("at", "outcome", "release", "actor", "reason")


def status_text(told: Mapping[str, Any]) -> str:
    """:param told: the result of ``release_info``."""
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield told["msg"]
    for problem in told["problems"]:
        first, *more = problem["message"].splitlines() or [""]
        yield f"  {problem['kind']}: {first}"
        yield from (f"    {line}" for line in more)
    yield ""
    yield from columns(list(_facts(told)))
    if told["containers"]:
        head = ("container", "service", "colour", "state", "restarts", "since")
        yield ""
        yield from columns([head, *(_container(item) for item in told["containers"])])
    if told["attempts"]:
        yield ""
        yield from columns([ATTEMPTS, *(tuple(_word(item.get(key)) for key in ATTEMPTS) for item in told["attempts"])])


def _facts(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    lease = told["lease"] or {}
    if lease.get("live"):
        yield "at work", f"{lease['actor']} since {lease['since']}: {lease['doing']}"
    closed = told.get("maintenance")
    if closed:
        reason = f": {closed['reason']}" if closed["reason"] else ""
        yield "maintenance", f"since {closed['since']} by {closed['by']}{reason}; clients get 503"
    if told["release"]:
        colours = ", ".join(told["colours"])
        yield "release", f"{told['release']}{f' ({colours})' if colours else ''} since {told['since']}"
        yield "by", f"{_word(told['actor'])}{': ' + told['reason'] if told['reason'] else ''}"
        yield "before", _word(told["previous"])
        if told["rolled_back_to"]:
            yield "went back to", told["rolled_back_to"]
        yield "rollback", f"to {told['back_to']}" if told["back_to"] else "there is none to go back to"
    warm = told["warm"]
    if warm:
        until = f"until {warm['until']}" if warm["until"] else "until the next release"
        yield "warm", f"{warm['release']}, {until}: {', '.join(warm['containers'])}"
    probation = told.get("probation")
    if probation:
        yield "probation", f"until {probation['until']}; past its thresholds back to {probation['previous']}"
    for model in told["models"]:
        yield "model", f"{model['name']} {model['version']}"
    for copy in told["backups"]:
        yield f"backup of {copy['component']}", f"{copy['made']}, {copy['size'] / MIB:.1f} MiB, {copy['path']}"
    for disk in told["disks"]:
        yield f"disk, {disk['what']}", f"{disk['free'] / GIB:.1f} of {disk['total'] / GIB:.1f} GiB free, {disk['path']}"
    certificate = told["certificate"]
    if certificate:
        yield "certificate", f"{certificate['days']} days left, until {certificate['expires']}, {certificate['path']}"
    for failure in told["failures"][:1]:
        yield "last failure", f"{failure['id']}, {_word(failure['kind'])}; evidence: {failure['evidence']}"
    yield "engine", told["engine"]


def _container(item: Mapping[str, Any]) -> tuple[str, ...]:
    kept = "" if item["recorded"] else ", kept warm" if item.get("warm") else ", not of this release"
    started = str(item["started"] or "-").partition(".")[0]
    return (
        item["name"],
        item["service"],
        item["part"],
        f"{container_state(item)}{kept}",
        _word(item["restarts"]),
        f"{started}Z" if started.count(":") == 2 and not started.endswith("Z") else started,
    )


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of the same length, one under the other."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(widths[place]) for place, cell in enumerate(row)).rstrip() for row in rows]


def _word(value: Any) -> str:
    return "-" if value is None or value == "" else str(value)
