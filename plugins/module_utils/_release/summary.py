# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in the evidence of a failed release, for somebody who opens it at 3 a.m. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAME = "summary.txt"
UNKNOWN = "not known: the run ended before it could say. `{stack} status` tells what serves."
# What a file is for, by its name or the end of it; the first that fits.
MEANINGS = (
    ("failure.json", "all of this for programs, with what was last seen of each health target"),
    ("timeline.txt", "which step took how long, and what each health target said when"),
    ("containers.txt", "the stack's containers at that time, of all colours"),
    ("inspect.json", "everything the engine knows of the release's containers, without values of variables"),
    ("events.txt", "what the engine did to the stack's containers meanwhile"),
    ("host.txt", "room on the disks, memory, load"),
    ("nginx-error.log", "the end of nginx's own log"),
    (".answer", "the whole answer to the golden request"),
    (".log", "the end of what it said"),
)


def summary(
    *,
    stack: str,
    failure: Mapping[str, Any],
    names: Sequence[str],
    containers: Sequence[str],
    missing: Sequence[str],
    serves: str | None,
) -> str:
    """The text.

    :param names: files of the bundle.
    :param containers: those that the failure is about.
    :param missing: what could not be had, in words.
    :param serves: what serves after the failure; None while that is not known.
    """
    commands = [f"sudo {stack} status", *(f"sudo docker logs --timestamps {name}" for name in containers)]
    parts = [
        f"The release {failure['release']} of the stack {stack} failed at the step `{failure['step']}`, "
        f"{failure['at']} ({failure['kind']}).\nMade by {failure['actor']}"
        + (f": {failure['reason']}" if failure["reason"] else "."),
        "What happened\n" + _indented(str(failure["message"])),
        "What serves\n" + _indented(serves or UNKNOWN.format(stack=stack)),
        "Here is\n" + _table([(name, _meaning(name)) for name in sorted({*names, NAME} - {NAME})]),
    ]
    if missing:
        parts.append("Could not be had\n" + _indented("\n".join(missing)))
    parts.append(
        "To look further (containers of a release that failed stay, stopped, until the next one)\n"
        + _indented("\n".join(commands))
    )
    parts.append("What the steps are and what each failure means: docs/releases.md of the collection drydock.serving.")
    return "\n\n".join(parts) + "\n"


def _meaning(name: str) -> str:
    return next((meaning for end, meaning in MEANINGS if name.endswith(end)), "")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = max((len(name) for name, _meaning in rows), default=0)
    return "\n".join(f"  {name.ljust(width)}  {meaning}".rstrip() for name, meaning in rows)


def timeline(durations: Mapping[str, float], changes: Sequence[Mapping[str, Any]], *, step: str) -> str:
    """Steps with their seconds, then what was seen of each health target, with the seconds since waiting began."""
    lines = [f"{seconds:8.2f} s  {name}" for name, seconds in durations.items()]
    lines.append(f"{'':10}  {step}: failed")
    if changes:
        lines += ["", "Health, in seconds since the last wait began:"]
    lines += [
        f"{item['at']:8.2f} s  {item['target']} ({item['phase']}): {'ok, ' if item['ok'] else ''}{item['summary']}"
        for item in changes
    ]
    return "\n".join(lines)
