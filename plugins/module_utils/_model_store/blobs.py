# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One blob of the store: there, missing or damaged. Only reads."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.drydock.serving.plugins.module_utils._checksum import hash_file
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import (
    Layout,
    lstat,
    require_directory,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import Receipt, receipt_of
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import FileSpec


@dataclass(frozen=True)
class Blob:
    """One wanted blob as found: ``present``, ``missing`` or ``damaged``; ``found`` says what is there instead."""

    state: str
    found: str | None = None
    receipt: Receipt | None = None
    stat: os.stat_result | None = None


def inspect_blob(layout: Layout, item: FileSpec, receipts: Mapping[str, Receipt], *, full: bool) -> Blob:
    """Judge a blob by its receipt; without a matching one, or with ``full``, by all of its bytes.

    :raises DrydockError: its bytes are right, but the given size is not.
    """
    path = layout.blob(item.sha256)
    require_directory(path.parent)
    found = lstat(path)
    if found is None:
        return Blob("missing")
    if not stat.S_ISREG(found.st_mode):
        return Blob("damaged", found="not a regular file")
    receipt = receipt_of(found)
    if not full and receipts.get(item.sha256) == receipt and found.st_size == item.size:
        return Blob("present", receipt=receipt, stat=found)
    try:
        digest = hash_file(path)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise
        return Blob("damaged", found=f"unreadable ({error.strerror})")
    if digest != item.sha256:
        return Blob("damaged", found=f"sha256:{digest}, {found.st_size} bytes")
    if found.st_size != item.size:
        raise DrydockError(
            "invalid_input",
            f"{item.path}: its size is given as {item.size} bytes, but the file with the digest sha256:{digest} has "
            f"{found.st_size}. Nothing was touched. Next step: correct 'size' (or lock the models again).",
        )
    return Blob("present", receipt=receipt, stat=found)
