# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong inside the ``requests`` library, in our words; and the two things it does not offer: to read what is
there, and to end a read from another thread. The library is loaded when something is fetched, not before.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._source import HttpSettings, Source, SourceError


def load_requests() -> Any:
    """The library. :raises DrydockError: it is not installed."""
    try:
        return importlib.import_module("requests")
    except ImportError:
        raise DrydockError(
            "requests_missing",
            "The Python library 'requests' is missing on this host, and a file must be fetched over http(s). "
            "Next step: install it from the distribution (Debian, Ubuntu: apt-get install python3-requests); "
            "the role drydock.serving.model_store does so.",
        ) from None


def reader(response: Any, source: Source) -> Callable[[int], bytes]:
    """Reads the body as it came, without undoing any content encoding; gives what is there, without waiting for all."""
    urllib3 = importlib.import_module("urllib3")
    raw = response.raw

    def some(amount: int) -> bytes:
        if hasattr(raw, "read1"):
            return bytes(raw.read1(amount, decode_content=False))
        fp: Any = getattr(raw, "_fp", None)
        if not hasattr(fp, "read1"):
            return bytes(raw.read(amount, decode_content=False))
        # urllib3 before 2.1 reads only until all of the amount is there, which hides a server that drips
        data = bytes(fp.read1(amount))
        if getattr(raw, "length_remaining", None) is not None:
            raw.length_remaining -= len(data)
        return data or bytes(raw.read(amount, decode_content=False))

    def read(amount: int) -> bytes:
        try:
            return some(amount)
        except (urllib3.exceptions.ReadTimeoutError, socket.timeout):  # its own class before Python 3.10
            raise SourceError("stalled", f"{source.shown} stopped sending", retryable=True) from None
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            why = root_cause(error)
            raise SourceError("interrupted", f"{source.shown} broke off: {why}", retryable=True) from None

    return read


def cutter(response: Any) -> Callable[[], None]:
    """Ends a read that waits in another thread. Closing would not, and would leave the number to somebody else."""

    def cut() -> None:
        raw = response.raw
        inner = getattr(getattr(getattr(raw, "_fp", None), "fp", None), "raw", None)
        connection = getattr(raw, "connection", None)
        for wire in (getattr(connection, "sock", None), getattr(inner, "_sock", None)):
            if isinstance(wire, socket.socket):
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(wire, socket.SHUT_RDWR)

    return cut


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


def root_cause(error: BaseException) -> str:
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
def named_failures(source: Source, settings: HttpSettings) -> Iterator[None]:
    """Turn the library's exceptions into ours."""
    requests, urllib3 = load_requests(), importlib.import_module("urllib3")
    try:
        yield
    # The last two: what a hostile Location makes of requests 2.28 to 2.34, which lets them through.
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
        raise _name(error, source, settings, requests.exceptions) from None


def caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Is an exception of this kind among what led to it?"""
    return any(isinstance(link, kind) for link in _chain(error))


def _name(error: Exception, source: Source, settings: HttpSettings, library: Any) -> SourceError:
    cause = root_cause(error)
    if caused_by(error, ssl.SSLCertVerificationError):
        return SourceError(
            "tls", f"{source.shown}: {cause}; is 'ca_path' the authority that signed it, and the clock right?"
        )
    if isinstance(error, library.ConnectTimeout):
        return SourceError(
            "unreachable", f"{source.shown}: no connection within {settings.timeout:g} s", retryable=True
        )
    if isinstance(error, library.Timeout):
        return SourceError("stalled", f"{source.shown}: no answer within {settings.stall_timeout:g} s", retryable=True)
    if isinstance(error, library.ProxyError):
        return SourceError(
            "unreachable", f"{source.shown}: the proxy from the environment failed: {cause}", retryable=True
        )
    if isinstance(error, library.ConnectionError):
        return SourceError("unreachable", f"{source.shown}: {cause}", retryable=True)
    return SourceError("bad_response", f"{source.shown}: {cause}")
