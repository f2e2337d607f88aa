# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with an answer. The kinds are a closed list, so that two reports can be compared."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

KINDS: Final = {
    "connect": "no connection, or it was refused",
    "tls": "no TLS session, or a certificate that is not trusted",
    "timeout": "not in time",
    "closed": "the connection ended before an answer",
    "cut": "the connection ended within the answer",
    "status": "another status than expected; counted as 'status 502' and so on",
    "protocol": "an answer that is no HTTP or no websocket as it should be",
    "body": "an answer that does not belong to what was asked",
    "release": "a right answer, by a release that must not serve",
    "message": "a websocket message without its answer",
    "busy": "not sent: as many requests as may be are waiting for answers",
    "task lost": "a task that was accepted and never done",
    "task twice": "a task that was done more than once",
}


class Failed(Exception):  # noqa: N818 - it is counted, not handled: a request that failed
    """A request that did not get its right answer."""

    def __init__(self, kind: str, detail: str = "") -> None:
        if kind.split(" ", maxsplit=1)[0] != "status" and kind not in KINDS:
            raise ValueError(f"{kind!r} is no kind of failure")
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class ClosedUnusedError(Failed):
    """A connection that was kept alive ended before the first byte of an answer.

    RFC 9112, 9.3.1: a server may close such a connection at any time, also while a request is on its way, and a client
    that knows the request to be safe to repeat sends it again on a new one. Every client library does.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("closed", detail)


def failure_of(error: BaseException, *, within: bool = False) -> Failed:
    """What an exception of the network means for a request.

    :param within: whether a part of the answer had come.
    """
    if isinstance(error, Failed):
        return error
    if isinstance(error, TimeoutError):
        return Failed("timeout", str(error))
    if isinstance(error, ssl.SSLError):
        return Failed("tls", str(error))
    if isinstance(error, (ConnectionError, asyncio.IncompleteReadError)):
        return Failed("cut" if within else "closed", str(error))
    if isinstance(error, OSError):
        return Failed("connect", str(error))
    return Failed("protocol", f"{type(error).__name__}: {error}")
