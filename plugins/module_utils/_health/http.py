# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP attempt with ``requests``."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import time
from collections.abc import Iterable, Iterator
from typing import Any, Callable
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit, urlunsplit

from ansible_collections.drydock.serving.plugins.module_utils._health.connecting import UnresolvedError
from ansible_collections.drydock.serving.plugins.module_utils._health.http_request import (
    CHUNK,
    Exchange,
    UnsendableError,
    failures,
    load_requests,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt, mismatches
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, Observation
from ansible_collections.drydock.serving.plugins.module_utils._health.tls import days_left, expiry_mismatch

BODY_LIMIT = 1024 * 1024
GLANCE = 65536  # bytes of a body that is only shown
# Headers whose values anybody may see; those of all others are kept out of what is told.
_PUBLIC = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "host", "user-agent"})
_SECRET_CHARS = 4  # a shorter value is no secret, and would be found in every other word
_TELLING_CHARS = 8  # the same for what is mostly a name or a switch: users, parameters

__all__ = ["BODY_LIMIT", "load_requests", "probe_http", "url_secrets", "without_credentials"]


def without_credentials(url: str) -> str:
    """The URL as it may be printed: without what stands before ``@`` and after ``?``, either of which may be a key."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, netloc, parts.path, "…" if parts.query else "", ""))


def probe_http(spec: HttpSpec, timeout: float, keep: Callable[[bytes], None] | None = None) -> Observation:
    """Ask once. Redirects are not followed and proxies are not used: what answers at the URL is what is judged.

    :param keep: told the body, up to ``BODY_LIMIT``, where one came whole.
    """
    begun = HttpAttempt(spec, timeout, keep).begin()
    return begun if isinstance(begun, Observation) else begun.finish()


class HttpAttempt:
    """One attempt, which may be parked until the answer comes."""

    def __init__(self, spec: HttpSpec, timeout: float, keep: Callable[[bytes], None] | None = None) -> None:
        self._spec, self._timeout, self._keep = spec, timeout, keep
        self._started = time.monotonic()
        self.deadline = self._started + timeout
        self._heard: float | None = None
        self.exchange: Exchange | None = None

    def begin(self) -> Observation | HttpAttempt:
        """Ask. What was seen, or itself where the answer is still to come."""
        load_requests()
        try:
            self.exchange = self._asked()
        except failures() as error:
            return self._failed(error)
        except ValueError as error:  # of all libraries below; their texts may hold what was to be sent
            why = str(error) if isinstance(error, UnsendableError) else type(error).__name__
            return Observation(ok=False, summary=f"the request cannot be sent: {why}", final=True)
        return self.finish() if self.heard() else self

    def finish(self) -> Observation:
        """Wait for the answer, and judge it."""
        exchange = self._under_way
        if self._heard is not None:
            self._started += time.monotonic() - self._heard  # how long it waited for a thread is not the server's fault
        with contextlib.closing(exchange):
            try:
                with contextlib.closing(exchange.answer()) as answer:
                    body = read(answer, BODY_LIMIT if self._keep is not None or _judges_body(self._spec) else GLANCE)
            except failures(ValueError) as error:
                return self._failed(error)
        elapsed = time.monotonic() - self._started
        if self._keep is not None and body is not None:
            self._keep(body[:BODY_LIMIT])
        left = days_left(exchange.certificate, now=time.time())
        return judge(self._spec, status=answer.status, body=body, elapsed=elapsed, certificate_days=left)

    def fileno(self) -> int:
        return self._under_way.fileno()

    def heard(self) -> bool:
        if not self._under_way.heard():
            return False
        self._heard = time.monotonic()
        return True

    def close(self) -> None:
        if self.exchange is not None:
            self.exchange.close()

    @property
    def _under_way(self) -> Exchange:
        if self.exchange is None:
            raise RuntimeError("it was not begun")
        return self.exchange

    def _asked(self) -> Exchange:
        spec = self._spec
        url, headers = _destination(spec)
        exchange = Exchange(
            spec.method,
            url,
            headers={"Accept-Encoding": "identity", "User-Agent": "drydock.serving", **headers},
            body=spec.body,
            deadline=self.deadline,
            ca_path=spec.ca_path,
            server_name=urlsplit(spec.url).hostname if spec.address else None,
        )
        try:
            exchange.send()
        except BaseException:
            exchange.close()
            raise
        return exchange

    def _failed(self, error: Exception) -> Observation:
        told = concealed(_reason(error, self._timeout), secrets_of(self._spec))
        return Observation(ok=False, summary=f"{without_credentials(self._spec.url)}: {told}")


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
    secrets = secrets_of(spec)
    seen = excerpt(concealed(body[:GLANCE].decode("utf-8", "replace"), secrets)) or "(empty)"
    told = f"{concealed('; '.join(wrong), secrets)}; body: {seen}"
    return Observation(ok=False, summary=told, facts={**facts, "body": seen})


def secrets_of(spec: HttpSpec) -> set[str]:
    """What must not be told of a request, also in the forms in which an answer may repeat it."""
    found = {value for name, value in spec.headers.items() if name.lower() not in _PUBLIC}
    found |= {word for value in found for word in value.split()}  # ``Bearer …``
    found |= url_secrets(spec.url)
    found |= {value for _name, value in parse_qsl(urlsplit(spec.url).query) if len(value) >= _TELLING_CHARS}
    found |= {form for value in found for form in _forms(value)}
    return {value for value in found if len(value) >= _SECRET_CHARS}


def url_secrets(url: str) -> set[str]:
    """What stands in a URL before ``@`` and after ``?``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {url}
    credentials = parts.netloc.rpartition("@")[0]
    user, _colon, password = credentials.partition(":")
    found = {parts.query, unquote(parts.query), credentials, unquote(credentials), password, unquote(password)}
    if not password or len(user) >= _TELLING_CHARS:
        found |= {user, unquote(user)}  # tokens stand there, too
    if credentials:
        found.add(base64.b64encode(unquote(credentials).encode()).decode())  # as it is sent
    return {value for value in found if len(value) >= _SECRET_CHARS}


def _forms(value: str) -> set[str]:
    """As a JSON text or a URL repeats it."""
    text = json.dumps(value)[1:-1]
    return {text, text.replace("/", "\\/"), quote(value, safe=""), quote_plus(value)}


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


def _judges_body(spec: HttpSpec) -> bool:
    return bool(spec.json or spec.json_tests or spec.contains or spec.matches)


def read(answer: Any, kept: int) -> bytes | None:
    """The first ``kept`` bytes of the body, or a little more; None when it does not end in time.

    It is read to ``BODY_LIMIT``, as it has to end in time and whole, also where nobody looks at it.
    """
    body, size = bytearray(), 0
    try:
        for chunk in answer.stream(CHUNK, decode_content=True):
            size += len(chunk)
            if len(body) <= kept:
                body += chunk
            if size > BODY_LIMIT:
                break
    except failures() as error:
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
    if isinstance(error, UnresolvedError):
        return str(error)
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else None


def _of_protocol(error: BaseException, _timeout: float) -> str | None:
    if type(error).__name__ == "InvalidHeader":
        return "the answer is not HTTP: it has several lengths"
    if isinstance(error, ValueError):  # its text may hold anything
        return f"the answer is not HTTP, or broke off ({type(error).__name__})"
    if not isinstance(error, http.client.HTTPException):
        return None
    return f"the answer is not HTTP, or broke off ({type(error).__name__}: {excerpt(str(error), limit=80)})"
