# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this host to be sent requests by the balancers in front of it? A file that nginx looks for at every question.

While it is there, the edge answers 503 on ``/-/ready``, and everything else as ever. A release takes its host out of
service and puts it back; a file that anybody else has put there stays.
"""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout

MODE = 0o644  # nginx's own user looks


def out_of_service(layout: Layout) -> dict[str, Any] | None:
    """Since when and why, as far as the file tells; None when the host is in service."""
    try:
        note = json.loads(layout.out_of_service.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def by_release(note: dict[str, Any] | None) -> bool:
    """Whether a release took the host out of service, and not a person."""
    return bool(note and note.get("release"))


def leave(layout: Layout, *, release: str, since: str, actor: str) -> bool:
    """Take the host out of service; false when it is out of service already."""
    if out_of_service(layout) is not None:
        return False
    write_json(layout.out_of_service, {"release": release, "since": since, "actor": actor}, mode=MODE)
    return True


def enter(layout: Layout) -> None:
    """Put the host back, when a release took it out."""
    if by_release(out_of_service(layout)):
        layout.out_of_service.unlink(missing_ok=True)
