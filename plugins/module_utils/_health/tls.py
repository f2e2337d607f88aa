# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Contexts for TLS, made once and shared by all attempts, and how long a certificate is still good."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

DAY = 24 * 3600


@functools.lru_cache(maxsize=32)
def context_for(ca_path: str | None, *protocols: str) -> ssl.SSLContext:
    """A context that verifies; reading the authorities takes a hundred times as long as the handshake.

    :param ca_path: a file or directory of certificates to trust instead of the system's.
    :param protocols: what is offered by ALPN, as ``h2``.
    :raises DrydockError: ``invalid_target``: the certificates cannot be read.
    """
    folder = ca_path is not None and Path(ca_path).is_dir()
    try:
        context = ssl.create_default_context(
            cafile=None if folder else ca_path,
            capath=ca_path if folder else None,
        )
    except (OSError, ValueError) as error:
        # ssl.SSLError is an OSError: a file that holds no certificate
        found = "there is no such file" if isinstance(error, FileNotFoundError) else "it holds no PEM certificates"
        found = "it may not be read" if isinstance(error, PermissionError) else found
        raise DrydockError(
            "invalid_target",
            f"ca_path {ca_path} cannot be used: {found}. Expected a file with the PEM certificates to trust, on the "
            "machine the module runs on.",
        ) from error
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def days_left(certificate: Mapping[str, Any] | None, *, now: float) -> int | None:
    """Whole days until a certificate, as ``getpeercert`` gives it, expires; None where it does not say.

    :param now: seconds since the epoch.
    """
    end = (certificate or {}).get("notAfter")
    return None if end is None else int((ssl.cert_time_to_seconds(str(end)) - now) // DAY)


def expiry_mismatch(left: int | None, wanted: int | None) -> list[str]:
    """What is wrong with the days a certificate has left, in words; empty when nothing is."""
    if wanted is None or (left is not None and left >= wanted):
        return []
    return [f"the certificate is good for {left} more days, at least {wanted} are wanted"]
