# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which format a file is of, by its content, and whether a set may hold it.

Runs on hosts before a file gets its name in the store, and on the controller when models are locked. Formats that no
program can be made to run by loading them are allowed, and everything else is refused: lists of what is bad in a pickle
have been got round again and again (protectai/modelscan issues 330, 331, 338, 354), a list of what is allowed has not.
"""

from __future__ import annotations

import datetime
import os
import stat
from pathlib import Path
from typing import BinaryIO

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import Blob, FileBlob, Refusal
from ansible_collections.drydock.serving.plugins.module_utils._formats.detect import Context, identify
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import EXEMPT, WAY_OUT, Policy, check

READ_WHOLE = frozenset({"json", "text", "tokenizer", "gzip"})
"""Formats that are told only by every byte. Of the others a few stretches are read, as far apart as their parts."""


def judge(path: Path, name: str, policy: Policy, *, sha256: str, today: datetime.date) -> str:
    """The format of a file on disk, or ``exempt`` where its digest is let through today.

    :param name: the path in the set, for its suffix and for messages.
    :raises DrydockError: kind ``format_refused``.
    """
    size = path.stat().st_size
    _check_size(name, size, policy)
    if check(policy, sha256, today, name=name) is not None:
        return EXEMPT
    return inspect(path, name, policy)


def inspect(path: Path, name: str, policy: Policy) -> str:
    """The format of a file on disk; exemptions are not asked, see ``judge``.

    :raises DrydockError: kind ``format_refused``.
    :raises OSError: the file cannot be read; a symbolic link is not followed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise _refused(name, Refusal("no regular file", "only files can be in a set"), exemptible=False)
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        return inspect_stream(handle, found.st_size, name, policy)


def inspect_stream(handle: BinaryIO, size: int, name: str, policy: Policy) -> str:
    """The format of ``size`` bytes behind a seekable handle.

    The handle may read from far away: it is asked for 64 KiB or more at a time, forwards where the format allows it.
    ``READ_WHOLE`` says which formats need all bytes.

    :raises DrydockError: kind ``format_refused``, with the file, what was found, why that is refused and the next step.
    """
    _check_size(name, size, policy)
    try:
        blob: Blob = FileBlob(handle, size)
        return identify(blob, name, Context(policy, size))
    except Refusal as refusal:
        raise _refused(name, refusal) from None


def _check_size(name: str, size: int, policy: Policy) -> None:
    if size == 0:
        raise _refused(name, Refusal("an empty file", "a placeholder never passes for a model"), exemptible=False)
    if size < policy.minimum_size:
        refusal = Refusal(
            f"a file of {size} bytes", f"at least {policy.minimum_size} are demanded of it (minimum_size)"
        )
        raise _refused(name, refusal, exemptible=False)


def _refused(name: str, refusal: Refusal, *, exemptible: bool = True) -> DrydockError:
    where = " -> ".join((name, *refusal.path))
    step = "Next step: take the file in an allowed format (safetensors, GGUF, ONNX ...) from its author"
    if not exemptible:
        step = "Next step: ask its author for the real file, and correct the source or the lock"
    return DrydockError(
        "format_refused",
        f"{where}: found {refusal.found}, which is refused: {refusal.reason}. "
        f"{step}{', ' + WAY_OUT if exemptible else ''}.",
        file=name,
        found=refusal.found,
        reason=refusal.reason,
    )
