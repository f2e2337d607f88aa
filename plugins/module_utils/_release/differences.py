# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the host and what is wanted, kind by kind. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import backups, rotation
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, Desired, Unit, sha256
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Retired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Live
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import STOPPED, read_note, unsettled
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.model import MODEL, read_model
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Journal, Record, current_record
from ansible_collections.drydock.serving.plugins.module_utils._release.record import replicas as recorded_replicas
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import READY
from ansible_collections.drydock.serving.plugins.module_utils._secrets import SecretsPlan

DATA_MODE = 0o700


@dataclass(frozen=True)
class Change:
    """One difference between the host and what is wanted. ``before`` and ``after`` are texts for a diff."""

    topic: str  # file, config, image, model, secret, replicas, data, container, edge, journal, engine
    name: str
    before: str
    after: str
    said: str  # one line for people

    def as_diff(self) -> dict[str, str]:
        return {"before_header": self.name, "after_header": self.name, "before": self.before, "after": self.after}


def _text(content: bytes | None) -> str:
    """For a diff; what is no text, by its digest."""
    try:
        return "" if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        return f"{len(content or b'')} bytes, sha256:{sha256(content or b'')}\n"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def files(desired: Desired) -> list[Change]:
    """The rendered files against those of the current release as they are on disk, edited by hand or not."""
    current = desired.layout.current
    record = current_record(desired.layout)
    names = set(desired.files) | set(record.files if record else ())
    found = []
    for dest in sorted(names):
        before, after = _read(current / dest), desired.files.get(dest)
        if before != after:
            verb = "add" if before is None else "remove" if after is None else "change"
            found.append(Change("file", str(current / dest), _text(before), _text(after), f"{verb} the file {dest}"))
    return found


