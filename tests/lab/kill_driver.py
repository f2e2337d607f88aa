# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a lab host: makes a release by the code that is installed there, and ends something at one of its steps.

Nothing of this is in the collection: ``Host.on_step`` is how a run tells its lease which step it is at.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

NAME = "kills"
sys.path.insert(0, f"/usr/local/bin/{NAME}")

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError  # noqa: E402 - the line above
from ansible_collections.drydock.serving.plugins.module_utils._release import restore, result, run, transaction  # noqa: E402
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout  # noqa: E402
from ansible_collections.drydock.serving.plugins.module_utils._release.record import current_record  # noqa: E402
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import caller  # noqa: E402

LAYOUT = Layout(root=Path(f"/opt/{NAME}"), secrets=Path(f"/etc/{NAME}/secrets"))
REACHED = Path("/var/tmp/kills.reached")  # survives a reboot
COMPOSE = "services/compose.yaml"


def module() -> None:
    """kill -9 of the run itself."""
    os.kill(os.getpid(), signal.SIGKILL)


def engine() -> None:
    """kill -9 of the engine; systemd starts it again while the run goes on, or goes back."""
    subprocess.run(["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "docker.service"], check=True)


def machine() -> None:
    """Wait for the whole host to be killed, from outside."""
    os.kill(os.getpid(), signal.SIGSTOP)


HOW = {"module": module, "engine": engine, "machine": machine}


def main(label: str, how: str = "", at: str = "") -> None:
    """Release the current stack with another label.

    :param label: what its answers carry.
    :param how: what is ended; nothing, or ``check`` for a run that only looks.
    :param at: the step at which it is.
    """
    REACHED.unlink(missing_ok=True)
    record = current_record(LAYOUT)
    assert record is not None
    desired = restore.desired_from(LAYOUT, record.identity)
    text = desired.files[COMPOSE].decode()
    before = text.partition('"ECHO_RELEASE": "')[2].partition('"')[0]
    changed = text.replace(f'"ECHO_RELEASE": "{before}"', f'"ECHO_RELEASE": "{label}"').encode()
    desired = dataclasses.replace(desired, files={**desired.files, COMPOSE: changed})

    def on_step(step: str) -> None:
        if step == at:
            REACHED.write_text(step, encoding="utf-8")
            HOW[how]()

    options = transaction.Options(
        identity="",
        stamp=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        started=caller.now(),
        actor="test",
        reserve=1,
    )
    host = dataclasses.replace(caller.this_host(), on_step=on_step if at else None)
    found = result.empty_result()
    try:
        run.run(desired, {}, options, host, check_mode=how == "check", result=found)
    except DrydockError as error:
        found["failure"] = {"kind": error.kind, "message": error.message}
    told = {key: found.get(key) for key in ("changed", "kind", "actions", "release", "failure")}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
