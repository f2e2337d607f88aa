# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text: UTF-8 without control characters, and none that stands in for something else."""

from __future__ import annotations

import codecs
import re

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import Blob, Refusal, pieces

_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_OBJECTS = re.compile(rb"!!python/|tag:yaml\.org,2002:python/")
_OVERLAP = 64
_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,500}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
POINTER = b"version https://git-lfs.github.com/spec/"


def is_like(head: bytes) -> bool:
    """Could a file with these first bytes be text?"""
    if _CONTROL.search(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def check(blob: Blob, *, yaml: bool) -> None:
    """Read all of it.

    :param yaml: its name says that it is read as YAML.
    :raises Refusal: it is no text, or one that is refused for what it says.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    before, passed = b"", 0
    for piece in pieces(blob):
        control = _CONTROL.search(piece)
        if control:
            raise Refusal(
                "text with something else in it",
                f"byte {passed + control.start()} is the control character 0x{control.group()[0]:02x}",
            )
        try:
            decoder.decode(piece)
        except UnicodeDecodeError as error:
            raise Refusal("text that is not UTF-8", f"see byte {passed + error.start} or before") from None
        seen = before + piece
        if yaml and _OBJECTS.search(seen):
            raise Refusal("YAML that makes Python objects", "a loader that honours its tags runs what they name")
        before, passed = seen[-_OVERLAP:], passed + len(piece)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise Refusal("text that is not UTF-8", "it ends in the middle of a character") from None


def check_head(head: bytes) -> None:
    """:raises Refusal: the first bytes tell of a page, a pointer or a program."""
    if _PAGE.match(head):
        raise Refusal("an HTML page", "it is most likely a log-in or error page in place of the file")
    if head.startswith(POINTER):
        raise Refusal(
            "a Git LFS pointer", "it only says which file should be here (fetch it through the hub or git lfs)"
        )
    if head.startswith(b"#!"):
        raise Refusal("a program", "it begins with #!, and programs are no part of a model")
