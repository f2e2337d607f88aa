# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP attempt with ``requests``."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Any, Callable
from urllib.parse import urlsplit, urlunsplit

from ansible_collections.drydock.serving.plugins.module_utils._health.http_request import (
    Attempt,
    load_requests,
    sent,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt, mismatches
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, Observation
from ansible_collections.drydock.serving.plugins.module_utils._health.tls import days_left, expiry_mismatch

BODY_LIMIT = 1024 * 1024
CHUNK = 16384
# Headers whose values anybody may see; those of all others are kept out of what is told.
_PUBLIC = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "host", "user-agent"})
_SECRET_CHARS = 4  # a shorter value is no secret, and would be found in every other word

__all__ = ["BODY_LIMIT", "load_requests", "probe_http", "without_credentials"]


def without_credentials(url: str) -> str:
    """The URL as it may be printed: without what stands before ``@`` and after ``?``, either of which may be a key."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "…" if parts.query else "", ""))


def probe_http(spec: HttpSpec, timeout: float, keep: Callable[[bytes], None] | None = None) -> Observation:
    """Ask once. Redirects are not followed and proxies are not used: what answers at the URL is what is judged.

    :param keep: told the body, up to ``BODY_LIMIT``, where one came whole.
    """
    requests = load_requests()
    started = time.monotonic()
    attempt = Attempt(deadline=started + timeout)
    url, headers = _destination(spec)
    try:
        with sent(
            spec.method,
            url,
            headers={"Accept-Encoding": "identity", "User-Agent": "drydock.serving", **headers},
            body=spec.body,
            attempt=attempt,
            timeout=timeout,
            ca_path=spec.ca_path,
            server_name=urlsplit(spec.url).hostname if spec.address else None,
        ) as response:
            status = response.status_code
            body = _read(response, requests)
    except (requests.exceptions.RequestException, OSError) as error:
        told = concealed(_reason(error, timeout), _secrets(spec))
        return Observation(ok=False, summary=f"{without_credentials(spec.url)}: {told}")
    except ValueError as error:  # of urllib3 and http.client; their texts may hold what was to be sent
        return Observation(ok=False, summary=f"the request cannot be sent ({type(error).__name__})", final=True)
    if keep is not None and body is not None:
        keep(body[:BODY_LIMIT])
    left = days_left(attempt.certificate, now=time.time())
    return judge(spec, status=status, body=body, elapsed=time.monotonic() - started, certificate_days=left)


def judge(
    spec: HttpSpec, *, status: int, body: bytes | None, elapsed: float, certificate_days: int | None = None
) -> Observation:
    """What an answer means. ``body`` None: it did not end in time. ``elapsed`` in seconds."""
    facts: dict[str, Any] = {"status": status, "elapsed": round(elapsed, 3)}
    if certificate_days is not None:
        facts["certificate_days"] = certificate_days
    if body is None:
        told = f"HTTP {status}, but the body was not complete after {elapsed:.1f} s"
        return Observation(ok=False, summary=told, facts=facts)
    wrong = mismatches(spec, status=status, body=body[:BODY_LIMIT])
    if wrong and len(body) > BODY_LIMIT:
        wrong.append(f"only the first {BODY_LIMIT} bytes of the body were read")
    if spec.max_latency is not None and elapsed > spec.max_latency:
        wrong.append(f"answered after {elapsed:.3f} s, at most {spec.max_latency:g} s are wanted")
    wrong += expiry_mismatch(certificate_days, spec.certificate_days)
    if not wrong:
        return Observation(ok=True, summary=f"HTTP {status}", facts=facts)
    secrets = _secrets(spec)
    seen = excerpt(concealed(body.decode("utf-8", "replace"), secrets)) or "(empty)"
    told = f"{concealed('; '.join(wrong), secrets)}; body: {seen}"
    return Observation(ok=False, summary=told, facts={**facts, "body": seen})


def _secrets(spec: HttpSpec) -> set[str]:
    """The values of headers, and of those with several words (``Bearer …``) each."""
    found = {value for name, value in spec.headers.items() if name.lower() not in _PUBLIC}
    found |= {word for value in found for word in value.split()}
    return {value for value in found if len(value) >= _SECRET_CHARS}


def concealed(text: str, secrets: Iterable[str]) -> str:
    """The text without them; the longest first, as one may hold another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "********")
    return text


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


def _read(response: Any, requests: Any) -> bytes | None:
    """The body up to a little over a limit; None when it does not end in time."""
    body = bytearray()
    try:
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > BODY_LIMIT:
                break
    except requests.exceptions.ConnectionError as error:
        if any(isinstance(item, TimeoutError) or type(item).__name__ in _TIMEOUTS for item in _chain(error)):
            return None
        raise
    return bytes(body)


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


_TIMEOUTS = frozenset({"ConnectTimeoutError", "ReadTimeoutError", "ReadTimeout", "timeout"})


def _reason(error: BaseException, timeout: float) -> str:
    """The plain cause inside the wrappers that requests and urllib3 put around it."""
    if type(error).__name__ == "InvalidHeader":  # its text holds the value, which may be a token
        return "a header cannot be sent: its value begins with a space or holds a line break"
    for told in (_of_tls, _of_time, _of_system, _of_protocol):
        found = next((words for item in _chain(error) if (words := told(item, timeout))), None)
        if found:
            return found
    return type(error).__name__  # not its text, which repeats the whole address


def _of_tls(error: BaseException, _timeout: float) -> str | None:
    refused = isinstance(error, ssl.SSLCertVerificationError)
    return f"TLS certificate refused: {getattr(error, 'verify_message', '')}" if refused else None


def _of_time(error: BaseException, timeout: float) -> str | None:
    late = isinstance(error, TimeoutError) or type(error).__name__ in _TIMEOUTS
    return f"no answer within {timeout:.3g} s" if late else None


def _of_system(error: BaseException, _timeout: float) -> str | None:
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {getattr(error, 'reason', None) or error}"
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else None


def _of_protocol(error: BaseException, _timeout: float) -> str | None:
    if not isinstance(error, http.client.HTTPException):
        return None
    return f"the answer is not HTTP, or broke off ({type(error).__name__}: {excerpt(str(error), limit=80)})"
