# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From content to the name of a format: what the bytes are, whether their name agrees, and whether they are allowed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from ansible_collections.drydock.serving.plugins.module_utils._formats import (
    gguf,
    jsons,
    onnx,
    pickles,
    safetensors,
    small,
    tars,
    text,
    zips,
)
from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import (
    Blob,
    Budget,
    Inflated,
    Refusal,
    pieces,
)
from ansible_collections.drydock.serving.plugins.module_utils._formats.members import Member
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import Policy

HEAD = 4096
DEEPEST = 4
SMALL = 64 * 1024 * 1024
RATIO = 100
_GZIP = b"\x1f\x8b"
_SUFFIX = re.compile(r"\.([A-Za-z][A-Za-z0-9_-]{0,15})")
_BINARY = frozenset({"safetensors", "gguf", "onnx", "tflite", "tensorrt", "npy", "tokenizer"})
_SUFFIXES = {
    "safetensors": {"safetensors"},
    "gguf": {"gguf"},
    "onnx": {"onnx"},
    "tflite": {"tflite", "lite"},
    "tensorrt": {"engine", "plan", "trt"},
    "npy": {"npy"},
    "zip": {"zip", "npz"},
    "tar": {"tar"},
    "gzip": {"gz", "tgz"},
    "tokenizer": {"model", "spm", "tiktoken", "bpe"},
    "json": {"json", "sig", "sigstore"},
    "text": {
        *{"txt", "text", "md", "rst", "yaml", "yml", "toml", "ini", "cfg", "conf", "properties", "csv", "tsv", "jsonl"},
        *{"ndjson", "jinja", "jinja2", "pbtxt", "prototxt", "names", "labels", "vocab", "merges", "dict", "lst", "log"},
        *{"bib", "cff", "license", "notice", "gitattributes", "gitignore", "sha256", "sha256sum", "pem", "crt", "pub"},
        *{"lark", "gbnf", "bnf", "grammar", "tmpl", "template", "asc"},
    },
}
_ANY_BINARY = frozenset({"bin", "dat", "data", "weights"})
_TOKENIZER_NAMES = re.compile(
    r"(?:.*[._-])?(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|merges)\.(?:json|txt|model|bpe)"
    r"|.*\.(?:tiktoken|spm|bpe|vocab|merges)",
    re.IGNORECASE,
)
_CLAIMS = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes}
_KNOWN_REFUSED = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras)", "it can hold layers of Python code"),
    (b"BZh", "bzip2 data", "only zip, tar and gzip are looked through"),
    (b"\xfd7zXZ\0", "xz data", "only zip, tar and gzip are looked through"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "only zip, tar and gzip are looked through"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", "only zip, tar and gzip are looked through"),
    (b"Rar!", "a RAR archive", "only zip, tar and gzip are looked through"),
    (b"\x7fELF", "a program or library (ELF)", "programs are no part of a model"),
    (b"MZ", "a program or library (Windows)", "programs are no part of a model"),
    (b"%PDF", "a PDF document", "it is no format of models"),
    (b"\x89PNG", "an image", "it is no format of models"),
    (b"\xff\xd8\xff", "an image", "it is no format of models"),
)
_SCRIPT_LIKE = "as code or data of a program that this policy does not know"


@dataclass
class Context:
    """What goes along while archives are looked through.

    :param path: the members of archives that lead here.
    """

    policy: Policy
    size: int
    depth: int = 0
    budget: Budget = field(default_factory=lambda: Budget(0))

    def __post_init__(self) -> None:
        if not self.depth:
            self.budget = Budget(SMALL + RATIO * self.size)

    def deeper(self) -> Context:
        """The context of a member."""
        return replace(self, depth=self.depth + 1)


def suffix_of(name: str) -> str:
    """The suffix that says what a file should be, in lower case; of numbers in names (``qwen2.5``) none."""
    found = _SUFFIX.fullmatch(PurePosixPath(name).suffix)
    return found.group(1).lower() if found else ""


def identify(blob: Blob, name: str, context: Context) -> str:
    """The name of the format, an allowed one.

    :raises Refusal: it is none.
    """
    head = blob.read_at(0, HEAD)
    # P, the first byte of a zip archive, makes every stock unpickler ask for help it does not have, and end
    found = pickles.Trace() if head.startswith((zips.LOCAL, zips.END)) else pickles.trace(blob)
    binary = not text.is_like(head[:-4] if len(head) == HEAD else head)
    if found.calls or found.endless or (found.imports and (found.ends or binary)):
        raise _pickle(found)
    archive = _archive(blob, head, name, context)
    names = archive or (_binary(blob, head, name) if binary else _textual(blob, head, name))
    if not names:
        raise _unknown(blob, head, name, found)
    _check_name(name, names)
    if binary and not archive:
        _check_no_archive(blob, head, names[0], context)
    for each in names:
        if context.policy.allows(each):
            return each
    raise Refusal(
        f"the format {names[0]}",
        f"this set allows only {', '.join(sorted(context.policy.allowed or ()))} (`formats` beside the model)",
    )


def _archive(blob: Blob, head: bytes, name: str, context: Context) -> tuple[str, ...]:
    """Look through an archive, member by member; empty where it is none."""
    suffix = suffix_of(name)
    if head.startswith((zips.LOCAL, zips.END)):
        _look_through(zips.members(blob, context.budget), context)
        return ("npy", "zip") if suffix == "npz" else ("zip",)
    if head.startswith(_GZIP):
        inner = f"{name[: -len(suffix)]}tar" if suffix == "tgz" else name.removesuffix(".gz")
        _look_through([Member(PurePosixPath(inner).name or "content", _gunzip(blob, context.budget))], context)
        return ("gzip",)
    if tars.is_like(head):
        _look_through(tars.members(blob), context)
        return ("tar",)
    return ()


