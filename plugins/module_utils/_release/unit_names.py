# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd knows the units of a stack by."""

from __future__ import annotations


def probation_unit(stack: str) -> str:
    """Watches a release that is on probation."""
    return f"{stack}-probation.service"
