# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exemptions from the format policy that have ended: nothing new comes under them, and what is there is told of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import check
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import SetPlan


def judge_exemptions(sets: Iterable[SetPlan], *, today: date) -> tuple[str, ...]:
    """Warnings for files that are in place under an exemption that has ended.

    :raises DrydockError: kind ``format_refused``: such a file would come into a set now.
    """
    notices = []
    for item in sets:
        ended = {sha256 for sha256, exemption in item.model.policy.exempt.items() if exemption.until < today}
        for file in item.files if ended else ():
            if file.spec.sha256 not in ended:
                continue
            what = f"{item.model.name} {item.model.version}: {file.spec.path}"
            if file.state != "unchanged":
                check(item.model.policy, file.spec.sha256, today, name=what)
            exemption = item.model.policy.exempt[file.spec.sha256]
            notices.append(
                f"{what} stays in place, but its exemption from the format policy ended on {exemption.until} (reason: "
                f"{exemption.reason}). Next step: replace the file by one of a safe format, or give a later 'until'; "
                "once lost, it would not be fetched again."
            )
    return tuple(notices)
