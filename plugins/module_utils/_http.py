# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One answer to one GET, over http, https or from a local file, with every failure named, and judged as worth a retry.

Redirects are followed here and not by the library: only to http and https, never with the operator's headers once the
origin changed, never with credentials in the address. Addresses are shown without credentials and query.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import ipaddress
import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._retry import parse_retry_after

try:
    import requests
    import urllib3
except ImportError:
    HAS_REQUESTS = False
    _LIBRARY_ERRORS: tuple[type[Exception], ...] = ()
else:
    HAS_REQUESTS = True
    # The last two: what a hostile Location makes of requests 2.28 to 2.34, which lets them through.
    _LIBRARY_ERRORS = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, UnicodeError)

SCHEMES = ("http", "https", "file")
USER_AGENT = "drydock.serving"
MAX_REDIRECTS = 10
OWN_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "if-range", "range", "transfer-encoding"}
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_THE_MOMENT = frozenset({408, 425, 429, 500, 502, 503, 504})


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
    """An address a file can come from, checked by ``parse_source``."""

    url: str
    parts: SplitResult

    @property
    def shown(self) -> str:
        """The address as it may be printed: no credentials, no query (presigned addresses carry their secret there)."""
        return redact(self.url)

    @property
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


def check_headers(headers: Mapping[str, str]) -> list[str]:
    """What is wrong with the operator's headers, by name; values are never repeated."""
    problems = []
    for name, value in headers.items():
        if name.lower() in OWN_HEADERS:
            problems.append(f"headers.{name}: is set by the download itself; leave it out")
        elif not name or not name.isascii() or any(character in name for character in " \t\r\n:"):
            problems.append(f"headers.{name!r}: is not a header name")
        elif any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
            problems.append(f"headers.{name}: its value contains a line break or control character")
        elif value[:1].isspace() or any(ord(character) > 0xFF for character in value):
            problems.append(f"headers.{name}: its value begins with a space or has a character no header can carry")
    return problems


@dataclass
class Answer:
    """A response whose body has not been read yet. ``read(n)`` gives at most n bytes, and ``b""`` at the end."""

    status: int
    headers: Mapping[str, str]
    read: Callable[[int], bytes]
    close: Callable[[], None]


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
    """

    timeout: float
    stall_timeout: float
    ca_path: str | None
    headers: Mapping[str, str]


class WebTransport:
    """http and https through the ``requests`` library, connections kept alive; file through the file system."""

    def __init__(self, settings: HttpSettings, *, now: Callable[[], float], session: Any = None) -> None:
        self._settings = settings
        self._now = now
        self._session = session

    def open(self, source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        if source.parts.scheme == "file":
            return _open_file(source, offset)
        ask = {**self._settings.headers, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if offset or until is not None:
            ask["Range"] = f"bytes={offset}-" if until is None else f"bytes={offset}-{until - 1}"
            if etag:
                ask["If-Range"] = etag
        return self._follow(source, ask)

    def _follow(self, source: Source, ask: dict[str, str]) -> Answer:
        here = source
        for _hop in range(MAX_REDIRECTS + 1):
            response = self._get(here, ask)
            if response.status_code not in _REDIRECTS:
                self._judge(response, here)
                return Answer(
                    status=response.status_code,
                    headers=response.headers,
                    read=_reader(response, here),
                    close=response.close,
                )
            location = response.headers.get("Location", "")
            response.close()
            there = _redirected(here, location)
            if there.origin != here.origin:
                # never given back either, when a later hop returns to the first origin
                ask = {name: value for name, value in ask.items() if name not in self._settings.headers}
                ask.setdefault("User-Agent", USER_AGENT)
            here = there
        raise SourceError("bad_response", f"{source.shown} redirects more than {MAX_REDIRECTS} times")

    def _get(self, source: Source, headers: Mapping[str, str]) -> Any:
        with _named_failures(source, self._settings):
            return self._connected().get(
                source.url,
                headers=dict(headers),
                stream=True,
                allow_redirects=False,
                timeout=(self._settings.timeout, self._settings.stall_timeout),
                verify=self._settings.ca_path or True,
                auth=_no_netrc,
            )

    def _connected(self) -> Any:
        if self._session is None:
            if not HAS_REQUESTS:
                raise DrydockError(
                    "requests_missing",
                    "The Python library 'requests' is missing on this host, and a file must be fetched over http(s). "
                    "Next step: install it from the distribution (Debian, Ubuntu: apt-get install python3-requests); "
                    "the role drydock.serving.model_store does so.",
                )
            if self._settings.ca_path and not Path(self._settings.ca_path).is_file():
                raise DrydockError(
                    "invalid_input",
                    f"ca_path: {self._settings.ca_path} is not a file on this host. Next step: bring the PEM file "
                    "there first, or leave ca_path out to trust the system's authorities.",
                )
            self._session = requests.Session()
            self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        return self._session

    def _judge(self, response: Any, source: Source) -> None:
        status = response.status_code
        if status in (200, 206, 416):
            return
        response.close()
        said = f"{source.shown} answered {status}"
        if status in (401, 403):
            raise SourceError("refused", f"{said}: access refused; 'headers' may lack a token, or it has expired")
        if status in (404, 410):
            raise SourceError("not_found", f"{said}: no such file there")
        if status in _FOR_THE_MOMENT:
            asked = parse_retry_after(response.headers.get("Retry-After"), now=self._now())
            wish = "" if asked is None else f" and asked to wait {asked:.0f} s"
            raise SourceError("unreachable", said + wish, retryable=True, retry_after=asked)
        raise SourceError("bad_response", f"{said}; expected 200 or 206")


def _no_netrc(request: Any) -> Any:
    """Keeps requests from adding credentials out of a .netrc file."""
    return request


def _redirected(here: Source, location: str) -> Source:
    """Where a redirect leads, if it may."""
    try:
        there = parse_source(urljoin(here.url, location))
    except ValueError as error:
        raise SourceError("bad_response", f"{here.shown} redirects to an address that {error}") from None
    if not location or there.parts.scheme not in ("http", "https"):
        raise SourceError("bad_response", f"{here.shown} redirects to {there.shown}; only http and https are followed")
    if _is_inside(there) and not _is_inside(here):
        raise SourceError(
            "bad_response", f"{here.shown} redirects into this host itself ({there.shown}); that is not followed"
        )
    return there


def _is_inside(source: Source) -> bool:
    """An address of this host itself or of the link (cloud metadata services live there)."""
    host = source.origin[1].rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001: the resolver takes them
        except (OSError, UnicodeError):
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _reader(response: Any, source: Source) -> Callable[[int], bytes]:
    """Reads the body as it came, without undoing any content encoding."""

    def read(amount: int) -> bytes:
        try:
            data: bytes = response.raw.read(amount, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError:
            raise SourceError("stalled", f"{source.shown} stopped sending", retryable=True) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            why = _root_cause(error)
            raise SourceError("interrupted", f"{source.shown} broke off: {why}", retryable=True) from None
        return data

    return read


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and everything it was made from, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [getattr(current, "reason", None), current.__cause__, current.__context__, *current.args]


def _root_cause(error: BaseException) -> str:
    """The innermost reason in words. Never the library's own text: it repeats the whole address with its query."""
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return f"certificate not accepted: {getattr(link, 'verify_message', '') or link.strerror}"
    for link in _chain(error):
        if (
            isinstance(link, OSError)
            and link.strerror
            and not type(link).__module__.startswith(("requests", "urllib3"))
        ):
            return link.strerror
    return type(error).__name__


