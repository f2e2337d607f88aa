# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that the lab reports to a person."""

from __future__ import annotations


class LabError(Exception):
    """Something a person has to act on; the message says what happened and what to do next."""
