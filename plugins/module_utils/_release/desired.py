# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run wants: the stack model and the rendered files, as values. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.judgement import Thresholds, thresholds_from
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.model import release_model
from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import replica_name
from ansible_collections.drydock.serving.plugins.module_utils._release.wishes import (
    Backup,
    BackupPolicy,
    Hook,
    Migration,
    parse_backup,
    parse_backup_policy,
    parse_hook,
    parse_migration,
)
from ansible_collections.drydock.serving.plugins.module_utils._secrets import SecretSpec, parse_secrets

BASE = "base"
BLUE = "blue"
GREEN = "green"
COLOURS = (BLUE, GREEN)
PARTS = (BASE, *COLOURS)  # in the order they are brought up
BASE_COMPOSE = "base/compose.yaml"
BASE64 = "base64"  # how a file that is no text comes here
SERVICES_COMPOSE = "services/compose.yaml"  # one file for both colours; what differs comes from variables


@dataclass(frozen=True)
class Health:
    """How long a unit may take, in seconds, and the paths that say it is alive and ready.

    :param live_within: seconds until the path ``live`` answers; none: the budget.
    :param ready_within: seconds from then until it is ready; none: what is left of the budget.
    """

    path: str | None = None
    live: str | None = None
    live_within: float | None = None
    ready_within: float | None = None
    interval: float = 5.0
    timeout: float = 5.0
    retries: int = 12
    start_period: float = 0.0

    @property
    def budget(self) -> float:
        """The longest a healthy start takes."""
        return self.start_period + self.retries * max(self.interval, self.timeout)


@dataclass(frozen=True)
class Drain:
    """How a container that is replaced comes to its end. ``timeout`` in seconds, for its requests to be answered."""

    timeout: float = 30.0
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReleasePolicy:
    """How releases of the stack are made: the section ``release`` of its model.

    ``keep_warm``: the services behind the edge that served before run on until the next release. ``probation``: how
    long a release is watched, and what it may do meanwhile.
    """

    keep_warm: bool = False
    probation: Thresholds = field(default_factory=Thresholds)
    hooks: tuple[Hook, ...] = ()
    backup: BackupPolicy = field(default_factory=BackupPolicy)


@dataclass(frozen=True)
class Unit:
    """One container of the stack: a component in the base project or a replica of a service in a colour.

    ``name`` is what Compose calls it. Everything that replicas share goes by ``service``: their name in networks, their
    secrets, configuration and images, their upstream.
    """

    name: str
    service: str
    part: str  # base, or the colour
    stack: str
    image: str
    uid: int
    gid: int
    port: int | None = None  # inside the container
    ports: Mapping[str, int] = field(default_factory=dict)  # colour -> port on the host's loopback
    published: bool = False  # has ports of the host besides, which only one container can have
    data: Path | None = None
    secrets: tuple[str, ...] = ()
    models: tuple[tuple[str, str, str], ...] = ()  # name, version, directory on the host
    routes: tuple[str, ...] = ()
    health: Health = field(default_factory=Health)
    drain: Drain = field(default_factory=Drain)
    grace: float = 30.0  # seconds between the stop signal and the kill
    depends_on: tuple[str, ...] = ()
    migrate: Migration | None = None
    backup: Backup | None = None

    @property
    def project(self) -> str:
        return f"{self.stack}-{self.part}"

    @property
    def host_port(self) -> int | None:
        """Where the edge reaches it."""
        return self.ports.get(self.part)

    @property
    def container(self) -> str:
        """The name Compose gives it."""
        return f"{self.project}-{self.name}-1"

    @property
    def url(self) -> str | None:
        """Where the host asks whether it is ready."""
        return self._at(self.health.path)

    @property
    def live_url(self) -> str | None:
        """Where the host asks whether it is alive, which it is before it is ready."""
        return self._at(self.health.live)

    def _at(self, path: str | None) -> str | None:
        return f"http://127.0.0.1:{self.host_port}{path}" if path and self.host_port else None

    @property
    def first(self) -> bool:
        """Whether it is the first replica: what is done once for a service is done with this one."""
        return self.name == self.service


