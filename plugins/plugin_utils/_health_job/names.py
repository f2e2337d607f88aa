# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of health_poll is needed before any host is asked."""

from __future__ import annotations

FOLDER = "drydock-health-poll"
FAREWELL = "Polling goes on by itself on {hosts} until its time is over, and changes nothing there."
