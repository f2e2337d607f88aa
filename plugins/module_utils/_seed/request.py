# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The little of HTTP/1.1 that a peer speaks: GET without a body, one range, keep-alive (RFC 9110, RFC 9112)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# Bytes of a request line with all headers; a peer's own are a tenth of it.
LONGEST_HEAD = 4096
MOST_HEADERS = 32
_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) (/[!-~]{0,300}) HTTP/1\.1")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([ -~]*?)[ \t]*")
_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})?")
BLOB = re.compile(r"/blobs/([0-9a-f]{64})")
INDEX = re.compile(r"/index\?instance=([0-9a-f]{16})&since=(\d{1,9})(&place)?")


class BadRequestError(Exception):
    """Not what a peer sends. ``status`` is the answer; the connection ends with it."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True)
class Request:
    """One request, header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def token(self) -> bytes:
        """The bearer token; empty where there is none."""
        scheme, _space, token = self.headers.get("authorization", "").partition(" ")
        return token.encode("ascii", "replace") if scheme == "Bearer" else b""

    @property
    def closes(self) -> bool:
        """Does the peer want no further answer on this connection?"""
        return self.headers.get("connection", "").lower() == "close"


def parse_head(head: bytes) -> Request:
    """Read a request line and headers, without the empty line behind them.

    :raises BadRequestError: anything that could be understood in two ways, or that has a body.
    """
    try:
        first, *lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise BadRequestError(400) from None
    found = _REQUEST_LINE.fullmatch(first)
    if found is None or len(lines) > MOST_HEADERS:
        raise BadRequestError(400)
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None or header[1].lower() in headers:
            raise BadRequestError(400)
        headers[header[1].lower()] = header[2]
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise BadRequestError(400)
    return Request(method=found[1], target=found[2], headers=headers)


def parse_range(request: Request, *, size: int, etag: str) -> tuple[int, int] | None:
    """First byte and the one after the last of what is asked for; ``None`` for the whole.

    A range that cannot be read is ignored, as RFC 9110 (14.2) wants it.

    :raises BadRequestError: 416, it begins behind the end.
    """
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or request.headers.get("if-range", etag) != etag:
        return None
    start, stop = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
    if start >= size:
        raise BadRequestError(416)
    return (start, stop) if start < stop else None


def head_of(status: int, reason: str, headers: Mapping[str, str | int]) -> bytes:
    """Status line and headers of an answer, the empty line included."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("ascii")
