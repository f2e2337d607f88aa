# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP attempt."""

from __future__ import annotations

import socket

from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, TcpSpec


def probe_tcp(spec: TcpSpec, timeout: float) -> Observation:
    """Connect and close."""
    where = f"{spec.host}:{spec.port}"
    try:
        with socket.create_connection((spec.host, spec.port), timeout=timeout):
            return Observation(ok=True, summary=f"{where} accepts connections")
    except TimeoutError:  # socket.timeout is a name of it since Python 3.10
        return Observation(ok=False, summary=f"{where}: no answer within {timeout:g} s")
    except OSError as error:
        found = "timed out" if isinstance(error, socket.timeout) else (error.strerror or str(error)).lower()
        return Observation(ok=False, summary=f"{where}: {found}")
