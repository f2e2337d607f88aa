# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at files over https (or in the controller's own file system) without keeping them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import BinaryIO

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import (
    Answer,
    HttpSettings,
    Source,
    SourceError,
    Transport,
    WebTransport,
    parse_source,
)
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.handles import Pace, patiently, ranged, total
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context

TIMEOUT = 30.0
STALL_TIMEOUT = 60.0


class Remote:
    """Addresses of http, https and file as handles.

    :param headers: further headers by origin, beside those of the context.
    """

    def __init__(
        self,
        context: Context,
        *,
        headers: Mapping[str, Mapping[str, str]] | None = None,
        policy: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
        transport: Transport | None = None,
    ) -> None:
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._transport = transport or WebTransport(
            HttpSettings(
                timeout=TIMEOUT,
                stall_timeout=STALL_TIMEOUT,
                ca_path=context.ca_path,
                headers={**context.headers, **(headers or {})},
            ),
            now=time.time,
        )

    def size(self, url: str) -> int:
        """Bytes of a file: as the server says, or where it does not say, by reading all of it.

        :raises DrydockError: it cannot be had.
        """
        source = source_of(url)
        with contextlib.closing(self._patiently(source)) as answer:
            found = total(answer, 0)
            return found if found is not None else _count(answer, Pace(source.shown))

    def open(self, url: str, size: int) -> BinaryIO:
        """The file, from its start."""
        source = source_of(url)
        return ranged(
            lambda offset: self._ask(source, offset), size, shown=source.shown, policy=self._policy, sleep=self._sleep
        )

    def read(self, url: str, *, limit: int) -> bytes:
        """A small file as a whole.

        :param limit: bytes; a file beyond it is refused.
        """
        source = source_of(url)
        with contextlib.closing(self._patiently(source)) as answer:
            expected = total(answer, 0)
            data, pace = bytearray(), Pace(source.shown)
            while len(data) <= limit and (piece := answer.read(65536)):
                data += piece
                pace.got(len(piece))
        if len(data) > limit:
            raise DrydockError("bad_response", f"{source.shown} is larger than {limit} bytes, which is not expected.")
        if expected is not None and len(data) != expected:
            raise DrydockError(
                "size_mismatch", f"{source.shown}: expected {expected} bytes, found {len(data)}. Lock again."
            )
        return bytes(data)

    def _patiently(self, source: Source) -> Answer:
        return patiently(lambda: self._ask(source, 0), policy=self._policy, sleep=self._sleep)

    def _ask(self, source: Source, offset: int) -> Answer:
        answer = self._transport.open(source, offset=offset, etag=None)
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if answer.status == 416 or encoding not in ("", "identity"):
            answer.close()
            why = "there is less of it than it said" if answer.status == 416 else f"encoded as {encoding!r}"
            raise SourceError("bad_response", f"{source.shown} does not send the file as it is: {why}")
        return answer


def source_of(url: str) -> Source:
    try:
        return parse_source(url)
    except ValueError as error:
        raise DrydockError("invalid_input", f"An address {error}.") from None


def _count(answer: Answer, pace: Pace) -> int:
    size = 0
    while piece := answer.read(1024 * 1024):
        size += len(piece)
        pace.got(len(piece))
    return size
