# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a genuine signature covers, compared with the files of a set."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import HashedFile

_CHUNK = 1024 * 1024
_SHARDED = "-sharded-"  # in the names of the library's digests, before the size of a shard


@dataclass(frozen=True)
class Coverage:
    """Paths, sorted.

    :param wrong: signed with other content.
    :param uncovered: in the set and not signed, or not to the end.
    :param missing: signed and not in the set.
    """

    wrong: tuple[str, ...]
    uncovered: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """One stretch of a file that was signed; ``end`` is ``None`` for the whole of it."""

    algorithm: str
    digest: str
    start: int = 0
    end: int | None = None


def compare(manifest: Any, files: Iterable[HashedFile]) -> Coverage:
    """Judge each file by the digests that were signed.

    :param manifest: the library's ``Manifest``.
    :raises DrydockError: ``signature_refused`` for digests that are not known here; or what reading a file raises.
    """
    pieces = _pieces(manifest)
    wrong, uncovered, seen = [], [], set()
    for item in files:
        seen.add(item.path)
        signed = pieces.get(item.path, [])
        if not _covers(signed, item.size):
            uncovered.append(item.path)
        elif not _same(signed, item):
            wrong.append(item.path)
    return Coverage(
        wrong=tuple(sorted(wrong)), uncovered=tuple(sorted(uncovered)), missing=tuple(sorted(set(pieces) - seen))
    )


def some(paths: Sequence[str]) -> str:
    """Paths for a message."""
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return ", ".join(paths[:5]) + more


def _pieces(manifest: Any) -> Mapping[str, list[Piece]]:
    in_shards = manifest.serialization_type.get("method") == "shards"
    found: dict[str, list[Piece]] = {}
    for item in manifest.resource_descriptors():
        path, start, end = str(item.identifier), 0, None
        if in_shards:
            path, begins, ends = path.rsplit(":", 2)
            start, end = int(begins), int(ends)
        algorithm = str(item.digest.algorithm).partition(_SHARDED)[0]
        found.setdefault(path, []).append(
            Piece(algorithm=algorithm, digest=str(item.digest.digest_hex), start=start, end=end)
        )
    return {path: sorted(pieces, key=lambda piece: piece.start) for path, pieces in found.items()}


def _covers(pieces: Sequence[Piece], size: int) -> bool:
    """Whether pieces follow one another from the first byte to the last or beyond."""
    if not pieces:
        return False
    if pieces[0].end is None:
        return True
    reached = 0
    for piece in pieces:
        if piece.start != reached:
            return False
        reached = piece.end or 0
    return reached >= size


def _same(pieces: Sequence[Piece], item: HashedFile) -> bool:
    if len(pieces) == 1 and pieces[0].end is None and pieces[0].algorithm == "sha256":
        return pieces[0].digest == item.sha256
    whole = hashlib.sha256()  # of what is read here: it has to be what hosts will get, not only what was signed
    with contextlib.closing(item.open()) as handle:
        for piece in pieces:
            digest = _engine(piece.algorithm)()
            left = (item.size if piece.end is None else piece.end) - piece.start
            while left > 0:
                data = handle.read(min(_CHUNK, left))
                if not data:
                    return False
                digest.update(data)
                whole.update(data)
                left -= len(data)
            if digest.hexdigest() != piece.digest:
                return False
        return not handle.read(1) and whole.hexdigest() == item.sha256


def _engine(algorithm: str) -> Callable[[], Any]:
    if algorithm == "blake3":
        import blake3  # noqa: PLC0415 - comes with model-signing

        engine: Callable[[], Any] = blake3.blake3
        return engine
    engines: Mapping[str, Callable[[], Any]] = {"sha256": hashlib.sha256, "blake2b": hashlib.blake2b}
    if algorithm not in engines:
        raise DrydockError(
            "signature_refused",
            f"The signature uses digests of a kind that is not known here ({algorithm[:40]!r}); expected sha256, "
            "blake2b or blake3.",
        )
    return engines[algorithm]
