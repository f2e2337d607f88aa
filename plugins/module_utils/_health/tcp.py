# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP attempt."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, TcpSpec
from ansible_collections.drydock.serving.plugins.module_utils._health.wire import begun


def probe_tcp(spec: TcpSpec, timeout: float) -> Observation:
    """Connect and close."""
    accepts = Observation(ok=True, summary="accepts connections")
    attempt = begun(spec.host, spec.port, lambda _wire: None, lambda _wire: accepts, timeout=timeout)
    return attempt if isinstance(attempt, Observation) else attempt.finish()
