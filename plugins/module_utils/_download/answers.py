# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer claims to be. These checks save time and keep bytes from the wrong place; they prove nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._source import Answer, Source, SourceError

# As many digits as a file can have; Python refuses to read thousands of them as a number.
_DIGITS = 19
_CONTENT_RANGE = re.compile(rf"bytes (\d{{1,{_DIGITS}}})-(\d{{1,{_DIGITS}}})/(\d{{1,{_DIGITS}}}|\*)")


class WrongContentError(SourceError):
    """The source answered, but with something that is not the file."""


class StartAgainError(Exception):
    """What the server sends does not fit to what is there; ask again for the whole file, from the first byte.

    :param honest: the server never claimed to know ranges; a broken connection made this necessary.
    """

    def __init__(self, *, honest: bool = False) -> None:
        super().__init__()
        self.honest = honest


@dataclass(frozen=True)
class Request:
    """What is asked for: the bytes from ``start``, up to and without ``stop``.

    :param bounded: the request names its end.
    :param etag: the strong validator under which the other bytes came.
    """

    source: Source
    start: int
    stop: int
    bounded: bool
    etag: str | None

    @property
    def ranged(self) -> bool:
        """Asks for a part of the file only."""
        return self.bounded or self.start > 0


def judge(answer: Answer, request: Request, wanted: Wanted) -> tuple[int, int]:
    """The stretch of the file that the body is.

    :raises WrongContentError: it is not this file.
    :raises StartAgainError: it cannot be a part of what is there.
    :raises SourceError: it is nothing to work with.
    """
    source = request.source
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise SourceError(
            "bad_response", f"{source.shown} sends the file encoded as {encoding!r}, although asked not to"
        )
    if answer.status == 206 and request.ranged:
        return _judge_part(answer, request, wanted)
    if answer.status == 200:
        length = _length(answer)
        if length is not None and length != wanted.size:
            raise WrongContentError("size_mismatch", too_short(answer, source, wanted, length))
        return 0, wanted.size
    if answer.status == 416 and request.ranged:
        raise StartAgainError
    raise SourceError("bad_response", f"{source.shown} answered {answer.status} to a request for the whole file")


def _judge_part(answer: Answer, request: Request, wanted: Wanted) -> tuple[int, int]:
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    if found is None or int(found[1]) != request.start:
        raise StartAgainError
    if found[3] not in ("*", str(wanted.size)):
        # the first answer about the file tells what the file is; later ones may be of a changed one
        if request.start == 0:
            raise WrongContentError("size_mismatch", too_short(answer, request.source, wanted, int(found[3])))
        raise StartAgainError
    stop, length = int(found[2]) + 1, _length(answer)
    etag = strong_etag(answer)
    if (
        not request.start < stop <= request.stop
        or (length is not None and length != stop - request.start)
        or (request.etag and etag and etag != request.etag)
    ):
        raise StartAgainError
    return request.start, stop


def strong_etag(answer: Answer) -> str | None:
    """The validator of the answer, where it promises the same bytes."""
    etag = answer.headers.get("ETag")
    return etag if etag and etag.startswith('"') and etag.isprintable() and len(etag) <= 1024 else None


def is_chunked(answer: Answer) -> bool:
    """Does the body say itself where it ends?"""
    return answer.headers.get("Transfer-Encoding", "").lower() == "chunked"


def too_short(answer: Answer, source: Source, wanted: Wanted, found: int) -> str:
    """That another size was found, and what it probably is."""
    text = f"{source.shown}: expected {wanted.size} bytes, found {found}"
    if answer.headers.get("Content-Type", "").lower().startswith("text/html"):
        text += " of HTML (a log-in or error page instead of the file?)"
    return text


def _length(answer: Answer) -> int | None:
    declared = answer.headers.get("Content-Length", "").strip()
    return int(declared[:_DIGITS]) if declared.isascii() and declared.isdigit() else None
