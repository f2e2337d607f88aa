# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that files come from, what is sent along, and what comes back: the words of every transport.

Addresses are shown without credentials and query.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

SCHEMES = ("http", "https", "file")
OWN_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "if-range", "range", "transfer-encoding"}
)


class SourceError(DrydockError):
    """One source did not give the file.

    :param retryable: the same request may well succeed a little later.
    :param retry_after: seconds the server asked to wait.
    """

    def __init__(self, kind: str, message: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(kind, message)
        self.retryable = retryable
        self.retry_after = retry_after


@dataclass(frozen=True)
class Source:
    """An address a file can come from, checked by ``parse_source``. What it is asked for with each piece is kept."""

    url: str
    parts: SplitResult

    @cached_property
    def shown(self) -> str:
        """The address as it may be printed: no credentials, no query (presigned addresses carry their secret there)."""
        return redact(self.url)

    @cached_property
    def key(self) -> str:
        """Names it in a side-car without writing down a secret of its query."""
        return hashlib.sha256(self.shown.encode()).hexdigest()

    @cached_property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host, port: what "the same server" means (RFC 6454)."""
        default = 443 if self.parts.scheme == "https" else 80
        return (self.parts.scheme, (self.parts.hostname or "").lower(), self.parts.port or default)


def redact(url: str) -> str:
    """The address without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an address that cannot be read)"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{host}{port}{parts.path}{query}"


def parse_source(url: str) -> Source:
    """Check one address.

    :raises ValueError: with a sentence that never repeats credentials.
    """
    if any(ord(character) <= 0x20 or ord(character) == 0x7F for character in url):
        raise ValueError("contains a space or control character; percent-encode it")
    if "\\" in url:  # urllib3 ends the host there, urlsplit does not
        raise ValueError("contains a backslash; percent-encode it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if port == 0:
        raise ValueError("names port 0")
    if parts.scheme not in SCHEMES:
        raise ValueError(f"has the scheme {parts.scheme or 'nothing'!r}; expected one of {', '.join(SCHEMES)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"carries credentials ({redact(url)}); give them in 'headers' instead")
    if parts.scheme == "file":
        if parts.hostname not in (None, "localhost") or not parts.path.startswith("/"):
            raise ValueError(f"is not a local file ({redact(url)}); expected file:///an/absolute/path")
    elif not parts.hostname:
        raise ValueError("names no host")
    return Source(url=url, parts=parts)


def parse_origin(text: str) -> tuple[str, str, int]:
    """An origin as ``Source.origin`` gives it, from ``https://models.example.org`` or ``http://10.0.0.5:8080``.

    :raises ValueError: anything else; the text is not repeated, as it may hold credentials.
    """
    source = parse_source(text)
    if source.parts.scheme == "file" or source.parts.path not in ("", "/") or source.parts.query:
        raise ValueError("is not an origin; expected scheme, host and maybe port, such as https://models.example.org")
    return source.origin


def check_headers(headers: Mapping[str, Any]) -> list[str]:
    """What is wrong with the operator's headers, given by origin; values are never repeated."""
    problems: list[str] = []
    for origin, listed in headers.items():
        try:
            where = f"headers.{redact(str(origin))}"
            parse_origin(str(origin))
        except ValueError as error:
            problems.append(f"headers: a key {error}. Headers are given by origin: {{https://host: {{name: value}}}}")
            continue
        if not isinstance(listed, Mapping):
            problems.append(f"{where}: expected names and values of headers, found something else")
            continue
        problems += [f"{where}.{wrong}" for wrong in _header_problems(listed)]
    return problems


def _header_problems(headers: Mapping[str, Any]) -> Iterator[str]:
    for name, value in ((str(name), str(value)) for name, value in headers.items()):
        if name.lower() in OWN_HEADERS:
            yield f"{name}: is set by the download itself; leave it out"
        elif not name or not name.isascii() or any(character in name for character in " \t\r\n:"):
            yield f"{name!r}: is not a header name"
        elif any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
            yield f"{name}: its value contains a line break or control character"
        elif value[:1].isspace() or any(ord(character) > 0xFF for character in value):
            yield f"{name}: its value begins with a space or has a character no header can carry"


@dataclass
class Answer:
    """A response whose body has not been read yet.

    :param read: gives what is there, at most so many bytes; ``b""`` at the end.
    :param abort: ends a ``read`` that waits in another thread.
    """

    status: int
    headers: Mapping[str, str]
    read: Callable[[int], bytes]
    close: Callable[[], None]
    abort: Callable[[], None] = lambda: None


class Transport(Protocol):
    """What the downloader needs from the outside world."""

    def open(self, source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        """Ask for the file from byte ``offset`` on, up to and without byte ``until`` where given.

        ``etag`` makes the server send the whole where it changed.

        Gives an answer of status 200, 206 or 416. :raises SourceError: everything else.
        """


@dataclass(frozen=True)
class HttpSettings:
    """How to talk to servers. Durations in seconds.

    :param timeout: to be connected.
    :param stall_timeout: without a single byte, before or in the body.
    :param ca_path: PEM file of the authorities to trust instead of the system's.
    :param headers: by origin (``https://host[:port]``); sent to that origin only.
    """

    timeout: float
    stall_timeout: float
    ca_path: str | None
    headers: Mapping[str, Mapping[str, str]]
