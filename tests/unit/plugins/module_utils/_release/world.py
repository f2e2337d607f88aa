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
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired, parse_desired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record, current_record
from ansible_collections.drydock.serving.plugins.module_utils._release.run import Host, empty_result, run
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import Waiter

from tests.unit.plugins.module_utils._health.fakes import FakeClock, InlinePool
from tests.unit.plugins.module_utils._release.fake_docker import FakeDocker

USER = f"{os.getuid()}:{os.getgid()}"
ME = {"uid": os.getuid(), "gid": os.getgid()}


class World:
    """Everything a test of releases needs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.docker = FakeDocker()
        self.docker.images = {"db:1", "api:1"}
        self.docker.registry = {"api:2"}
        self.clock = FakeClock()
        self.number = 0
        self.stack = self._stack()
        self.given: dict[str, str] = {}
        self.result: dict[str, Any] = {}
        (place / "models" / "ocr" / "4.0").mkdir(parents=True)

    def _stack(self) -> dict[str, Any]:
        return {
            "name": "demo",
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

    def desired(self, stack: Mapping[str, Any]) -> Desired:
        files = [{"dest": "base/config/db/db.conf", "content": str(stack.get("db_config", "x = 1"))}]
        for part, units in (("base", stack["components"]), ("blue", stack["services"])):
            services = {}
            for name, unit in units.items():
                services[name] = {
                    "image": unit["image"],
                    "environment": unit.get("environment", {}),
                    "labels": [f"${{SECRETS_{name.upper()}:?}}", f"${{MODELS_{name.upper()}:?}}"],
                }
                if name == "db":
                    services[name]["volumes"] = ["${CONFIG_DB:?}"]
            files.append({"dest": f"{part}/compose.yaml", "content": json.dumps({"services": services})})
        return parse_desired(stack, files)

    def host(self, on_step: Callable[[str], None] | None = None) -> Host:
        engine = Engine(self.docker, sleep=lambda _seconds: None)
        waiter = Waiter(engine, clock=self.clock, make_pool=lambda _workers: InlinePool(self.clock))
        return Host(
            runner=self.docker,
            engine=engine,
            waiter=waiter,
            now=lambda: "2026-11-21T04:15:00Z",
            clock=self.clock,
            on_step=on_step,
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
                actor="op@ctl",
                **{"reserve": 1, **options},
            ),
            self.host(on_step),
            check_mode=check,
            result=self.result,
        )
        return self.result

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

    def serving(self) -> dict[str, str]:
        """The images of the containers that run."""
        return {name: item.image for (_p, name), item in self.docker.containers.items() if item.state == "running"}

    def leftovers(self) -> list[str]:
        """What an unfinished release leaves and a finished one must not."""
        found = [path.name for path in self.root.glob("releases/*.staging")]
        found += [path.name for path in self.root.glob("releases/*") if not (path / "release.json").is_file()]
        found += [path.name for path in self._temporary() if path.exists()]
        return found + [path.name for path in self.root.rglob(".drydock-*")]

    def _temporary(self) -> list[Path]:
        state = self.root / "state"
        return [state / "journal.json", state / "registry-auth", state / "lease.json", self.secrets / ".undo"]
