# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at the path by which a service says that it is ready."""

from __future__ import annotations

from urllib.parse import urlsplit

TIMEOUT = 2.0  # seconds; it is on this host


def is_ready(url: str) -> bool:
    """Whether the path answers 200 now, as a release wants it. Asked directly, by no proxy."""
    import http.client  # noqa: PLC0415 - few runs ask, and it brings much with it

    connection = None
    try:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
        connection.request("GET", address.path or "/")
        return connection.getresponse().status == 200
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        if connection is not None:
            connection.close()
