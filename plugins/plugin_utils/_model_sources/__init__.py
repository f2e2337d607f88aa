# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources that hosts cannot ask themselves, made into plain https by the controller, which keeps the credentials."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.resolve import (
    needs_controller,
    resolve_models,
)

__all__ = ["needs_controller", "resolve_models"]
