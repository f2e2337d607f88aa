# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that pass between the parts of the lock: what is wanted, what a source has, what was found about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

Handle = BinaryIO
"""A file for reading with ``read``, ``seek``, ``tell`` and ``close``; bytes are fetched when they are read."""


@dataclass(frozen=True)
class FileRequest:
    """One file an operator names himself.

    :param urls: addresses in order: https, http, file, s3.
    :param sha256: the hex digest it must have, or ``None`` to take the one it has.
    :param size: bytes it must have, or ``None``.
    :param minimum_size: bytes it must have at least, or ``None`` for that of the set.
    """

    path: str
    urls: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None
    minimum_size: int | None = None


@dataclass(frozen=True)
class SetRequest:
    """One model as the inventory wants it, already checked.

    :param where: the path of the entry for messages, ``models.ocr``.
    :param source: ``hf://``, ``oci://``, ``s3://`` or ``file://``, or ``None`` when all files are named in ``files``.
    :param include: globs on the whole path; a file is wanted when one fits and none of ``exclude`` does.
    :param require: requirements on metrics by name, in text such as ``>0.7`` (read by ``gates``).
    :param licenses: allowed licences, or ``None`` for any.
    :param formats: names of allowed formats, or ``None`` for all that the policy allows.
    :param exempt: ``{checksum, reason, until}`` as in the inventory, checked.
    """

    name: str
    version: str
    where: str
    source: str | None = None
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    files: tuple[FileRequest, ...] = ()
    card_required: bool = False
    card_url: str | None = None
    require: Mapping[str, str] = field(default_factory=dict)
    licenses: tuple[str, ...] | None = None
    signature: Mapping[str, Any] | None = None
    minimum_size: int = 1
    formats: tuple[str, ...] | None = None
    exempt: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ResolvedFile:
    """One file as a source has it.

    :param size: in bytes, as the source says.
    :param sha256: the hex digest as the source says, or ``None``: then the lock reads the whole file to know it.
    :param urls: exact addresses, to be tried in this order.
    :param open: the content; raises DrydockError when it cannot be had. ``handles.RangedHandle`` makes one of ranges.
    """

    path: str
    size: int
    sha256: str | None
    urls: tuple[str, ...]
    open: Callable[[], Handle]


@dataclass(frozen=True)
class ResolvedSet:
    """A model as a source has it, at one exact revision.

    :param source: the exact address (a commit, a digest); ``SetRequest.source`` itself where nothing is more exact.
    :param files: all files of the source, include and exclude not yet applied, in any order.
    :param card: text of the model card, or ``None`` to look for ``README.md`` among the files.
    :param license: as the source itself names it beside the card, or ``None``.
    """

    source: str
    files: tuple[ResolvedFile, ...]
    card: str | None = None
    license: str | None = None


@dataclass(frozen=True)
class HashedFile:
    """A file whose digest is known. What a signature is checked against."""

    path: str
    size: int
    sha256: str
    open: Callable[[], Handle]


@dataclass(frozen=True)
class Context:
    """What a back end may use of the controller.

    :param environ: HF_ENDPOINT, HF_TOKEN, AWS_* and so on are read from here and nowhere else.
    :param base: relative paths of the inventory (keys, certificates) start here.
    :param headers: headers by origin (``https://models.example.org``), sent there only.
    :param tell: shows one line of progress to the operator.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    base: Path = field(default_factory=Path.cwd)
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ca_path: str | None = None
    tell: Callable[[str], None] = lambda _line: None


class SourceBackend(Protocol):
    """One kind of source. ``sources/<scheme>.py`` has ``def backend(context: Context) -> SourceBackend``."""

    def resolve(self, request: SetRequest, /) -> ResolvedSet:
        """Look at ``request.source``.

        :raises DrydockError: ``not_found``, ``refused`` (no access), ``unreachable``, ``extra_missing`` (a library is
            not installed), ``invalid_input``, ``bad_response``.
        """

    def look(self, path: str, url: str, /) -> ResolvedFile:
        """One file by its own address (``FileRequest.urls``).

        :raises DrydockError: as ``resolve``; also where the scheme has no addresses of single files.
        """


class SignatureCheck(Protocol):
    """``signature.verify``. Gives ``{state: verified | unsigned, method, …}`` for the lock.

    :param there: every path that the source has, whether it is wanted or not; a signed file beyond them was taken away.
    :raises DrydockError: ``signature_refused`` when it is required and missing, or there and wrong; ``extra_missing``.
    """

    def __call__(
        self,
        settings: Mapping[str, Any],
        files: Sequence[HashedFile],
        *,
        context: Context,
        there: Collection[str] | None = None,
    ) -> Mapping[str, Any]: ...
