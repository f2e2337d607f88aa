# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving up a release that was made ready and that nobody will switch, since another host's is not ready."""

from __future__ import annotations

from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.prepared import (
    Owner,
    Prepared,
    read_prepared,
    refuse_waiting,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.record import current_record
from ansible_collections.drydock.serving.plugins.module_utils._release.run import log_of, owner_of
from ansible_collections.drydock.serving.plugins.module_utils._release.together import give_up
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._release.trouble import host_error


def abandon(
    stack: str, layout: Layout, options: Options, host: Host, *, check_mode: bool, result: dict[str, Any]
) -> None:
    """Give up the release that this owner, or anybody before its time was over, made ready here; nothing when none is.

    :param options: ``prepared`` names it, when only that one is meant.
    :raises DrydockError: ``prepared``, ``locked``, and what keeps what served from being brought back.
    """
    try:
        _abandon(stack, layout, options, host, check_mode=check_mode, result=result)
    except OSError as error:
        raise host_error(error, "give up") from error


def _abandon(
    stack: str, layout: Layout, options: Options, host: Host, *, check_mode: bool, result: dict[str, Any]
) -> None:
    current = current_record(layout)
    serving = current.identity if current else None
    directory = str(layout.release(serving)) if serving else None
    result.update(release=serving, previous=serving, directory=directory)
    note = _given_up(layout, options)
    if note is None:
        return
    result.update(changed=True, actions=[f"give up the release {note.release}, which is ready and was not switched"])
    if check_mode:
        return
    with lease(layout, owner_of(options)) as held:
        held.doing(f"give up the release {note.release}")
        note = _given_up(layout, options)
        if note is None:
            result.update(changed=False, actions=[])
            return
        log = log_of(stack, layout, options, host, result)
        log.abandoned(note.release, give_up(stack, layout, note, host, limit=options.wait_timeout))


def _given_up(layout: Layout, options: Options) -> Prepared | None:
    note = read_prepared(layout)
    if note is None or options.prepared not in ("", note.release):
        return None
    return refuse_waiting(layout, Owner(options.actor, options.controller))