def _pairs(topic: str, title: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """One change for a whole table of names, where any row of it differs."""
    if before == after:
        return []
    lines = ["".join(f"{name}: {side[name]}\n" for name in sorted(side)) for side in (before, after)]
    rows = [
        f"{topic} {name}: {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    return [Change(topic, title, lines[0], lines[1], "; ".join(rows))]


def images(desired: Desired, current: Record | None) -> list[Change]:
    before = {name: str(image["reference"]) for name, image in current.images.items()} if current else {}
    return _pairs("image", f"{desired.name}: images", before, desired.images)


def models(desired: Desired, current: Record | None) -> list[Change]:
    before = {name: _model(model) for name, model in current.models.items()} if current else {}
    return _pairs(
        "model", f"{desired.name}: models", before, {name: _model(model) for name, model in desired.models.items()}
    )


def replicas(desired: Desired, current: Record | None) -> list[Change]:
    """Told where a service has, or had, more than one."""
    before, after = recorded_replicas(current) if current else {}, desired.replicas
    names = {name for name in {*before, *after} if max(before.get(name, 0), after.get(name, 0)) > 1}
    sides = [{name: str(side[name]) for name in sorted(names) if name in side} for side in (before, after)]
    return _pairs("replicas", f"{desired.name}: replicas", *sides)


def _model(model: Mapping[str, Any]) -> str:
    return f"{model['version']} ({str(model['digest'])[:12]})"


def keys(secrets: SecretsPlan, current: Record | None) -> list[Change]:
    """Secrets whose value is another one than the recorded release had; only that is told."""
    if current is None:
        return []
    before = current.rest.get("secrets") or {}
    names = [
        name
        for name in sorted({*before, *secrets.fingerprints})
        if before.get(name) != secrets.fingerprints.get(name) and name not in secrets.generated
    ]
    return [Change("secret", f"secret {name}", "", "", f"secret {name}: another value") for name in names]


def secret_files(secrets: SecretsPlan) -> list[Change]:
    found = []
    for item in secrets.writes:
        made = item.reason == "missing" and item.path.name in secrets.generated
        what = "would be generated" if made else f"would be written ({item.reason})"
        found.append(Change("secret", str(item.path), "", f"{what}\n", f"secret file {item.path}: {item.reason}"))
    found += [
        Change("secret", str(path), "present\n", "", f"secret file {path}: not wanted any more")
        for path in secrets.stale
    ]
    return found


def config(desired: Desired) -> list[Change]:
    """Configuration directories that were edited or removed on the host."""
    found = []
    for unit in desired.units:
        folder = desired.config_dir(unit)
        if folder is None or not folder.is_dir():
            continue  # comes with its release
        for name, content in sorted(desired.config_files(unit).items()):
            before = _read(folder / name)
            if before != content:
                said = f"restore {folder / name}"
                found.append(Change("config", str(folder / name), _text(before), _text(content), said))
    return found


def data(desired: Desired) -> list[Change]:
    found = []
    for unit in desired.units:
        if unit.data is None:
            continue
        wanted = f"{unit.uid}:{unit.gid} {DATA_MODE:04o}\n"
        try:
            status = unit.data.stat()
            before = f"{status.st_uid}:{status.st_gid} {status.st_mode & 0o7777:04o}\n"
        except FileNotFoundError:
            before = ""
        if before != wanted:
            said = f"data directory {unit.data}: {before.strip() or 'absent'} -> {wanted.strip()}"
            found.append(Change("data", str(unit.data), before, wanted, said))
    return found


def containers(desired: Desired, current: Record, live: list[Live]) -> list[Change]:
    """Containers that are not as the current release left them."""
    by_name = {item.name: item for item in live}
    found = []
    for unit in desired.units:
        recorded = current.containers.get(unit.name)
        before = _container_state(unit, by_name.get(unit.container), recorded)
        if recorded is not None and before is not None:
            found.append(
                Change(
                    "container",
                    f"container {unit.container}",
                    f"{before}\n",
                    "running\n",
                    f"{unit.container}: {before}",
                )
            )
    return found


def broken(unit: Unit, current: Record | None, live: list[Live]) -> bool:
    by_name = {item.name: item for item in live}
    recorded = current.containers.get(unit.name) if current else None
    return _container_state(unit, by_name.get(unit.container), recorded) is not None


def _container_state(unit: Unit, live: Live | None, recorded: Mapping[str, Any] | None) -> str | None:
    if live is None:
        return "absent"
    if live.state != "running":
        return live.state
    if recorded and live.config_hash != recorded.get("config_hash"):
        return "running with other settings than released"
    if unit.part != BASE and unit.stack not in live.networks:
        return "running, not in the stack's network"
    return "running, unhealthy" if live.unhealthy else None


def strays(strays: tuple[Retired, ...], live: list[Live]) -> list[Change]:
    """Containers of no release that run. Stopped ones are the evidence of a failed one and go with the next release."""
    running = {item.name for item in live if item.running}
    return [
        Change(
            "container",
            f"container {item.name}",
            "running\n",
            "absent\n",
            f"{item.name}: runs and is not part of the release",
        )
        for item in strays
        if item.name in running
    ]


def edge(path: Path, wanted: bytes) -> list[Change]:
    before = _read(path)
    if before == wanted:
        return []
    return [Change("edge", str(path), _text(before), _text(wanted), f"lead the edge to the services by {path}")]


def works(copied: tuple[backups.Source, ...], due: tuple[Unit, ...]) -> list[Change]:
    """What is done to data; no file tells of it."""
    found = [Change("backup", f"data of {item.name}", "", "", f"copy the data of {item.name}") for item in copied]
    for unit in due:
        words = unit.migrate.command if unit.migrate else ()
        never = (
            f", which cannot be undone: {unit.migrate.irreversible}"
            if unit.migrate and unit.migrate.irreversible
            else ""
        )
        said = f"run the migration of {unit.name}{never}"
        found.append(Change("migration", f"migration of {unit.name}", "", f"{' '.join(words)}\n", said))
    return found


def out_of_service(layout: Layout) -> list[Change]:
    """A release that could not be brought back left the host to no balancer; what serves now may be sent requests."""
    note = rotation.out_of_service(layout)
    if not rotation.by_release(note):
        return []
    said = "put the host back into service for the balancers in front of it"
    return [Change("edge", str(layout.out_of_service), "out of service\n", "", said)]


def gate(layout: Layout) -> list[Change]:
    """Maintenance is no difference; an edge that is not as it was asked for, or that was closed for a stop, is."""
    note = read_note(layout)
    if STOPPED in note.causes:
        said = "open the edge, which was closed when the stack was stopped"
    elif unsettled(layout):
        said = f"have the edge {'closed' if note.causes else 'open'}, as it was asked for"
    else:
        return []
    return [Change("edge", str(layout.gate), "", "", said)]


def leftovers(journal: Journal | None, status: str) -> list[Change]:
    found = []
    if journal is not None:
        said = (
            f"clean up after the release {journal.release or '(unknown)'}, interrupted at {journal.step or '(unknown)'}"
            if journal.step != READY
            else f"the release {journal.release} is ready and was not switched"
        )
        found.append(Change("journal", "unfinished release", f"{journal.release}: {journal.step}\n", "", said))
    if status != engines.OK:
        found.append(Change("engine", "Docker engine", f"{status}\n", "ok\n", f"the Docker engine is {status}"))
    return found


def settings(desired: Desired) -> list[Change]:
    """What a release is recorded with and that restarts nothing, as routes: the host goes by it when it acts alone."""
    folder = desired.layout.current
    try:
        before = read_model(folder) or {}
    except DrydockError:  # edited by hand
        before = {}
    after = desired.model
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if not names:
        return []
    return [Change("settings", str(folder / MODEL), "", "", f"record the settings of {', '.join(names)}")]


def still_named(kept: tuple[Retired, ...]) -> list[Change]:
    """A run died between the switch and taking their names away."""
    return [
        Change(
            "container",
            f"container {item.name}",
            "reached under its service's name\n",
            "kept running\n",
            f"{item.name}: is only kept running, and still reached under its service's name",
        )
        for item in kept
    ]
