# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the data of the components that serve, under the lease that releases take."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import backups, log
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.record import current_record
from ansible_collections.drydock.serving.plugins.module_utils._release.restore import desired_from
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.lines import working
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

RESERVE = 512 * 1024 * 1024  # bytes, as a release leaves them free
MIB = 1024 * 1024


@dataclass(frozen=True)
class Order:
    """For whom and why."""

    actor: str
    where: str
    reason: str = ""


def back_up(stack: Stack, order: Order, host: Host, *, say: Callable[[str], None], warn: Callable[[str], None]) -> Path:
    """Make a backup; where it is.

    :raises DrydockError: ``not_permitted``, ``not_released``, ``locked``, ``no_backup``, ``backup_failed``,
        ``no_space``, ``state_unreadable``, and the kinds of ``desired_from``.
    """
    _require(stack)
    owner = {
        "actor": order.actor,
        "host": order.where,
        "since": host.now(),
        "reason": order.reason,
        "doing": "back up",
    }
    with lease(stack.layout, owner) as held, host.progress.shown(stack.layout.job, {}):
        record = current_record(stack.layout)
        if record is None:
            raise _not_released(stack)
        desired = desired_from(stack.layout, record.identity)
        chosen = backups.sources(desired, record)
        if not chosen:
            raise DrydockError("no_backup", f"The release {record.identity} has no component with data to copy.")
        about = backups.About(
            stack=stack.name, serving=record.identity, coming=None, actor=order.actor, reason=order.reason
        )
        with _logged(stack, order, host, warn):
            store = backups.Backups(
                stack.layout,
                host.programs,
                now=host.now,
                clock=host.clock,
                reserve=RESERVE,
                tell=working(say, held, host.progress),
            )
            return store.make(chosen, about, desired.policy.backup)


@contextlib.contextmanager
def _logged(stack: Stack, order: Order, host: Host, warn: Callable[[str], None]) -> Iterator[None]:
    """Write down how what is done inside ended."""
    begun = host.clock()
    failure: dict[str, Any] | None = {"kind": "bug", "step": None, "evidence": None}
    try:
        yield
        failure = None
    except DrydockError as error:
        failure = {"kind": error.kind, "step": None, "evidence": None}
        raise
    except OSError:
        failure = {"kind": "host_failed", "step": None, "evidence": None}
        raise
    except KeyboardInterrupt:
        failure = {"kind": "interrupted", "step": None, "evidence": None}
        raise
    finally:
        entry = log.note_of(
            stack.layout,
            stack=stack.name,
            at=host.now(),
            actor=order.actor,
            reason=order.reason,
            outcome=log.BACKUP_FAILED if failure else log.BACKED_UP,
            duration=round(host.clock() - begun, 2),
            failure=failure,
        )
        log.append_or_warn(stack.layout, entry, warn)


def _require(stack: Stack) -> None:
    if stack.layout.state.is_dir() and not os.access(stack.layout.state, os.W_OK):
        raise _not_permitted(stack)
    if not (stack.layout.current.is_symlink() and stack.layout.state.is_dir()):
        raise _not_released(stack)


def _not_permitted(stack: Stack) -> DrydockError:
    return DrydockError(
        "not_permitted", f"Only root may see the data of the stack. Run it as root: `sudo {stack.name} backup …`."
    )


def _not_released(stack: Stack) -> DrydockError:
    return DrydockError(
        "not_released", f"Nothing serves here: {stack.layout.current} is not there. Nothing was copied."
    )


def all_backups(stack: Stack) -> list[dict[str, Any]]:
    """The manifests of all backups, newest first.

    :raises DrydockError: ``not_permitted``.
    """
    if stack.layout.backups.is_dir() and not os.access(stack.layout.backups, os.R_OK | os.X_OK):
        raise _not_permitted(stack)
    return backups.read_all(stack.layout)


def lines(stack: Stack, found: list[dict[str, Any]]) -> list[str]:
    """Them for people."""
    if not found:
        return ["There are no backups on this host."]
    return [f"{stack.layout.backups / str(item['id'])}  {_told(item)}" for item in found]


def _told(item: Mapping[str, Any]) -> str:
    files = ", ".join(f"{name} {part['size'] / MIB:.1f} MiB" for name, part in sorted(item["components"].items()))
    why = f", {item['reason']}" if item.get("reason") else ""
    before = f", before {item['before']}" if item.get("before") else ""
    return f"{files}; by {item.get('actor')}{before}{why}"
