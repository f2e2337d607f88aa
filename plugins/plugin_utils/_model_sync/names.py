# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of model_sync is needed before any host is asked."""

from __future__ import annotations

FOLDER = "drydock-model-sync"
FAREWELL = (
    "The download of models goes on by itself on {hosts}. Run again to see how far it is; what is there by then is not "
    "fetched again."
)
