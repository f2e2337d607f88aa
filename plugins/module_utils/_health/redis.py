# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redis by the first exchange of its plain protocol (RESP, https://redis.io/docs/latest/develop/reference/protocol-spec)."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, RedisSpec
from ansible_collections.drydock.serving.plugins.module_utils._health.wire import Wire, WireAttempt, observe

PING = b"*1\r\n$4\r\nPING\r\n"
# Errors of a server that serves, only not whoever asks without a password.
_SERVING = {"NOAUTH": "up, asks for a password", "NOPERM": "up, does not let this client ask"}
_NOT_READY = {
    "LOADING": "loading its data from disk",
    "MASTERDOWN": "a replica without its master",
    "BUSY": "busy with a script",
}


def probe_redis(spec: RedisSpec, timeout: float) -> Observation | WireAttempt:
    """Ask once. No password is sent."""

    def ask(wire: Wire) -> None:
        if spec.tls is not None:
            wire.encrypt(spec.tls)
        wire.send(PING)

    return observe(spec.host, spec.port, ask, lambda wire: judge(wire.line()), timeout=timeout)


def judge(answer: bytes) -> Observation:
    """What the first line of an answer to PING means."""
    text = answer.decode("utf-8", "replace")
    if text == "+PONG":
        return Observation(ok=True, summary="up", facts={"code": "PONG"})
    if not text.startswith("-"):
        return Observation(ok=False, summary=f"what answers is not Redis: {excerpt(text) or '(an empty line)'}")
    code = text[1:].partition(" ")[0]
    facts = {"code": excerpt(code)}
    if code in _SERVING:
        return Observation(ok=True, summary=_SERVING[code], facts=facts)
    return Observation(ok=False, summary=f"{_NOT_READY.get(code, 'refuses')} ({excerpt(text[1:])})", facts=facts)
