# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP attempt with ``requests``."""

from __future__ import annotations

import importlib
import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt, mismatches
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, Observation

BODY_LIMIT = 1024 * 1024


def load_requests() -> Any:
    """The ``requests`` library.

    :raises DrydockError: ``missing_library``, with what to install.
    """
    try:
        return importlib.import_module("requests")
    except ImportError as error:
        raise DrydockError(
            "missing_library",
            "HTTP targets need the Python library requests, which this interpreter does not find. Install "
            "python3-requests from the distribution on the host, or requests with pip on the controller.",
            library="requests",
        ) from error


def without_credentials(url: str) -> str:
    """The URL as it may be printed."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))


def probe_http(spec: HttpSpec, timeout: float) -> Observation:
    """Ask once. Redirects are not followed and proxies are not used: what answers at the URL is what is judged."""
    requests = load_requests()
    started = time.monotonic()
    url, headers = _destination(spec)
    with requests.Session() as session:
        session.trust_env = False
        if spec.address:
            session.mount("https://", _pinned_adapter(requests, urlsplit(spec.url).hostname or ""))
        try:
            with session.request(
                spec.method,
                url,
                headers=headers,
                data=spec.body,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
                verify=spec.ca_path or True,
            ) as response:
                body = _read(response, deadline=started + timeout)
                status = response.status_code
        except (requests.exceptions.RequestException, OSError) as error:
            return Observation(ok=False, summary=f"{without_credentials(spec.url)}: {_reason(error, timeout)}")
        except ValueError as error:  # of urllib3 and http.client; their texts may hold what was to be sent
            return Observation(ok=False, summary=f"the request cannot be sent ({type(error).__name__})", final=True)
    return _judge(spec, status=status, body=body, timeout=timeout, elapsed=time.monotonic() - started)


def _judge(spec: HttpSpec, *, status: int, body: bytes | None, timeout: float, elapsed: float) -> Observation:
    facts = {"status": status, "elapsed": round(elapsed, 3)}
    if body is None:
        return Observation(
            ok=False, summary=f"HTTP {status}, but the body was not complete after {timeout:g} s", facts=facts
        )
    wrong = mismatches(spec, status=status, body=body)
    if not wrong:
        return Observation(ok=True, summary=f"HTTP {status}", facts=facts)
    seen = excerpt(body.decode("utf-8", "replace")) or "(empty)"
    return Observation(ok=False, summary=f"{'; '.join(wrong)}; body: {seen}", facts={**facts, "body": seen})


def _destination(spec: HttpSpec) -> tuple[str, dict[str, str]]:
    """The URL to connect to, and the headers, which name the original host when an address is given."""
    headers = dict(spec.headers)
    if not spec.address:
        return spec.url, headers
    parts = urlsplit(spec.url)
    address = f"[{spec.address}]" if ":" in spec.address else spec.address
    headers.setdefault("Host", parts.netloc.rpartition("@")[2])
    netloc = address if parts.port is None else f"{address}:{parts.port}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, "")), headers


def _pinned_adapter(requests: Any, hostname: str) -> Any:
    """An adapter that asks for, and verifies, the certificate of ``hostname`` whatever address it connects to."""

    class Pinned(requests.adapters.HTTPAdapter):  # type: ignore[misc]  # requests is loaded at run time
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, server_hostname=hostname, assert_hostname=hostname, **kwargs)

    return Pinned()


def _read(response: Any, *, deadline: float) -> bytes | None:
    """The body up to a limit; None when it does not end in time (each chunk may be quick and the whole endless)."""
    parts = []
    size = 0
    for chunk in response.iter_content(1024):
        parts.append(chunk)
        size += len(chunk)
        if size >= BODY_LIMIT:
            break
        if time.monotonic() > deadline:
            return None
    return b"".join(parts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that it wraps: causes, contexts, ``reason`` attributes and arguments."""
    queue, seen = [error], set()
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        queue += [item for item in inner if isinstance(item, BaseException)]


def _reason(error: BaseException, timeout: float) -> str:
    """The plain cause inside the wrappers that requests and urllib3 put around it."""
    if type(error).__name__ == "InvalidHeader":  # its text holds the value, which may be a token
        return "a header cannot be sent: its value begins with a space or holds a line break"
    for item in _chain(error):
        if isinstance(item, ssl.SSLCertVerificationError):
            return f"TLS certificate refused: {item.verify_message}"
    for item in _chain(error):
        if isinstance(item, ssl.SSLError):
            return f"TLS failed: {item.reason or item}"
        if isinstance(item, TimeoutError) or type(item).__name__ in {
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "ReadTimeout",
        }:
            return f"no answer within {timeout:g} s"
    for item in _chain(error):
        if isinstance(item, OSError) and item.strerror:
            return item.strerror.lower()
    return excerpt(str(error))
