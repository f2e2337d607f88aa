# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short questions of the controller to hubs, registries and token servers: no redirects, small answers."""

from __future__ import annotations

import functools
import http.cookiejar
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import USER_AGENT, redact
from ansible_collections.drydock.serving.plugins.module_utils._http_adapter import bounded_adapter

TIMEOUTS = (10.0, 30.0)  # seconds to be connected, and without a byte
PAUSES = (1.0, 3.0)  # seconds between attempts
LONGEST = 20.0  # seconds to wait at most, whatever a server asks for
_BUSY = frozenset({429, 500, 502, 503, 504})
LONGEST_ANSWER = 120.0  # seconds from the first to the last byte of one
LIMIT = 4 * 1024 * 1024  # bytes; the OCI specification asks registries to take manifests of up to 4 MiB


@dataclass(frozen=True)
class Reply:
    """What a server answered. The names of ``headers`` are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Ask = Callable[..., Reply]
"""``ask(method, url, headers=…, data=…, body=True, limit=LIMIT)``; see ``Web.ask``."""


class Web:
    """One session, its connections kept. Authorities: ``ca_path``, else what requests trusts (REQUESTS_CA_BUNDLE).

    A server that is busy for the moment is asked again, a few times.
    """

    def __init__(
        self,
        *,
        ca_path: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ca_path = ca_path
        self._sleep = sleep
        self._monotonic = monotonic
        self._session: Any = None

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        body: bool = True,
        limit: int = LIMIT,
    ) -> Reply:
        """The answer, whatever its status; a redirect is an answer. Nothing is read with ``body=False``.

        :raises DrydockError: ``tls``, ``unreachable``, or ``bad_response`` when the body has more than ``limit`` bytes.
        """
        question = functools.partial(self._once, method, url, headers or {}, data, limit=limit if body else 0)
        for pause in PAUSES:
            wish = 0.0
            try:
                reply = question()
            except DrydockError as error:
                if error.kind != "unreachable":
                    raise
            else:
                if reply.status not in _BUSY:
                    return reply
                wish = _wish(reply)
            self._sleep(max(pause, wish))
        return question()

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], data: Mapping[str, str] | None, *, limit: int
    ) -> Reply:
        with self._open(method, url, headers, data) as response:
            content = self._bounded(response, url, limit) if limit else b""
            return Reply(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=content,
            )

    def _open(self, method: str, url: str, headers: Mapping[str, str], data: Mapping[str, str] | None) -> Any:
        import requests  # noqa: PLC0415 - costs 0.2 s, which a run that fetches nothing does not pay

        if self._session is None:
            self._session = requests.Session()
            self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
            for scheme in ("http://", "https://"):
                self._session.mount(scheme, bounded_adapter(requests))
        try:
            return self._session.request(
                method,
                url,
                headers={"User-Agent": USER_AGENT, **headers},
                data=data,
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUTS,
                verify=self._ca_path or os.environ.get("REQUESTS_CA_BUNDLE") or True,
                auth=_no_netrc,
            )
        except (requests.exceptions.RequestException, UnicodeError) as error:
            raise _named(error, url) from None

    def _bounded(self, response: Any, url: str, limit: int) -> bytes:
        import requests  # noqa: PLC0415 - loaded already

        found = bytearray()
        until = self._monotonic() + LONGEST_ANSWER
        try:
            for chunk in response.iter_content(65536):
                found += chunk
                if len(found) > limit:
                    raise DrydockError("bad_response", f"{redact(url)} sent more than {limit} bytes; expected no more.")
                if self._monotonic() > until:
                    raise DrydockError(
                        "stalled", f"{redact(url)} was still sending after {LONGEST_ANSWER:g} s. Next step: run again."
                    )
        except requests.exceptions.RequestException as error:
            raise _named(error, url) from None
        return bytes(found)


def _wish(reply: Reply) -> float:
    """Seconds that a busy server asked for, within reason."""
    text = reply.headers.get("retry-after", "")
    return min(float(text), LONGEST) if text.isascii() and text.isdigit() else 0.0


def _no_netrc(request: Any) -> Any:
    """Keeps requests from adding credentials out of a .netrc file."""
    return request


def _named(error: Exception, url: str) -> DrydockError:
    """The library's failure in words; its own text repeats the whole address."""
    for link in _chain(error):
        if isinstance(link, ssl.SSLCertVerificationError):
            return DrydockError(
                "tls",
                f"{redact(url)}: the server's certificate is not accepted ({link.verify_message}). Likely cause: its "
                "authority is not known to the controller. Next step: name the authority's PEM file in "
                "REQUESTS_CA_BUNDLE.",
            )
    causes = [link.strerror for link in _chain(error) if isinstance(link, OSError) and link.strerror]
    why = causes[-1] if causes else type(error).__name__
    return DrydockError(
        "unreachable", f"{redact(url)} did not answer the controller: {why}. Next step: see that it can be reached."
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and everything it was made from."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            waiting += [getattr(current, "reason", None), current.__cause__, current.__context__, *current.args]
