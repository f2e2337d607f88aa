# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden request of a service: one of which the right answer is known. A container that says it is ready is asked
before anybody else is led to it, since a wrong model also answers with 200.

The request is a file of the release, ``golden/<service>.json``, with its body beside it where that came from a file; so
a rollback asks what the release it goes back to was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.parse import http_spec
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import mismatches
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, JsonTest, Observation
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, Desired, Unit

FOLDER = "golden"
PHASE = "infers"
PAUSE = 1.0  # seconds between attempts
_SECRET = re.compile(r"\{secret:([a-z][a-z0-9_]*)\}")


class Probe(Protocol):
    """Asks once; ``probe_http`` outside of tests."""

    def __call__(self, spec: HttpSpec, timeout: float, keep: Callable[[bytes], None], /) -> Observation: ...


@dataclass(frozen=True)
class Golden:
    """One service's request to its new container.

    :param spec: its headers may name secrets, which are not in it.
    :param secrets: where the values of those secrets are, when the request is sent.
    :param timeout: seconds of one attempt.
    """

    service: str
    port: int
    spec: HttpSpec
    secrets: Path
    timeout: float
    attempts: int

    @property
    def asked(self) -> str:
        """The request in words, without its headers."""
        path = self.spec.url.partition(f":{self.port}")[2].partition("?")[0]
        body = f" with {len(self.spec.body)} bytes" if self.spec.body else ""
        return f"{self.spec.method} {path}{body}, at its own port 127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Asked:
    """How it went. ``body`` is the whole last answer, up to a limit; None when there was none."""

    golden: Golden
    attempts: int
    elapsed: float
    last: Observation
    body: bytes | None

    def as_dict(self) -> dict[str, Any]:
        """As it stands beside the health targets in a result and in a record."""
        return {
            "name": f"{self.golden.service} golden",
            "phase": PHASE,
            "ok": self.last.ok,
            "attempts": self.attempts,
            "elapsed": round(self.elapsed, 2) if self.last.ok else None,
            "last": self.last.as_dict(),
        }

    def papers(self) -> dict[str, bytes]:
        """What is kept for the evidence, by file name."""
        return {} if self.body is None else {answer_name(self.golden.service): self.body}

    def error(self) -> DrydockError:
        golden = self.golden
        times = f", {self.attempts} times" if self.attempts > 1 else ""
        kept = f" The whole answer is in the evidence, {answer_name(golden.service)}." if self.body is not None else ""
        return DrydockError(
            "golden_wrong",
            f"The service {golden.service} says that it is ready, but its golden request is not answered as it has to "
            f"be. Asked: {golden.asked}{times}. Expected: {expected(golden.spec)}. Found: {self.last.summary}.{kept} "
            "The model, the image or a setting is another one than meant; or the answer is right, and health.golden "
            "of the service has to be brought up to date.",
            service=golden.service,
            request=golden.asked,
            expected=expected(golden.spec),
            found=self.last.as_dict(),
        )


def request_file(service: str) -> str:
    """Where the request lies in a release's directory."""
    return f"{FOLDER}/{service}.json"


def body_file(service: str) -> str:
    """Where its body lies, where that came from a file."""
    return f"{FOLDER}/{service}.body"


def answer_name(service: str) -> str:
    """What the answer is called in the evidence."""
    return f"golden-{service}.answer"


def golden_requests(desired: Desired, units: Iterable[Unit], versions: Mapping[str, str]) -> Iterator[Golden]:
    """The requests of those of these units that have one, in their colours.

    :param versions: unit -> the version of its secrets, which headers may name.
    :raises DrydockError: ``invalid_stack`` when a request cannot be read.
    """
    for unit in units:
        content = desired.files.get(request_file(unit.service))
        if content is None or unit.part == BASE or unit.host_port is None:
            continue
        try:
            raw = json.loads(content)
            spec = http_spec({**raw, "url": f"http://127.0.0.1:{unit.host_port}{raw['path']}"})
            timeout, attempts = float(raw["timeout"]), max(1, int(raw["attempts"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DrydockError(
                "invalid_stack",
                f"{request_file(unit.service)} of the release cannot be read: {type(error).__name__} {error}. It comes "
                f"from health.golden of the service {unit.service}.",
            ) from error
        yield Golden(
            service=unit.name,
            port=unit.host_port,
            spec=replace(spec, body=desired.files.get(body_file(unit.service), spec.body)),
            secrets=desired.secrets_dir(unit, versions),
            timeout=timeout,
            attempts=attempts,
        )


def _revealed(golden: Golden) -> HttpSpec:
    """The request with the values of the service's secrets in the places of its headers that name them."""

    def value(match: re.Match[str]) -> str:
        try:
            return (golden.secrets / match.group(1)).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise DrydockError(
                "invalid_stack",
                f"A header of the golden request of {golden.service} names the secret {match.group(1)}, which cannot "
                f"be read in {golden.secrets}. Name it in the service's secrets.",
            ) from error

    return replace(golden.spec, headers={name: _SECRET.sub(value, text) for name, text in golden.spec.headers.items()})


def ask(golden: Golden, probe: Probe, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> Asked:
    """Ask until the answer is right, it is plainly wrong, or all attempts are used up.

    An answer with the wanted status and a wrong content is not asked for again: whoever answers so now and then is not
    to serve. No answer, another status and a slow answer may be a service that has only just begun.
    """
    started = clock()
    spec = _revealed(golden)
    kept: list[bytes] = []
    for attempt in range(1, golden.attempts + 1):
        kept.clear()
        last = probe(spec, golden.timeout, kept.append)
        body = kept[-1] if kept else None
        if last.ok or last.final or attempt == golden.attempts or _wrong(golden.spec, last, body):
            break
        sleep(PAUSE)
    return Asked(golden=golden, attempts=attempt, elapsed=clock() - started, last=last, body=body)


def _wrong(spec: HttpSpec, seen: Observation, body: bytes | None) -> bool:
    status = seen.facts.get("status")
    return body is not None and status in spec.status and bool(mismatches(spec, status=int(status), body=body))


def expected(spec: HttpSpec) -> str:
    """What an answer has to be, in words."""
    words = [f"HTTP {' or '.join(str(code) for code in sorted(spec.status))}"]
    words += [f"{path} is {value!r}" for path, value in spec.json.items()]
    words += [_in_words(test) for test in spec.json_tests]
    words += [f"the body contains {part!r}" for part in spec.contains]
    words += [f"the body matches {pattern!r}" for pattern in spec.matches]
    words += [] if spec.max_latency is None else [f"within {spec.max_latency:g} s"]
    return "; ".join(words)


def _in_words(test: JsonTest) -> str:
    value = "" if test.value is None else f" {test.value!r}"
    return f"{test.path} {test.test.replace('_', ' ')}{value}"