def _look_through(found: Iterable[Member], context: Context) -> None:
    if context.depth >= DEEPEST:
        raise Refusal("archives in archives", f"more than {DEEPEST} of them in each other are not looked through")
    empty = True
    for member in found:
        empty = empty and not member.blob.size
        if member.name.endswith("/") or not member.blob.size:
            if member.blob.size:
                raise Refusal("a damaged archive", f"directory {member.name[:200]!r} has content")
            continue
        try:
            identify(member.blob, member.name, context.deeper())
        except Refusal as refusal:
            refusal.path = (member.name[:200], *refusal.path)
            raise
    if empty:
        raise Refusal("an empty archive", "a placeholder never passes for a model")


def _gunzip(blob: Blob, budget: Budget) -> Blob:
    """What one gzip stream gives; it is inflated once to learn how much that is."""
    size = 0
    for piece in zips.inflate(blob, zlib.MAX_WBITS | 16):
        size += len(piece)
        budget.spend(len(piece))
    return Inflated(lambda: zips.inflate(blob, zlib.MAX_WBITS | 16), size, budget)


def _pickle(found: pickles.Trace) -> Refusal:
    return Refusal(found.words, "loading a pickle runs the code it brings, so none is let in, whatever its name")


def _binary(blob: Blob, head: bytes, name: str) -> tuple[str, ...]:
    checks: tuple[tuple[str, bool, Callable[[Blob], None]], ...] = (
        ("safetensors", safetensors.is_like(head, blob.size), safetensors.check),
        ("gguf", head.startswith(gguf.MAGIC), gguf.check),
        ("tflite", head[4:8] == small.TFLITE, small.check_tflite),
        ("tensorrt", head.startswith(small.TENSORRT), small.check_tensorrt),
        ("npy", head.startswith(small.NUMPY), small.check_npy),
    )
    for each, likely, check in checks:
        if likely:
            check(blob)
            return (each,)
    return _protobuf(blob, name)


def _protobuf(blob: Blob, name: str) -> tuple[str, ...]:
    """These have no magic; a name that claims one is told why it is not."""
    claim = _CLAIMS.get(suffix_of(name))
    for each, check in (("onnx", onnx.check_onnx), ("tokenizer", onnx.check_sentencepiece)):
        try:
            check(blob)
        except Refusal as refusal:  # noqa: PERF203 - two tries
            if "elsewhere" in refusal.found or (claim == each and blob.read_at(0, 1) in (b"\x08", b"\x0a")):
                raise
        else:
            return (each,)
    return ()


def _textual(blob: Blob, head: bytes, name: str) -> tuple[str, ...]:
    text.check_head(head)
    suffix = suffix_of(name)
    claimed = _TOKENIZER_NAMES.fullmatch(PurePosixPath(name).name)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") and _is_json(blob, suffix):
        return ("tokenizer", "json") if claimed else ("json",)
    text.check(blob, yaml=suffix in ("yaml", "yml"))
    return ("tokenizer", "text") if claimed else ("text",)


def _is_json(blob: Blob, suffix: str) -> bool:
    """:raises Refusal: it should be, and is not."""
    if suffix and suffix not in _SUFFIXES["json"]:
        return False
    if blob.size > jsons.LONGEST:
        raise Refusal("JSON without measure", f"it has {blob.size} bytes; at most {jsons.LONGEST} are read")
    try:
        jsons.check(pieces(blob))
    except Refusal:
        if suffix:
            raise
        return False
    return True


def _check_name(name: str, names: tuple[str, ...]) -> None:
    """:raises Refusal: the suffix says otherwise, so whatever reads the file by its name would take it for that."""
    suffix = suffix_of(name)
    if not suffix or any(suffix in _SUFFIXES[each] for each in names):
        return
    if suffix in _ANY_BINARY and names[0] in _BINARY:
        return
    if "json" in names and suffix in _SUFFIXES["text"]:
        return
    claim = _CLAIMS.get(suffix)
    what = {"json": "JSON", "text": "text"}.get(names[-1], f"a {names[0]} file")
    if claim is None and names[0] not in ("text", "json"):
        what = f"a {names[0]} file under another name"
    says = f"says {claim}" if claim else "is not one of a model file that can be allowed"
    raise Refusal(what, f"its suffix .{suffix} {says}, and a program goes by that")


def _check_no_archive(blob: Blob, head: bytes, name: str, context: Context) -> None:
    """:raises Refusal: it is an archive, too, which some readers would take it for."""
    if tars.is_like(head):
        raise Refusal(f"a {name} file that is a tar archive, too", "what it holds depends on which program reads it")
    tail = blob.read_at(max(0, blob.size - zips.TAIL), zips.TAIL)
    if zips.end_of(tail) is not None:
        if name == "tflite":  # its labels travel as an archive behind it
            _look_through(zips.members(blob, context.budget, appended=True), context)
            return
        raise Refusal(f"a {name} file that is a zip archive, too", "what it holds depends on which program reads it")


def _unknown(blob: Blob, head: bytes, name: str, found: pickles.Trace) -> Refusal:
    if found.ends or found.imports or (found.protocol is not None and found.protocol <= 5):
        return _pickle(found)
    for magic, what, why in _KNOWN_REFUSED:
        if head.startswith(magic):
            return Refusal(what, why)
    if suffix_of(name) == "safetensors":
        safetensors.check(blob)
    return Refusal("data of no known format", "only formats that can be recognised and checked are let in")
