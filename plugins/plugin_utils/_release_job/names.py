# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a release is needed before any host is asked."""

from __future__ import annotations

FOLDER = "drydock-release"
FAREWELL = "The release goes on by itself on {hosts}, to its end or its way back. Run again to follow it there."
