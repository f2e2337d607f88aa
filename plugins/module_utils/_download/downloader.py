# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring one file of known size and sha256 into a ``.part`` file, from the first source that really has it.

Whatever servers say about ranges, lengths and types only decides how much is asked again; the size and the digest of
the received bytes are the judge. What was received survives a kill: the next call reads it once and goes on behind it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._checksum import CHUNK
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import Clock, DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, Source, SourceError, Transport
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy

# A connection that brought this much starts the count of tries again; crumbs must not hold us for ever.
PROGRESS = 512 * 1024
# What is in the hands of the HTTP library when a connection breaks is lost, so it gets little at a time.
PIECE = 128 * 1024
# As many digits as a file can have; Python refuses to read thousands of them as a number.
_DIGITS = 19
_CONTENT_RANGE = re.compile(rf"bytes (\d{{1,{_DIGITS}}})-(\d{{1,{_DIGITS}}})/(\d{{1,{_DIGITS}}}|\*)")


class WrongContentError(SourceError):
    """The source answered, but with something that is not the file."""


class _StartAgainError(Exception):
    """What the server sends does not continue what is there; ask again from the first byte."""


class Downloader:
    """Completes part files from sources.

    :param progress: told what arrives.
    """

    def __init__(
        self,
        transport: Transport,
        policy: RetryPolicy,
        *,
        clock: Clock,
        limits: DownloadLimits | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._transport = transport
        self._policy = policy
        self._limits = limits or DownloadLimits()
        self._sleep = clock.sleep
        self._progress = progress
        self.received = 0
        """Bytes received from sources so far, wrong and repeated ones included."""

    def fetch_all(
        self,
        items: Sequence[Wanted],
        *,
        part_of: Callable[[str], PartFiles],
        finish: Callable[[Wanted, PartFiles], None],
        locate: Callable[[Wanted], Sequence[Source]] | None = None,
    ) -> None:
        """Complete the part files of all items; the first failure ends it, parts stay for the next call.

        :param part_of: where the bytes of a digest grow.
        :param finish: called with each file whose bytes are right and on the disk, from any thread.
        :param locate: the ordered sources of a file, asked just before it is fetched; default the item's own.
        :raises DrydockError: a file could not be fetched.
        """
        if self._progress is not None:
            self._progress.begin(
                len(items),
                sum(item.size for item in items),
                sum(min(item.size, part_of(item.sha256).size()) for item in items),
            )
        for item in items:
            part = part_of(item.sha256)
            self.fetch(item if locate is None else replace(item, sources=tuple(locate(item))), part)
            descriptor = os.open(part.data, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            finish(item, part)
            if self._progress is not None:
                self._progress.done(item.label)

    def fetch(self, wanted: Wanted, part: PartFiles) -> Source:
        """Complete the part file; gives the source it was finished from.

        Sources are tried in order. A wrong content drops the part and moves on once; the second one ends it.

        :raises DrydockError: no source had it, or the disk is full (the part is then removed to give the room back).
        """
        failures: list[SourceError] = []
        wrong = 0
        for source in wanted.sources:
            failure = self._try(source, wanted, part)
            if failure is None:
                return source
            failures.append(failure)
            wrong += isinstance(failure, WrongContentError)
            if wrong == 2:
                break
        raise _explain(wanted, failures)

    def _try(self, source: Source, wanted: Wanted, part: PartFiles) -> SourceError | None:
        try:
            self._from_source(source, wanted, part)
        except SourceError as error:
            return error
        return None

    def _from_source(self, source: Source, wanted: Wanted, part: PartFiles) -> None:
        failures = 0
        forgiven = False
        while True:
            start, before = part.size(), self.received
            try:
                self._attempt(source, wanted, part)
                return
            except WrongContentError:
                part.drop()
                # bytes of an earlier connection are under suspicion too: once from zero before this source is blamed
                if not start or forgiven:
                    raise
                forgiven = True
            except _StartAgainError:
                part.drop()
                if forgiven:
                    raise SourceError("bad_response", f"{source.shown} does not honour ranges consistently") from None
                forgiven = True
            except SourceError as error:
                failures = 1 if self.received - before >= PROGRESS else failures + 1
                pause = self._policy.pause(failures, asked=error.retry_after) if error.retryable else None
                if pause is None:
                    raise _after(error, failures) from None
                self._sleep(pause)

    def _attempt(self, source: Source, wanted: Wanted, part: PartFiles) -> None:
        part.data.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(part.data, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as handle:
            offset, digest = _digest_of(handle, wanted.size)
            if offset < wanted.size:
                answer = self._transport.open(
                    source, offset=offset, etag=_remembered(part.sidecar, source) if offset else None
                )
                with contextlib.closing(answer):
                    if offset and not _continues(answer, offset, wanted.size):
                        offset, digest = 0, hashlib.sha256()
                        handle.seek(0)
                        handle.truncate()
                    _judge_headers(answer, source, wanted, offset)
                    _remember(part.sidecar, source, answer.headers.get("ETag"))
                    self._receive(answer, source, wanted, handle=handle, offset=offset, digest=digest)
        found = digest.hexdigest()
        if found != wanted.sha256:
            raise WrongContentError(
                "checksum_mismatch", f"{source.shown}: expected sha256:{wanted.sha256}, found sha256:{found}"
            )

    def _receive(
        self, answer: Answer, source: Source, wanted: Wanted, *, handle: BinaryIO, offset: int, digest: hashlib._Hash
    ) -> None:
        have = offset
        while True:
            data = answer.read(min(PIECE, wanted.size - have + 1))
            if not data:
                break
            self.received += len(data)
            have += len(data)
            if have > wanted.size:
                raise WrongContentError("size_mismatch", f"{source.shown}: expected {wanted.size} bytes, found more")
            digest.update(data)
            _write(handle, data, wanted)
        if have < wanted.size:
            if answer.headers.get("Transfer-Encoding", "").lower() == "chunked":
                raise WrongContentError("size_mismatch", _too_short(answer, source, wanted, have))
            raise SourceError(
                "interrupted",
                f"{source.shown}: the connection ended after {have} of {wanted.size} bytes",
                retryable=True,
            )


def _digest_of(handle: BinaryIO, size: int) -> tuple[int, hashlib._Hash]:
    """Read what an earlier connection left; more than the file can have is dropped."""
    digest = hashlib.sha256()
    have = 0
    while True:
        data = handle.read(CHUNK)
        if not data:
            return have, digest
        have += len(data)
        if have > size:
            handle.seek(0)
            handle.truncate()
            return 0, hashlib.sha256()
        digest.update(data)


def _write(handle: BinaryIO, data: bytes, wanted: Wanted) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[handle.write(view) :]
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        with contextlib.suppress(OSError):
            handle.truncate(0)
        raise DrydockError(
            "no_space",
            f"{wanted.label}: the disk became full while receiving {wanted.size} bytes ({error.strerror}). "
            "What was received is removed again and what serves now is untouched. "
            "Next step: find what else fills that file system, make room, run again.",
        ) from None


def _continues(answer: Answer, offset: int, size: int) -> bool:
    """Does the answer go on at ``offset``? False: it is the whole file from its start."""
    if answer.status == 200:
        return False
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    if answer.status == 206 and found and int(found[1]) == offset and found[3] in ("*", str(size)):
        return True
    raise _StartAgainError


def _judge_headers(answer: Answer, source: Source, wanted: Wanted, offset: int) -> None:
    """End early what cannot become the file. These checks save time; they prove nothing."""
    if answer.status != (206 if offset else 200):
        raise SourceError("bad_response", f"{source.shown} answered {answer.status} to a request for the whole file")
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise SourceError(
            "bad_response", f"{source.shown} sends the file encoded as {encoding!r}, although asked not to"
        )
    declared = answer.headers.get("Content-Length", "").strip()
    if declared.isascii() and declared.isdigit():
        length = offset + int(declared[:_DIGITS])
        if length != wanted.size:
            raise WrongContentError("size_mismatch", _too_short(answer, source, wanted, length))


def _too_short(answer: Answer, source: Source, wanted: Wanted, found: int) -> str:
    text = f"{source.shown}: expected {wanted.size} bytes, found {found}"
    if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
        text += " of HTML (a log-in or error page instead of the file?)"
    return text


def _key(source: Source) -> str:
    """Names a source in a side-car without writing down a secret of its query."""
    return hashlib.sha256(source.shown.encode()).hexdigest()


def _remembered(sidecar: Path, source: Source) -> str | None:
    """The strong ETag under which this source sent what is there."""
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    etag = content.get("etag") if isinstance(content, Mapping) and content.get("source") == _key(source) else None
    return etag if isinstance(etag, str) else None


def _remember(sidecar: Path, source: Source, etag: str | None) -> None:
    strong = etag if etag and not etag.startswith("W/") and etag.isprintable() else None
    write_json(sidecar, {"etag": strong, "source": _key(source)})


def _after(error: SourceError, tries: int) -> SourceError:
    return SourceError(error.kind, f"{error.message} ({tries} tries)") if error.retryable and tries > 1 else error


def _explain(wanted: Wanted, failures: list[SourceError]) -> DrydockError:
    wrong = [error for error in failures if isinstance(error, WrongContentError)]
    tell = (wrong or failures)[-1]
    lines = "; ".join(error.message for error in failures)
    if wrong:
        advice = (
            "Nothing of it was kept. Either the source has other bytes than were locked, or something between changes "
            "them. Next step: compare with what its author publishes, then correct source or lock."
        )
    else:
        advice = "Next step: try the address from this host (curl -I), or add a second source to 'urls'."
    return DrydockError(
        tell.kind,
        f"{wanted.label} could not be fetched: {lines}. What serves now is untouched. {advice}",
        file=wanted.label,
        expected=f"sha256:{wanted.sha256}",
        sources=[error.message for error in failures],
    )