@dataclass(frozen=True)
class Desired:
    """One wanted state of a stack.

    :param spares: replicas that the files have a block for and that are not wanted now.
    """

    name: str
    layout: Layout
    files: Mapping[str, bytes]
    units: tuple[Unit, ...]
    models: Mapping[str, Mapping[str, Any]]  # name -> {version, digest}
    secrets: tuple[SecretSpec, ...]
    domain: str = ""
    https_port: int = 443
    access_log: Path = Path("/var/log/nginx/access.log")  # the edge's, of requests to this stack
    policy: ReleasePolicy = field(default_factory=ReleasePolicy)
    model: Mapping[str, Any] = field(default_factory=dict, repr=False)  # what a release reads of the stack model
    spares: tuple[Unit, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that have containers, in the order they are brought up."""
        used = {unit.part for unit in self.units}
        return tuple(part for part in PARTS if part in used)

    @property
    def images(self) -> dict[str, str]:
        return {unit.service: unit.image for unit in self.units}

    @property
    def replicas(self) -> dict[str, int]:
        """How many containers each service has."""
        found = [unit.service for unit in self.units if unit.part != BASE]
        return {name: found.count(name) for name in found}

    @property
    def upstream_ports(self) -> dict[str, list[int]]:
        """Where the edge reaches the replicas of each service, in their colours."""
        return by_service((unit.service, unit.host_port) for unit in self.units)

    def project(self, part: str) -> str:
        return f"{self.name}-{part}"

    def of(self, part: str) -> tuple[Unit, ...]:
        return tuple(unit for unit in self.units if unit.part == part)

    def blocks(self, *, base: bool) -> set[str]:
        """Names that the compose file of the components, or of the services, has a block for."""
        return {unit.name for unit in (*self.units, *self.spares) if (unit.part == BASE) == base}

    def config_files(self, unit: Unit) -> dict[str, bytes]:
        """The configuration files of a unit, by their path below its configuration directory."""
        prefix = f"{'base' if unit.part == BASE else 'services'}/config/{unit.service}/"
        return {dest[len(prefix) :]: text for dest, text in self.files.items() if dest.startswith(prefix)}

    def config_dir(self, unit: Unit) -> Path | None:
        """Named by content, so that a release which does not change it does not restart the container."""
        files = self.config_files(unit)
        if not files:
            return None
        return self.layout.config / unit.service / digest({name: sha256(text) for name, text in files.items()})[:16]

    def models_version(self, unit: Unit) -> str:
        """Another one for other bytes, also below the same version."""
        return digest({name: self.models.get(name) for name, _version, _dir in unit.models})[:16]

    def secrets_dir(self, unit: Unit, versions: Mapping[str, str]) -> Path:
        """Named by version, so that a container which is started again reads the values it was made with."""
        return self.layout.secrets / unit.service / versions.get(unit.service, "")

    def network(self, part: str) -> str:
        """The network of a colour's own names."""
        return f"{self.name}-{part}"

    def variables(self, part: str, versions: Mapping[str, str]) -> dict[str, str]:
        """What a compose file takes from the host: where things lie, and what has to restart whom.

        A colour's file names all services, also those that run in the other one, and all their possible replicas.

        :param versions: service -> the version of its secrets.
        """
        values = {"COLOUR": part, "NETWORK": self.network(part)} if part != BASE else {}
        for unit in (*self.units, *self.spares):
            if (unit.part == BASE) != (part == BASE):
                continue
            if part in unit.ports:
                values[f"PORT_{variable(unit.name)}"] = str(unit.ports[part])
            config, name = self.config_dir(unit), variable(unit.service)
            if config is not None:
                values[f"CONFIG_{name}"] = str(config)
            values[f"SECRETS_{name}"] = versions.get(unit.service, "none")
            values[f"SECRETS_DIR_{name}"] = str(self.secrets_dir(unit, versions))
            values[f"MODELS_{name}"] = self.models_version(unit)
        return values

    def hash(self, fingerprints: Mapping[str, str]) -> str:
        """Equal for two runs that want the same."""
        migrations = {unit.service: unit.migrate.what(unit.image) for unit in self.units if unit.migrate is not None}
        several = {name: count for name, count in self.replicas.items() if count > 1}
        return digest(
            {
                **({"migrations": migrations} if migrations else {}),
                "files": {dest: sha256(text) for dest, text in self.files.items()},
                "images": self.images,
                "models": self.models,
                "secrets": dict(fingerprints),
                **({"replicas": several} if several else {}),
            }
        )


def variable(name: str) -> str:
    """A name in variables of a compose file."""
    return name.upper().replace("-", "_")


def by_service(ports: Iterable[tuple[str, int | None]]) -> dict[str, list[int]]:
    """The ports of each service's replicas, in order; services without one are left out."""
    found: dict[str, list[int]] = {}
    for service, port in ports:
        if port is not None:
            found[service] = sorted([*found.get(service, []), port])
    return found


def compose_file(part: str) -> str:
    """The rendered file that a part's containers come from."""
    return BASE_COMPOSE if part == BASE else SERVICES_COMPOSE


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest(value: Any) -> str:
    """The sha256 of a value's canonical JSON."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("utf-8"))


def parse_desired(stack: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> Desired:
    """Read the stack model (see the filter ``stack_model``) and the rendered files.

    :raises DrydockError: ``invalid_stack`` when they do not fit together.
    """
    return desired_of(stack, _files(files))


def desired_of(stack: Mapping[str, Any], files: Mapping[str, bytes]) -> Desired:
    """The same from files by their path in the release directory.

    :raises DrydockError: ``invalid_stack``.
    """
    try:
        name = str(stack["name"])
        units, spares = _units(stack, name)
        desired = Desired(
            name=name,
            layout=Layout(root=Path(stack["paths"]["root"]), secrets=Path(stack["paths"]["secrets"])),
            files=files,
            units=units,
            models={
                str(model["name"]): {
                    "version": str(model["version"]),
                    "digest": digest({item["path"]: item["checksum"] for item in model["files"]}),
                }
                for model in stack.get("models") or []
            },
            secrets=parse_secrets(stack.get("secrets") or {}),
            domain=str(stack.get("domain") or ""),
            https_port=int((stack.get("edge") or {}).get("https_port") or 443),
            access_log=Path((stack.get("edge") or {}).get("access_log") or f"/var/log/nginx/{name}-access.log"),
            policy=_policy(stack.get("release") or {}),
            model=release_model(stack),
            spares=spares,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DrydockError(
            "invalid_stack",
            f"The stack model cannot be read: {type(error).__name__} {error}. `stack` has to be what the filter "
            "drydock.serving.stack_model returns.",
        ) from error
    missing = [name for name in sorted({compose_file(part) for part in desired.parts}) if name not in desired.files]
    if missing:
        raise DrydockError(
            "invalid_stack", f"The rendered files lack {', '.join(missing)}, which the stack's containers need."
        )
    return desired


def _policy(raw: Mapping[str, Any]) -> ReleasePolicy:
    return ReleasePolicy(
        keep_warm=bool(raw.get("keep_warm")),
        probation=thresholds_from(raw.get("probation") or {}),
        hooks=tuple(parse_hook(item) for item in raw.get("hooks") or ()),
        backup=parse_backup_policy(raw.get("backup")),
    )


def _files(files: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for item in files:
        dest = str(item["dest"])
        parts = Path(dest).parts
        if Path(dest).is_absolute() or ".." in parts or not parts:
            raise DrydockError("invalid_stack", f"files: {dest!r} is not a path inside the release directory.")
        found[dest] = _content(item)
    return found


def _content(item: Mapping[str, Any]) -> bytes:
    content = str(item["content"])
    try:
        return base64.b64decode(content, validate=True) if item.get("encoding") == BASE64 else content.encode("utf-8")
    except ValueError as error:
        raise DrydockError("invalid_stack", f"files: {item['dest']!r} is not {BASE64}: {error}.") from error


def _units(stack: Mapping[str, Any], name: str) -> tuple[tuple[Unit, ...], tuple[Unit, ...]]:
    """What is wanted, and the replicas that there could be besides."""
    found = [_unit(unit, key, BASE, name) for key, unit in sorted((stack.get("components") or {}).items())]
    spares: list[Unit] = []
    for key, raw in sorted((stack.get("services") or {}).items()):
        first = _unit(raw, key, BLUE, name)
        replicas = raw.get("replicas") or {}
        count = int(replicas.get("count") or 1)
        several = range(1, max(count, int(replicas.get("max") or 1)) + 1)
        ports = dict(zip(several, [first.ports, *(replicas.get("ports") or [])]))
        every = [replace(first, name=replica_name(key, n), ports=dict(ports.get(n, {}))) for n in several]
        found += every[:count]
        spares += every[count:]
    return tuple(found), tuple(spares)


def _unit(raw: Mapping[str, Any], key: str, part: str, stack: str) -> Unit:
    uid, _colon, gid = str(raw["user"]).partition(":")
    health, drain = raw.get("health") or {}, raw.get("drain") or {}
    return Unit(
        name=key,
        service=key,
        part=part,
        stack=stack,
        image=str(raw["image"]),
        uid=int(uid),
        gid=int(gid or uid),
        port=raw.get("port"),
        ports={colour: int(port) for colour, port in (raw.get("host_ports") or {}).items()},
        published=bool(raw.get("publish")),
        data=Path(raw["data"]) if raw.get("data") else None,
        secrets=tuple(sorted(raw.get("secrets") or [])),
        models=tuple(
            (str(item["name"]), str(item["version"]), str(item["source"])) for item in raw.get("models") or []
        ),
        routes=tuple(raw.get("routes") or ()),
        drain=Drain(timeout=float(drain.get("timeout", 30.0)), command=tuple(drain.get("command") or ())),
        grace=float(raw.get("stop_grace_period") or 30.0),
        depends_on=tuple(raw.get("depends_on") or ()),
        migrate=parse_migration(raw.get("migrate")),
        backup=parse_backup(raw.get("backup")),
        health=Health(
            path=health.get("path"),
            live=health.get("live"),
            live_within=(health.get("phases") or {}).get("live"),
            ready_within=(health.get("phases") or {}).get("ready"),
            **{
                key: health[key]
                for key in ("interval", "timeout", "retries", "start_period")
                if health.get(key) is not None
            },
        ),
    )
