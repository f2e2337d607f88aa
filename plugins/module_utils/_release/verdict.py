# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the state of a stack is not as it should be, in words that say what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import STUCK
from ansible_collections.drydock.serving.plugins.module_utils._release.log import FAILED, NO_RELEASES

MIB = 1024 * 1024


def judge(told: Mapping[str, Any], *, reserve: int, certificate_days: int) -> Iterator[tuple[str, str]]:
    """Kind and message of each thing that is wrong.

    :param told: the result of ``release_info``.
    :param reserve: bytes that a release wants free on each disk.
    :param certificate_days: days that the edge's certificate has to last.
    """
    yield from _release(told)
    yield from _stopped(told)
    yield from _containers(told)
    yield from _backups(told)
    yield from _disks(told, reserve)
    yield from _certificate(told, certificate_days)


def _release(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    lease = told["lease"] or {}
    under_way = lease.get("live")
    if under_way and lease.get("state") == STUCK:
        yield (
            "stuck",
            f"The run of {lease['actor']} since {lease['since']}, process {lease.get('pid')}, holds the stack and "
            f"gives no sign of life: {lease['doing']}. A run of the tag `stack` is refused and says what to look at.",
        )
    if told.get("prepared") and not under_way:
        yield "prepared", _prepared(told["prepared"])
    elif told["unfinished"] is not None and not under_way:
        journal = told["unfinished"]
        yield (
            "unfinished",
            f"The release {journal['release'] or '(unknown)'} was interrupted at the step "
            f"{journal['step'] or '(unknown)'}. The next run of the tag `stack` finishes or undoes it.",
        )
    if told.get("out_of_service") is not None and not under_way:
        yield "out_of_service", _out_of_service(told["out_of_service"])
    if told["release"] is None and not _unknown(told) and not under_way:
        yield "not_released", "Nothing serves here: no release was made yet, or none succeeded. Run site.yml."
    yield from _last_attempt(told)


def _prepared(note: Mapping[str, Any]) -> str:
    return (
        f"The release {note['release']} is prepared, not switched: ready since {note['since']} for {note['actor']} "
        f"from {note['controller']}, who waits for other hosts. When that run has died, the next run of the tag "
        f"`stack` by the same user undoes it, and anybody's after {note['expires']}."
    )


def _out_of_service(note: Mapping[str, Any]) -> str:
    if note.get("release"):
        return (
            f"The release {note['release']} took this host out of service for the balancers in front of it at "
            f"{note.get('since')} and could not put it back. The next run of the tag `stack` does when all is healthy."
        )
    return (
        "Somebody took this host out of service for the balancers in front of it. Remove the file edge/out-of-service "
        "below the stack's directory to put it back; a release leaves it there."
    )


def _stopped(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    stopped = told.get("stopped")
    if stopped:
        yield (
            "stopped",
            f"The stack was stopped at {stopped['since']} by {stopped['by']}; clients are answered 503. `systemctl "
            f"start {told['stack']}` on the host, or a run of the tag `stack`, brings it back.",
        )


def _unknown(told: Mapping[str, Any]) -> bool:
    """Whether something may serve that could not be read."""
    return bool({"state_unreadable", "not_permitted", "host_failed"} & {item["kind"] for item in told["problems"]})


def _last_attempt(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The log says how the last attempt ended; without one, the last failure, if what served then still does."""
    attempts = [item for item in told["attempts"] if item.get("outcome") not in NO_RELEASES]
    if attempts:
        last = attempts[0]
        raw = last.get("failure")
        failure = raw if isinstance(raw, Mapping) else {}
        failed, identity = last.get("outcome") == FAILED, last.get("release")
        kind, evidence, at = failure.get("kind"), failure.get("evidence"), last.get("at")
    elif told["failures"]:
        last = told["failures"][0]
        unread = last["kind"] is None  # who cannot tell what served then does not say that it is over
        failed, identity = unread or last["serving"] == told["release"], last["id"]
        kind, evidence, at = last["kind"], last["evidence"], last["at"]
    else:
        return
    if failed:
        which = f"{identity or '(unknown)'} at {at or '(unknown)'}"
        where = f" Evidence on the host: {evidence}." if evidence else ""
        yield "attempt_failed", f"The last attempt, {which}, failed: {kind or '(unknown)'}.{where}"


def _containers(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if told["release"] is None:
        return
    if told["engine"] != engines.OK:
        yield (
            f"engine_{told['engine']}",
            f"The Docker engine is {told['engine']}, so nothing is known of the containers. Look at `systemctl status "
            "docker` and `journalctl -u docker`.",
        )
        return
    for item in told["containers"]:
        state = container_state(item)
        if item["recorded"] and state not in {"running", "running, healthy", "running, starting"}:
            yield (
                "container",
                f"The container {item['name']} is {state}. {_said(item)}Look at `docker logs {item['name']}`; the next "
                "run of the tag `stack` brings it back.",
            )


def _said(item: Mapping[str, Any]) -> str:
    """Why the engine could not start it; its own log knows nothing of that."""
    error = item.get("error")
    return f"The engine says: {str(error).rstrip('.')}. " if error else ""


def container_state(item: Mapping[str, Any]) -> str:
    """One container in a few words."""
    words = [str(item["state"])]
    if item["health"] and item["state"] == "running":
        words.append(str(item["health"]))
    if item["exit_code"] is not None:
        words.append(f"exit code {item['exit_code']}")
    if item["oom_killed"]:
        words.append("out of memory")
    return ", ".join(words)


def _backups(told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    failure = told.get("backup_failure")
    if failure:
        copies = [f"{item['component']} of {item['made']}" for item in told["backups"]]
        yield (
            "backup_failed",
            f"The last backup, at {failure['at']} by {failure['actor']}, failed: {failure['kind']}. The newest copies: "
            f"{', '.join(copies) or 'there are none'}. `sudo {told['stack']} backup` tries again, and says why when it "
            "fails.",
        )


def _disks(told: Mapping[str, Any], reserve: int) -> Iterator[tuple[str, str]]:
    for disk in told["disks"]:
        if disk["free"] < reserve:
            yield (
                "no_space",
                f"{disk['free'] // MIB} MiB are free for {disk['path']}, a release wants {reserve // MIB} MiB. Make "
                "room (`docker system df` and `du -xh --max-depth=2 /var` show where it went).",
            )


def _certificate(told: Mapping[str, Any], days: int) -> Iterator[tuple[str, str]]:
    certificate = told["certificate"]
    if certificate is None or certificate["days"] >= days:
        return
    if certificate["days"] < 0:
        yield (
            "certificate_expired",
            f"The edge's certificate {certificate['path']} ended at {certificate['expires']}: clients refuse it. "
            "Renew it, then run the tag `edge`.",
        )
    else:
        yield (
            "certificate_ends",
            f"The edge's certificate {certificate['path']} ends in {certificate['days']} days, at "
            f"{certificate['expires']}. Renew it, then run the tag `edge`.",
        )


def sentence(told: Mapping[str, Any]) -> str:
    """The whole state in one line."""
    lease = told["lease"] or {}
    if told["release"] is None:
        text = f"{told['stack']}: {'what serves is not known' if _unknown(told) else 'nothing released'}"
    else:
        colours = f" ({', '.join(told['colours'])})" if told["colours"] else ""
        text = f"{told['stack']}: {told['release']}{colours} since {told['since']}"
    if told.get("probation"):
        text += f", on probation until {told['probation']['until']}"
    if lease.get("live"):
        text += f"; {lease['actor']} is at work since {lease['since']}: {lease['doing']}"
    closed = told.get("maintenance")
    if closed:
        reason = f" ({closed['reason']})" if closed["reason"] else ""
        text += f"; closed for MAINTENANCE since {closed['since']} by {closed['by']}{reason}"
    count = len(told["problems"])
    wrong = "1 problem" if count == 1 else f"{count} problems"
    return f"{text}; {wrong if count else 'all is well'}."
