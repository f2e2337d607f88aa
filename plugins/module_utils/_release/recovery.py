# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run does about one that died before it: finish what was proven, tidy away the rest.

Containers are not touched here. After this the host's files are those of one recorded release, and the edge leads to
it; the plan that is made next sees containers that differ from it and brings them to the wanted one.
"""

from __future__ import annotations

import shutil

from ansible_collections.drydock.serving.plugins.module_utils._atomic import STAGING_PREFIX, replace_symlink
from ansible_collections.drydock.serving.plugins.module_utils._release import registry_auth
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import Edge, led_to
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.prepared import (
    Owner,
    forget_prepared,
    refuse_waiting,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import remove_unrecorded
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    clear_journal,
    current_record,
    read_journal,
    read_record,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import order_named
from ansible_collections.drydock.serving.plugins.module_utils._secrets import forget_undo, restore_secrets


def recover(layout: Layout, edge: Edge, owner: Owner | None = None) -> list[str]:
    """Settle an unfinished release; what was done, in words. Call it while holding the lease.

    :param owner: who runs; they may undo what they made ready themselves and have not switched.
    :raises DrydockError: ``prepared``, when somebody else's release waits to be switched; ``edge_invalid``,
        ``edge_failed``: the journal stays, and all containers run on.
    """
    registry_auth.forget(layout.registry_auth)
    _sweep(layout)
    journal = read_journal(layout)
    if journal is None:
        return []
    waiting = refuse_waiting(layout, owner)
    order = order_named(journal.order)
    folder = layout.release(journal.release)
    if journal.release and order.proven(journal.step) and read_record(folder) is not None:
        replace_symlink(layout.current, f"releases/{journal.release}")
        forget_undo(layout.secrets)
        clear_journal(layout)
        return [f"finished the release {journal.release}, interrupted at {journal.step}"]
    current = current_record(layout)
    if current is not None and (order.switching(journal.step) or not order.knows(journal.step)):
        edge.lead(led_to(current))
    restored = restore_secrets(layout.secrets)
    if journal.release and (current is None or current.identity != journal.release):
        shutil.rmtree(folder, ignore_errors=True)
    remove_unrecorded(layout)
    forget_prepared(layout)
    clear_journal(layout)
    said = f"undid the release {journal.release or '(unknown)'}, interrupted at {journal.step or '(unknown)'}"
    if waiting is not None:
        said = f"undid the release {waiting.release}, ready since {waiting.since} and not switched by {waiting.actor}"
    return [f"{said}, and put back {restored} secret files" if restored else said]


def _sweep(layout: Layout) -> None:
    """What a kill in the middle of a write has left beside the file, secrets too. Data of components are not ours."""
    flat = (layout.root, layout.state, layout.upstreams.parent)
    deep = (layout.releases, layout.config, layout.failures, layout.secrets)
    left = [path for folder in flat for path in folder.glob(f"{STAGING_PREFIX}*")]
    left += [path for folder in deep for path in folder.rglob(f"{STAGING_PREFIX}*")]
    for path in left:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