@contextlib.contextmanager
def _named_failures(source: Source, settings: HttpSettings) -> Iterator[None]:
    """Turn the library's exceptions into ours."""
    try:
        yield
    except _LIBRARY_ERRORS as error:
        raise _name(error, source, settings) from None


def _name(error: Exception, source: Source, settings: HttpSettings) -> SourceError:
    cause = _root_cause(error)
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in _chain(error)):
        return SourceError(
            "tls", f"{source.shown}: {cause}; is 'ca_path' the authority that signed it, and the clock right?"
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return SourceError(
            "unreachable", f"{source.shown}: no connection within {settings.timeout:g} s", retryable=True
        )
    if isinstance(error, requests.exceptions.Timeout):
        return SourceError("stalled", f"{source.shown}: no answer within {settings.stall_timeout:g} s", retryable=True)
    if isinstance(error, requests.exceptions.ProxyError):
        return SourceError(
            "unreachable", f"{source.shown}: the proxy from the environment failed: {cause}", retryable=True
        )
    if isinstance(error, requests.exceptions.ConnectionError):
        return SourceError("unreachable", f"{source.shown}: {cause}", retryable=True)
    return SourceError("bad_response", f"{source.shown}: {cause}")


def _open_file(source: Source, offset: int) -> Answer:
    path = Path(unquote(source.parts.path))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SourceError("not_found", f"{source.shown}: no such file on this host") from None
    except OSError as error:
        raise SourceError("refused", f"{source.shown}: {error.strerror}") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise SourceError("not_found", f"{source.shown} is not a file")
    handle = os.fdopen(descriptor, "rb", buffering=0)
    if offset > found.st_size:
        return Answer(status=416, headers={}, read=handle.read, close=handle.close)
    handle.seek(offset)
    headers = {"Content-Length": str(found.st_size - offset)}
    if offset:
        headers["Content-Range"] = f"bytes {offset}-{found.st_size - 1}/{found.st_size}"
    return Answer(status=206 if offset else 200, headers=headers, read=handle.read, close=handle.close)
