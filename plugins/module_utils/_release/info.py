# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``release_info`` tells of a stack, without Ansible. Everything is only read, and nobody is waited for.

What cannot be read is a problem that is told, never the end: this is what people look at when something is wrong.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import backups, log
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release.certificate import (
    NGINX,
    configured,
    read_certificate,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import led_to
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine, Live
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import read_note, unsettled
from ansible_collections.drydock.serving.plugins.module_utils._release.history import last_good
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import STAGING, Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import holder
from ansible_collections.drydock.serving.plugins.module_utils._release.prepared import read_prepared
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import told_probation
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import failures
from ansible_collections.drydock.serving.plugins.module_utils._release.ready import is_ready
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    Record,
    current_record,
    read_journal,
    read_record,
    sequence,
    upstream_ports,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.rotation import out_of_service
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.verdict import judge, sentence
from ansible_collections.drydock.serving.plugins.module_utils._release.warm import read_warm

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
LOOKED_AT = 500  # lines of the log of deployments
LONGEST = 500  # characters of a message that was kept with a failure


@dataclass(frozen=True)
class Look:
    """What is looked at, and through what.

    :param certificate: the edge's certificate; None for the one nginx is told to show.
    :param ready: whether the path at this address says that a service is ready.
    :param failures: how many of the newest are told.
    :param attempts: how many of the newest in the log of deployments are told.
    """

    stack: str
    layout: Layout
    runner: Runner
    engine: Engine
    now: datetime
    certificate: Path | None = None
    nginx: Path = NGINX
    ready: Callable[[str], bool] = is_ready
    failures: int = 5
    attempts: int = 5


@dataclass
class Problems:
    """What is not as it should be, told once each."""

    found: list[dict[str, str]] = field(default_factory=list)

    def add(self, kind: str, message: str) -> None:
        if {"kind": kind, "message": message} not in self.found:
            self.found.append({"kind": kind, "message": message})

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Whatever cannot be read inside is told, and what comes after goes on."""
        try:
            yield
        except DrydockError as error:
            self.add(error.kind, error.message)
        except OSError as error:
            self.add("host_failed", f"{error.filename or 'A file of the stack'} cannot be read: {error.strerror}.")


def empty_result() -> dict[str, Any]:
    """Every key of the result, as it is for a host on which nothing was released."""
    return {
        "changed": False,
        "msg": "",
        "ok": False,
        "stack": "",
        "root": "",
        "release": None,
        "colours": [],
        "since": None,
        "actor": None,
        "reason": None,
        "revision": None,
        "previous": None,
        "rolled_back_to": None,
        "back_to": None,
        "warm": None,
        "images": [],
        "models": [],
        "containers": [],
        "releases": [],
        "unfinished": None,
        "prepared": None,
        "out_of_service": None,
        "lease": None,
        "probation": None,
        "maintenance": None,
        "stopped": None,
        "engine": engines.MISSING,
        "disks": [],
        "certificate": None,
        "failures": [],
        "attempts": [],
        "backups": [],
        "backup_failure": None,
        "problems": [],
    }


def layout_of(name: str, root: str | None) -> Layout:
    """Where a stack of this name lives.

    :raises DrydockError: ``invalid_input``.
    """
    if not _NAME.fullmatch(name):
        raise DrydockError(
            "invalid_input", f"name: {name!r} is not the name of a stack: small letters, digits and '-' are expected."
        )
    place = Path(root or f"/opt/{name}")
    if not place.is_absolute():
        raise DrydockError("invalid_input", f"root: {root!r} is not an absolute path.")
    return Layout(root=place, secrets=Path(f"/etc/{name}/secrets"))


def tell(look: Look, result: dict[str, Any], *, reserve: int, certificate_days: int) -> None:
    """Fill in the result: what there is, and what is wrong with it."""
    problems = Problems()
    _look(look, result, problems)
    result["problems"] = list(problems.found)
    for kind, message in judge(result, reserve=reserve, certificate_days=certificate_days):
        problems.add(kind, message)
    result.update(problems=problems.found, ok=not problems.found)
    result["msg"] = sentence(result)


def _look(look: Look, result: dict[str, Any], problems: Problems) -> None:
    layout = look.layout
    result.update(stack=look.stack, root=str(layout.root))
    closed = _closed(layout)
    if closed:
        problems.add(
            "not_permitted",
            f"{', '.join(closed)} cannot be read by this user, so nothing of the releases is known. Become root.",
        )
    record = None if closed else _files(look, result, problems)
    with problems.told():
        result["engine"], live = look.engine.containers(look.stack)
        kept = (result["warm"] or {}).get("containers") or ()
        result["containers"] = [
            {**item, "warm": item["name"] in kept and not item["recorded"]} for item in _containers(look, record, live)
        ]
    with problems.told():
        result["disks"] = _disks(look, answering=result["engine"] == engines.OK)
    with problems.told():
        path = look.certificate or configured(look.nginx)
        if path is not None:
            result["certificate"] = read_certificate(path, look.runner, now=look.now)


def _closed(layout: Layout) -> list[str]:
    places = (layout.releases, layout.state, layout.failures)
    return [str(place) for place in places if place.is_dir() and not os.access(place, os.R_OK | os.X_OK)]


def _files(look: Look, result: dict[str, Any], problems: Problems) -> Record | None:
    """Everything that lies in files; the record of what serves, where it can be read."""
    layout = look.layout
    record = None
    with problems.told():
        record = current_record(layout)
        if record is not None:
            result.update(_current(record))
            result["warm"] = _warm(look, record)
            good = last_good(layout)
            result["back_to"] = good.identity if good else None
    with problems.told():
        result["lease"] = _lease(layout)
    with problems.told():
        result.update(_gate(layout, problems))
    with problems.told():
        result["unfinished"] = _unfinished(layout)
        if record is not None and result["unfinished"] is None:
            _led(layout, record, problems)
        waiting = read_prepared(layout)
        result["prepared"] = waiting.told() if waiting else None
    with problems.told():
        result["out_of_service"] = out_of_service(layout)
    with problems.told():
        result["probation"] = told_probation(layout)
    with problems.told():
        found = _releases(layout, result, problems)
        left = {item.pop("rolled_back_from") for item in found}
        result["releases"] = [{**item, "left": item["id"] in left} for item in found]
    with problems.told():
        result["failures"] = _failures(layout, look.failures)
    with problems.told():
        lines = log.newest(log.log_path(layout), max(look.attempts, LOOKED_AT))
        result.update(attempts=lines[: max(0, look.attempts)], backup_failure=log.failed_backup(lines))
    with problems.told():
        result["backups"] = backups.newest(layout)
    return record


def _current(record: Record) -> dict[str, Any]:
    containers = _mapping(record.containers)
    parts = {str(_mapping(item).get("part")) for item in containers.values()}
    return {
        "release": record.identity,
        "colours": sorted(parts - {BASE}),
        "since": _text(record.rest.get("finished")) or record.created,
        **{key: _text(record.rest.get(key)) for key in ("actor", "reason", "revision", "previous", "rolled_back_to")},
        "images": [_image(name, _mapping(item)) for name, item in sorted(_mapping(record.images).items())],
        "models": [
            {"name": name, "version": _mapping(item).get("version"), "digest": _mapping(item).get("digest")}
            for name, item in sorted(_mapping(record.models).items())
        ],
    }


def _warm(look: Look, record: Record) -> dict[str, Any] | None:
    """Which containers of an earlier release run on, while they are to."""
    warm = read_warm(look.layout)
    if warm is None or not warm.holds(record, f"{look.now:%Y-%m-%dT%H:%M:%SZ}"):
        return None
    return {"release": warm.release, "until": warm.until, "containers": sorted(warm.containers)}


def _image(name: str, image: Mapping[str, Any]) -> dict[str, Any]:
    """The digest is the registry's: the one in the reference, else the one the image came under."""
    reference = str(image.get("reference") or "")
    known = [reference, *(str(item) for item in image.get("digests") or [])]
    digest = next((item.partition("@")[2] for item in known if "@" in item), None)
    return {"name": name, "reference": reference, "digest": digest, "id": image.get("id")}


def _text(value: Any) -> str | None:
    """As above."""
    return None if value is None else str(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    """A record that was edited by hand may hold anything."""
    return value if isinstance(value, Mapping) else {}


def _releases(layout: Layout, result: Mapping[str, Any], problems: Problems) -> list[dict[str, Any]]:
    """Recorded releases, newest first. One that is being made is not there yet, and not a damaged one."""
    under_way = (result["unfinished"] or {}).get("release")
    found: list[tuple[int, dict[str, Any]]] = []
    for name in _names(layout.releases):
        folder = layout.release(name)
        if name.endswith(STAGING) or name == under_way or not folder.is_dir():
            continue
        with problems.told():
            record = read_record(folder)
            if record is not None:
                told = {
                    "id": name,
                    "created": record.created,
                    "actor": record.rest.get("actor"),
                    "reason": record.rest.get("reason"),
                    "current": name == result["release"],
                    "rolled_back_from": record.rest.get("rolled_back_from"),
                }
                found.append((sequence(record), told))
            elif not (layout.current.is_symlink() and layout.current.readlink().name == name):  # that one was told
                problems.add(
                    "state_unreadable",
                    f"{folder / 'release.json'}, the record of an old release, is missing or damaged: there is no way "
                    "back to it. What serves is not concerned.",
                )
    return [told for _number, told in sorted(found, key=lambda item: item[0], reverse=True)]


def _names(folder: Path) -> list[str]:
    """What is in a directory, last name first: names begin with the time."""
    return sorted(os.listdir(folder), reverse=True) if folder.is_dir() else []  # noqa: PTH208  # names are enough


def _unfinished(layout: Layout) -> dict[str, Any] | None:
    journal = read_journal(layout)
    if journal is None:
        return None
    return {"release": journal.release, "step": journal.step, "previous": journal.previous}


def _gate(layout: Layout, problems: Problems) -> dict[str, Any]:
    """Whether clients are answered 503 on purpose, and why."""
    told = {cause: closed.as_dict() for cause, closed in read_note(layout).causes.items()}
    if unsettled(layout) and not ((_lease(layout) or {}).get("live")):
        problems.add(
            "edge_unsettled",
            f"{layout.gate} does not say what was asked for, or nginx may not have read it: closing or opening the "
            "edge was interrupted, or the file was edited. The next run of the tag `stack`, and `maintenance on` or "
            "`off` of the command on the host, put it right.",
        )
    return told


def _led(layout: Layout, record: Record, problems: Problems) -> None:
    """Whether nginx is told to lead to all that serves."""
    try:
        led = not upstream_ports(record) or layout.upstreams.read_bytes() == led_to(record)
    except OSError:
        led = False
    except (AttributeError, TypeError, ValueError):  # a record that was edited tells nothing of it
        return
    if not led and not ((_lease(layout) or {}).get("live")):
        problems.add(
            "edge_unsettled",
            f"{layout.upstreams} does not lead nginx to just what the release is made of: a container that was "
            "restarted did not come back, that was interrupted, or the file was edited. The next run of the tag "
            "`stack` puts it right.",
        )


def _lease(layout: Layout) -> dict[str, Any] | None:
    """Who holds the stack, and whether that is still so. A dead owner leaves its note; the kernel takes its lock."""
    note = holder(layout)
    if note is None:
        return None
    return {"actor": None, "since": None, "doing": None, **note, "live": _locked(layout.lock)}


def _locked(path: Path) -> bool:
    """Looking takes the lock for a moment, shared; so it is only done where a run has left its note."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _failures(layout: Layout, count: int) -> list[dict[str, Any]]:
    return [_failure(layout.failures / name) for name in failures(layout)[: max(0, count)]]


def _failure(folder: Path) -> dict[str, Any]:
    try:
        failure = _mapping(json.loads((folder / "failure.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        failure = {}
    message = str(failure.get("message") or "").partition("\n")[0][:LONGEST]
    told = {key: failure.get(key) for key in ("at", "kind", "step", "serving", "actor", "reason")}
    return {"id": folder.name, **told, "message": message, "evidence": str(folder)}


# -- containers and disks --------------------------------------------------------------------------------------------


def _containers(look: Look, record: Record | None, live: Sequence[Live]) -> list[dict[str, Any]]:
    """The containers that are there and those that should be. ``recorded``: the current release is made of it."""
    items = _mapping(record.containers).items() if record else ()
    recorded = {(str(_mapping(item).get("part")), name): _mapping(item) for name, item in items}
    inspected = _inspected(look.runner, [item.name for item in live])
    found = [_container(look, item, inspected.get(item.name, {}), recorded) for item in live]
    there = {(item["part"], item["service"]) for item in found}
    found += [_absent(part, name, item) for (part, name), item in recorded.items() if (part, name) not in there]
    return sorted(found, key=lambda item: (item["part"], item["service"], item["name"]))


def _inspected(runner: Runner, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """By name; one that went away meanwhile is not among them."""
    if not names:
        return {}
    done = runner.run(["docker", "inspect", "--type", "container", *names])
    try:
        found = json.loads(done.out)
    except ValueError:
        return {}
    return {str(item.get("Name", "")).lstrip("/"): item for item in found if isinstance(item, Mapping)}


def _container(
    look: Look, live: Live, inspection: Mapping[str, Any], recorded: Mapping[tuple[str, str], Mapping[str, Any]]
) -> dict[str, Any]:
    part = live.project[len(look.stack) + 1 :] if live.project.startswith(f"{look.stack}-") else live.project
    state = _mapping(inspection.get("State"))
    item = recorded.get((part, live.service))
    health = _mapping(state.get("Health")).get("Status") or None
    url = item.get("url") if item is not None and live.state == "running" else None
    if url and health in {None, "none", "healthy"}:
        health = "healthy" if look.ready(str(url)) else "unhealthy"
    return {
        "name": live.name,
        "service": live.service,
        "part": part,
        "state": live.state,
        "health": None if health == "none" else health,
        "restarts": inspection.get("RestartCount"),
        "exit_code": state.get("ExitCode") if live.state in {"exited", "dead"} else None,
        "oom_killed": bool(state.get("OOMKilled")),
        "error": str(state.get("Error") or "")[:LONGEST] or None,
        "started": state.get("StartedAt"),
        "recorded": item is not None,
    }


def _absent(part: str, service: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": str(item.get("name")),
        "service": service,
        "part": part,
        "state": "absent",
        "health": None,
        "restarts": None,
        "exit_code": None,
        "oom_killed": False,
        "error": None,
        "started": None,
        "recorded": True,
    }


def _disks(look: Look, *, answering: bool) -> list[dict[str, Any]]:
    places = [("stack", look.layout.root)]
    if answering:
        places.append(("images", Path(look.engine.data_root())))
    return [_disk(what, path) for what, path in places]


def _disk(what: str, path: Path) -> dict[str, Any]:
    """In bytes, of the file system where a path is or will be."""
    place = path
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    return {"what": what, "path": str(path), "total": usage.total, "free": usage.free}
