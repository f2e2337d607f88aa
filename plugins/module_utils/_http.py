# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One answer to one GET, over http, https or from a local file, with every failure named, and judged as worth a retry.

Redirects are followed here and not by the library: only to http and https, never with the operator's headers once the
origin changed, never with credentials in the address, never from outside into this host.
"""

from __future__ import annotations

import contextlib
import http.client
import http.cookiejar
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http_adapter import bounded_adapter
from ansible_collections.drydock.serving.plugins.module_utils._http_failures import (
    caused_by,
    cutter,
    load_requests,
    named_failures,
    reader,
)
from ansible_collections.drydock.serving.plugins.module_utils._local_file import open_file
from ansible_collections.drydock.serving.plugins.module_utils._retry import parse_retry_after
from ansible_collections.drydock.serving.plugins.module_utils._source import (
    Answer,
    HttpSettings,
    Source,
    SourceError,
    Transport,
    check_headers,
    parse_origin,
    parse_source,
    redact,
)

__all__ = [
    "Answer",
    "HttpSettings",
    "Source",
    "SourceError",
    "Transport",
    "WebTransport",
    "check_headers",
    "parse_origin",
    "parse_source",
    "redact",
]

USER_AGENT = "drydock.serving"
MAX_REDIRECTS = 10
# The body of a redirect is a sentence for people; what is longer is not read.
_COURTESY = 8192
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_THE_MOMENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class WebTransport:
    """http and https through the ``requests`` library, one session with kept connections for each thread; file through
    the file system.

    :param now: seconds since the epoch, for dates in ``Retry-After``.
    :param resolve: addresses of a host name.
    """

    def __init__(
        self,
        settings: HttpSettings,
        *,
        now: Callable[[], float],
        session: Any = None,
        resolve: Callable[[str], Iterable[str]] | None = None,
    ) -> None:
        self._settings = settings
        self._headers = {parse_origin(origin): dict(listed) for origin, listed in settings.headers.items()}
        self._now = now
        self._session = session
        self._resolve = resolve or _addresses
        self._local = threading.local()

    def open(self, source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        if source.parts.scheme == "file":
            return open_file(source, offset=offset, until=until)
        ask = {**self._headers.get(source.origin, {}), "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if offset or until is not None:
            ask["Range"] = f"bytes={offset}-" if until is None else f"bytes={offset}-{until - 1}"
            if etag:
                ask["If-Range"] = etag
        return self._follow(source, ask)

    def _follow(self, source: Source, ask: dict[str, str]) -> Answer:
        here = source
        for _hop in range(MAX_REDIRECTS + 1):
            try:
                response = self._get(here, ask)
                if response.status_code not in _REDIRECTS:
                    return self._answer(response, here)
            except SourceError as error:
                if here is source:
                    raise
                raise SourceError(
                    error.kind,
                    f"{source.shown} redirects: {error.message}",
                    retryable=error.retryable,
                    retry_after=error.retry_after,
                ) from None
            location = response.headers.get("Location", "")
            _leave_kept(response, here)
            response.close()
            there = self._redirected(here, location, first=source)
            if there.origin != here.origin:
                # never given back either, when a later hop returns to the first origin
                secret = self._headers.get(source.origin, {})
                ask = {name: value for name, value in ask.items() if name not in secret}
                ask.setdefault("User-Agent", USER_AGENT)
            here = there
        raise SourceError("bad_response", f"{source.shown} redirects more than {MAX_REDIRECTS} times")

    def _get(self, source: Source, headers: Mapping[str, str]) -> Any:
        session, known = self._connected()
        with named_failures(source, self._settings):
            try:
                return self._ask(session, source, headers)
            except load_requests().exceptions.ConnectionError as error:
                # a kept connection may have been closed by the server just now: that says nothing about the server
                if source.origin not in known or not caused_by(error, http.client.RemoteDisconnected):
                    raise
                return self._ask(session, source, headers)
            finally:
                known.add(source.origin)

    def _ask(self, session: Any, source: Source, headers: Mapping[str, str]) -> Any:
        return session.get(
            source.url,
            headers=dict(headers),
            stream=True,
            allow_redirects=False,
            timeout=(self._settings.timeout, self._settings.stall_timeout),
            verify=self._settings.ca_path or True,
            auth=_no_netrc,
        )

    def _connected(self) -> tuple[Any, set[tuple[str, str, int]]]:
        """This thread's session, and the origins it asked before."""
        if not hasattr(self._local, "session"):
            self._local.known = set()
            self._local.session = self._session or self._new_session()
        return self._local.session, self._local.known

    def _new_session(self) -> Any:
        requests = load_requests()
        if self._settings.ca_path and not Path(self._settings.ca_path).is_file():
            raise DrydockError(
                "invalid_input",
                f"ca_path: {self._settings.ca_path} is not a file on this host. Next step: bring the PEM file "
                "there first, or leave ca_path out to trust the system's authorities.",
            )
        session = requests.Session()
        session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        # requests prepares the next request also when it is not to follow, and reads all of the body for that
        session.get_redirect_target = lambda _response: None
        bounded = bounded_adapter(requests)
        session.mount("http://", bounded)
        session.mount("https://", bounded)
        return session

    def _answer(self, response: Any, source: Source) -> Answer:
        self._judge(response, source)
        return Answer(
            status=response.status_code,
            headers=response.headers,
            read=reader(response, source),
            close=response.close,
            abort=cutter(response),
        )

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

    def _redirected(self, here: Source, location: str, *, first: Source) -> Source:
        """Where a redirect leads, if it may."""
        try:
            there = parse_source(urljoin(here.url, location))
        except ValueError as error:
            raise SourceError("bad_response", f"{here.shown} redirects to an address that {error}") from None
        if not location or there.parts.scheme not in ("http", "https"):
            raise SourceError(
                "bad_response", f"{here.shown} redirects to {there.shown}; only http and https are followed"
            )
        if there.origin != first.origin and self._is_inside(there) and not self._is_inside(first):
            raise SourceError(
                "bad_response", f"{here.shown} redirects into this host itself ({there.shown}); that is not followed"
            )
        return there

    def _is_inside(self, source: Source) -> bool:
        """Does it lead to this host itself or to the link?"""
        host = source.origin[1].rstrip(".")
        if host == "localhost" or host.endswith(".localhost") or _is_inside_address(host):
            return True
        return any(_is_inside_address(address) for address in self._resolve(host))


def _leave_kept(response: Any, source: Source) -> None:
    """Take the few bytes that come with a redirect, so that its connection serves for the next range too.

    What does not come at once is not waited for.
    """
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:9]) <= _COURTESY:
        read = reader(response, source)
        with contextlib.suppress(SourceError):
            if len(read(int(length[:9]) + 1)) == int(length[:9]):
                read(1)


def _no_netrc(request: Any) -> Any:
    """Keeps requests from adding credentials out of a .netrc file."""
    return request


def _addresses(host: str) -> list[str]:
    """What a name stands for; nothing where that cannot be found out (a proxy may know)."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _is_inside_address(text: str) -> bool:
    """An address of this host itself or of the link (cloud metadata services live there)."""
    try:
        address = ipaddress.ip_address(text.split("%", maxsplit=1)[0])
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(text))  # 127.1, 0x7f000001: the resolver takes them
        except (OSError, UnicodeError):
            return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified
