# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with an engine in memory and a stack of one component and one service, for tests of releases."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.http import judge
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, Observation
from ansible_collections.drydock.serving.plugins.module_utils._release.abandon import abandon
from ansible_collections.drydock.serving.plugins.module_utils._release.at_once import in_turn
from ansible_collections.drydock.serving.plugins.module_utils._release.back import Way, go_back
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired, parse_desired, variable
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Clocks
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record, current_record
from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import replica_name, settle
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._release.run import run
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import Waiter
from ansible_collections.drydock.serving.plugins.module_utils._release.warm import read_warm
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.golden import golden_files

from tests.unit.plugins.module_utils._health.fakes import FakeClock, InlinePool
from tests.unit.plugins.module_utils._release.fake_docker import FakeDocker, Nginx
from tests.unit.plugins.module_utils._release.fake_programs import FakePrograms

USER = f"{os.getuid()}:{os.getgid()}"
ME = {"uid": os.getuid(), "gid": os.getgid()}


GOLDEN = {
    "path": "/v1/read",
    "method": "POST",
    "body": {"page": 1},
    "headers": {},
    "status": [200],
    "json": {"text": "INVOICE"},
    "timeout": 30,
    "attempts": 3,
}


def _nobody(_path: str) -> tuple[int, str]:
    raise AssertionError("there is no edge to ask")


def _service(name: str, number: int, unit: Mapping[str, Any], part: str) -> dict[str, Any]:
    """A block of the Compose file, with the variables that the real ones have."""
    service = {
        "image": unit["image"],
        "environment": unit.get("environment", {}),
        "labels": [f"${{SECRETS_{name.upper()}:?}}", f"${{MODELS_{name.upper()}:?}}"],
        "networks": ["demo-blue", "demo-green"] if part == "base" else ["${NETWORK:?}"],
    }
    if name == "db":
        service["volumes"] = ["${CONFIG_DB:?}"]
    if unit.get("host_ports"):
        service["ports"] = [f"${{PORT_{variable(replica_name(name, number))}:?}}"]
    return service


