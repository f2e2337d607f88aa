# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a release as a process of its own, on this machine's engine; it may kill itself at one of its steps.

``python -m tests.integration.kill_run`` with the settings as JSON. That a run tells which step it is at is how its
lease is kept; there is nothing in the collection that a test could trigger.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired, parse_desired
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._release.run import run
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import caller
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.booting import boot, shut_down
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

NAME = "drydock-test-kills"
MIGRATES = "migrates"  # a release of this label has a migration, which never ends by itself
ME = {"uid": os.getuid(), "gid": os.getgid()}
ENTRY = """\
  {name}:
    image: {image}
    command: [api]
    init: true
    restart: unless-stopped
    stop_grace_period: 5s
    environment: {{"ECHO_RELEASE": "{label}"}}
    labels: {{drydock.stack: {stack}, drydock.secrets: "${{SECRETS_{variable}:?}}"}}
    logging: {{driver: json-file, options: {{max-size: 10m, max-file: "5"}}}}
    networks: [{networks}]
"""
NETWORKS = """\
networks:
  blue: {{name: {stack}-blue, external: true}}
  green: {{name: {stack}-green, external: true}}
"""


def desired(place: Path, image: str, label: str, ports: dict[str, int]) -> Desired:
    """A service with ports on the loopback and a component; both take a secret."""
    user = f"{os.getuid()}:{os.getgid()}"
    common = {"image": image, "user": user, "secrets": ["token"], "stop_grace_period": 5}
    migrate = {"command": ["api"], "timeout": 4}
    patience = {"interval": 1, "timeout": 3, "retries": 20, "start_period": 20}
    stack = {
        "name": NAME,
        "paths": {"root": str(place / "opt"), "secrets": str(place / "etc" / "secrets")},
        "components": {"store": {**common, "health": {}}},
        "services": {
            "api": {
                **common,
                "port": 8000,
                "host_ports": ports,
                "routes": ["/"],
                "depends_on": ["store"],
                "health": {"path": "/health/ready", **patience},
                "drain": {"timeout": 2},
                "migrate": migrate if label == MIGRATES else None,
            }
        },
        "secrets": {"token": {"length": 32, "consumers": [{"service": name, **ME} for name in ("store", "api")]}},
        "models": [],
    }
    values = {"image": image, "stack": NAME}
    base = ENTRY.format(name="store", variable="STORE", label="store", networks="blue, green", **values)
    api = ENTRY.format(name="api", variable="API", label=label, networks="default", **values)
    api += '    ports: ["127.0.0.1:${PORT_API:?}:8000"]\n'
    own = 'networks:\n  default: {name: "${NETWORK:?}", external: true}\n'
    files = [
        {"dest": "base/compose.yaml", "content": f"services:\n{base}{NETWORKS.format(stack=NAME)}"},
        {"dest": "services/compose.yaml", "content": f"services:\n{api}{own}"},
    ]
    return parse_desired(stack, files)


def main(settings: dict[str, Any]) -> dict[str, Any]:
    """Release, start or stop; what came of it."""
    wanted = desired(Path(settings["place"]), settings["image"], settings["label"], settings["ports"])
    host = caller.this_host()
    if settings["what"] in ("start", "stop"):
        said: list[str] = []
        (boot if settings["what"] == "start" else shut_down)(Stack(NAME, wanted.layout, "0"), host, say=said.append)
        return {"said": said}

    def on_step(step: str) -> None:
        if step == settings["at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    options = Options(
        identity="", stamp=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), started=caller.now(), actor="test", reserve=1
    )
    result = empty_result()
    given = {"token": f"secret-of-{settings['label']}"}
    try:
        run(
            wanted,
            given,
            options,
            replace(host, on_step=on_step),
            check_mode=settings["what"] == "check",
            result=result,
        )
    except DrydockError as error:
        result["failure"] = {"kind": error.kind, "message": error.message}
    return {key: result.get(key) for key in ("changed", "kind", "actions", "failure")}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))) + "\n")