class World:
    """Everything a test of releases needs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.docker = FakeDocker()
        self.docker.images = {"db:1", "api:1"}
        self.docker.registry = {"api:2"}
        self.programs = FakePrograms(self.docker)
        self.clock = FakeClock()
        self.number = 0
        self.stack = self._stack()
        self.given: dict[str, str] = {}
        self.result: dict[str, Any] = {}
        self.answers: list[tuple[int, bytes]] = [(200, b'{"text": "INVOICE"}')]  # to golden requests
        self.asked: list[HttpSpec] = []
        self.boot = "first boot"
        self.meanwhile: Callable[[], None] = lambda: None  # what happens on the host while somebody sleeps
        self.time = "2026-11-21T04:15:00Z"
        self.unready: set[str] = set()  # addresses that do not say that they are ready
        (place / "models" / "ocr" / "4.0").mkdir(parents=True)

    def _stack(self) -> dict[str, Any]:
        return {
            "name": "demo",
            "edge": {"access_log": str(self.place / "access.log")},
            "paths": {"root": str(self.place / "opt"), "secrets": str(self.place / "etc" / "secrets")},
            "components": {
                "db": {
                    "image": "db:1",
                    "user": USER,
                    "data": str(self.place / "opt" / "data" / "db"),
                    "secrets": ["db_password"],
                    "health": {"command": ["true"]},
                }
            },
            "services": {
                "api": {
                    "image": "api:1",
                    "user": USER,
                    "port": 8000,
                    "host_ports": {"blue": 18001, "green": 18501},
                    "routes": ["/"],
                    "secrets": ["db_password"],
                    "models": [{"name": "ocr", "version": "4.0", "source": str(self.place / "models" / "ocr" / "4.0")}],
                    "health": {"command": ["true"], "start_period": 5, "retries": 2, "interval": 1, "timeout": 1},
                }
            },
            "secrets": {
                "db_password": {"length": 32, "consumers": [{"service": "db", **ME}, {"service": "api", **ME}]}
            },
            "models": [{"name": "ocr", "version": "4.0", "files": [{"path": "a", "checksum": "sha256:aa"}]}],
        }

    def with_api(self, **changes: Any) -> dict[str, Any]:
        """The same stack with something else about the service."""
        stack = copy.deepcopy(self.stack)
        stack["services"]["api"].update(changes)
        return stack

    def with_replicas(self, count: int | str, *, most: int = 4, **changes: Any) -> dict[str, Any]:
        """The same stack with several containers of the service."""
        ports = [{"blue": 19000 + number, "green": 19500 + number} for number in range(2, most + 1)]
        return self.with_api(replicas={"count": count, "max": most, "ports": ports}, **changes)

    def desired(self, stack: Mapping[str, Any]) -> Desired:
        files = [{"dest": "base/config/db/db.conf", "content": str(stack.get("db_config", "x = 1"))}]
        for part, units in (("base", stack["components"]), ("services", stack["services"])):
            lines = ["services:"]
            for name, unit in units.items():
                for number in range(1, unit.get("replicas", {"max": 1})["max"] + 1):
                    service = _service(name, number, unit, part)
                    lines.append(f"  {replica_name(name, number)}:")
                    lines += [f"    {key}: {json.dumps(value)}" for key, value in service.items()]
            files.append(
                {"dest": f"{part}/compose.yaml", "content": "\n".join(lines) if len(lines) > 1 else "services: {}"}
            )
        return parse_desired(settle(stack, count=1), [*files, *golden_files(stack["services"])])

    def probe(self, spec: HttpSpec, _timeout: float, keep: Callable[[bytes], None]) -> Observation:
        """A golden request, answered as the test has it in turn; the last answer again."""
        self.asked.append(spec)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        keep(body)
        return judge(spec, status=status, body=body, elapsed=0.1)

    def with_golden(self, **changes: Any) -> dict[str, Any]:
        """The same stack, whose service has a golden request."""
        health = {**self.stack["services"]["api"]["health"], "golden": GOLDEN}
        return self.with_api(health=health, **changes)

    def _sleep(self, seconds: float) -> None:
        self.clock.now += seconds
        self.meanwhile()

    def clocks(self) -> Clocks:
        return Clocks(wall=lambda: 1795000000.0 + self.clock(), steady=self.clock, boot=lambda: self.boot)

    def host(self, on_step: Callable[[str], None] | None = None) -> Host:
        engine = Engine(self.docker, sleep=lambda _seconds: None)
        waiter = Waiter(engine, clock=self.clock, make_pool=lambda _workers: InlinePool(self.clock))
        return Host(
            runner=self.docker,
            engine=engine,
            waiter=waiter,
            now=lambda: self.time,
            clock=self.clock,
            sleep=self._sleep,
            probe=self.probe,
            nginx_log=self.place / "nginx-error.log",
            client=lambda _domain, _port: self.docker.nginx.ask if self.docker.nginx else _nobody,
            ready=lambda url: url not in self.unready,
            proc=self.place / "proc",
            clocks=self.clocks(),
            on_step=on_step,
            programs=self.programs,
            at_once=in_turn,  # a test that ends a run at some call has to find the same one each time
        )

    def release(
        self,
        stack: Mapping[str, Any] | None = None,
        *,
        check: bool = False,
        on_step: Callable[[str], None] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Run once; the result is kept also when it fails."""
        self.number += 1
        self.result = empty_result()
        run(
            self.desired(stack or self.stack),
            self.given,
            Options(
                identity=f"r{self.number:03}",
                started="2026-11-21T04:15:00Z",
                **{"reserve": 1, "actor": "op@ctl", **options},
            ),
            self.host(on_step),
            check_mode=check,
            result=self.result,
        )
        return self.result

    def make_ready(self, stack: Mapping[str, Any], **options: Any) -> str:
        """Run up to the switch; the release that waits there."""
        found = self.release(stack, until="ready", **options)["prepared"]
        assert isinstance(found, str)
        return found

    def give_up(self, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """Give up what is ready."""
        self.result = empty_result()
        made = Options(identity="", started="2026-11-21T04:15:00Z", **{"actor": "op@ctl", **options})
        layout = self.desired(self.stack).layout
        abandon("demo", layout, made, self.host(), check_mode=check, result=self.result)
        return self.result

    def back(
        self,
        to: str | None = None,
        *,
        force: bool = False,
        check: bool = False,
        on_step: Callable[[str], None] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Go back once; the result is kept also when it fails."""
        self.number += 1
        self.result = empty_result()
        go_back(
            Layout(root=self.root, secrets=self.secrets),
            Way(to=to, force=force),
            Options(
                identity=f"r{self.number:03}",
                started="2026-11-21T04:15:00Z",
                actor="op@host",
                **{"reserve": 1, **options},
            ),
            self.host(on_step),
            check_mode=check,
            result=self.result,
        )
        return self.result

    def not_back(self, to: str | None = None, **options: Any) -> DrydockError:
        """Try to go back once and expect a failure."""
        try:
            self.back(to, **options)
        except DrydockError as error:
            return error
        raise AssertionError("it went back")

    def kept(self) -> set[str]:
        """Names of the containers that are noted as kept running."""
        warm = read_warm(Layout(root=self.root, secrets=self.secrets))
        return set(warm.containers) if warm else set()

    def failing(self, stack: Mapping[str, Any] | None = None, **options: Any) -> DrydockError:
        """Run once and expect a failure."""
        try:
            self.release(stack, **options)
        except DrydockError as error:
            return error
        raise AssertionError("the release did not fail")

    @property
    def root(self) -> Path:
        return self.place / "opt"

    @property
    def secrets(self) -> Path:
        return self.place / "etc" / "secrets"

    @property
    def current(self) -> Record:
        record = current_record(self.desired(self.stack).layout)
        assert record is not None
        return record

    def secret_file(self, unit: str) -> Path:
        """Where the recorded container of a unit reads the password."""
        return Path(self.current.containers[unit]["secrets"]) / "db_password"

    def secret(self, unit: str) -> str:
        return self.secret_file(unit).read_text()

    def running(self) -> set[str]:
        """Names of the containers that run."""
        return {f"{p}-{name}-1" for (p, name), item in self.docker.containers.items() if item.state == "running"}

    def named(self) -> set[str]:
        """Containers that are reached under their service's name by what serves."""
        return {f"{p}-{name}-1" for (p, name), item in self.docker.containers.items() if "demo" in item.networks}

    def serving(self) -> dict[str, str]:
        """The images of the containers that run."""
        return {name: item.image for (_p, name), item in self.docker.containers.items() if item.state == "running"}

    def serving_now(self) -> dict[str, str]:
        """The images of the containers that the current release is made of."""
        return {
            name: self.docker.containers[(f"demo-{item['part']}", name)].image
            for name, item in self.current.containers.items()
        }

    def colours(self) -> dict[str, str]:
        """Service -> the colour that the current release has it in."""
        return {name: item["part"] for name, item in self.current.containers.items() if item["part"] != "base"}

    def with_edge(self) -> Nginx:
        """nginx is there and reads what the releases write."""
        self.docker.nginx = Nginx(self.root / "edge" / "upstreams.conf", self.docker)
        return self.docker.nginx

    def with_worker(self, **changes: Any) -> dict[str, Any]:
        """The same stack with a second service, without a port."""
        stack = self.with_api(depends_on=["worker"])
        stack["services"]["worker"] = {
            "image": "api:1",
            "user": USER,
            "secrets": [],
            "health": {"command": ["true"], "start_period": 5, "retries": 2, "interval": 1, "timeout": 1},
            **changes,
        }
        return stack

    def with_backup(self, **policy: Any) -> dict[str, Any]:
        """The same stack with a component that knows how its data are copied."""
        stack = copy.deepcopy(self.stack)
        stack["release"] = {"backup": policy}
        stack["components"]["db"]["backup"] = {
            "command": ["dump"],
            "extension": "dump",
            "verify": ["check"],
            "restore": ["bring {container} {file} {data}"],
        }
        return stack

    def leftovers(self) -> list[str]:
        """What an unfinished release leaves and a finished one must not."""
        found = [path.name for path in self.root.glob("releases/*.staging")]
        found += [path.name for path in self.root.glob("releases/*") if not (path / "release.json").is_file()]
        found += [path.name for path in self.root.glob("backups/*.staging")]
        found += list(self.docker.jobs.there)
        found += [path.name for path in self._temporary() if path.exists()]
        record = current_record(self.desired(self.stack).layout)
        recorded = {item["name"] for item in record.containers.values()} if record else self.running()
        found += [name for name in self.running() if name not in recorded | self.kept()]
        return found + [path.name for path in self.root.rglob(".drydock-*")]

    def _temporary(self) -> list[Path]:
        state = self.root / "state"
        own = [state / name for name in ("journal.json", "registry-auth", "lease.json", "prepared.json", "hook.json")]
        return [*own, self.secrets / ".undo", self.root / "edge" / "out-of-service"]
