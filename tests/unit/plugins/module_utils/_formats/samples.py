# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small sound files of every format, made by hand, and what is put around or in place of them."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.inspect import inspect_stream
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import Policy


def judged(content: bytes, name: str, policy: Policy | None = None) -> str:
    """The format, or why it is refused."""
    try:
        return inspect_stream(io.BytesIO(content), len(content), name, policy or Policy())
    except DrydockError as error:
        if (error.kind, error.details["file"]) != ("format_refused", name):
            raise
        return error.message


def safetensors(header: Mapping[str, Any] | bytes, data: bytes) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def tensor(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def gguf_string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def gguf(*, tensors: int = 1, pairs: bytes = b"", count: int = 0, data: bytes = b"\1" * 8, version: int = 3) -> bytes:
    """A model with one tensor of two numbers, unless told otherwise."""
    body = b"GGUF" + struct.pack("<IQQ", version, tensors, count) + pairs
    if tensors:
        body += gguf_string(b"weight") + struct.pack("<IQIQ", 1, 2, 0, 0)
        body += bytes(-len(body) % 32)
    return body + data


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def onnx(*, location: bytes | None = None, deep: bool = False) -> bytes:
    """A model with one node and one tensor, whose data may lie in another file."""
    outside = b"" if location is None else field(13, field(1, b"location") + field(2, location)) + field(14, 1)
    weight = field(1, 2) + field(2, 1) + field(8, b"w") + (outside or field(9, b"\0" * 8))
    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity")
    graph = field(1, field(1, b"x") + field(4, b"If") + field(5, field(1, b"t") + field(6, field(5, weight))))
    graph = graph if deep else field(1, node) + field(5, weight)
    return field(1, 8) + field(2, b"by hand") + field(7, graph) + field(8, field(2, 17))


def sentencepiece() -> bytes:
    pieces = b"".join(field(1, field(1, word) + b"\x15" + struct.pack("<f", -1.5)) for word in (b"<unk>", b"_the"))
    return pieces + field(2, field(3, 1) + field(4, 32)) + field(3, field(1, b"nmt_nfkc"))


def tflite() -> bytes:
    vtable = struct.pack("<5H", 10, 12, 4, 0, 8) + b"\0\0"
    root = struct.pack("<iII", 12, 3, 4)
    return struct.pack("<I4s", 20, b"TFL3") + vtable + root + struct.pack("<II", 1, 4) + bytes(24)


def npy(descr: str = "<f4", shape: str = "(2,)", data: bytes = bytes(8)) -> bytes:
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return whole.getvalue()


def tarred(members: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=form) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


SAFETENSORS = safetensors(
    {"__metadata__": {"format": "pt"}, "a": tensor("F32", [2], 0, 8), "b": tensor("BF16", [1, 3], 8, 14)}, bytes(14)
)
TENSORRT = b"ftrt" + bytes(100)
JSON = b'{"model_type": "bert", "layers": [1, 2.5e3, true, null], "name": "\\u00e9\\n"}\n'
TEXT = "# A model\n\nIt reads text. Ünïcode ✓\n".encode()

SOUND: dict[str, tuple[bytes, str]] = {
    "model.safetensors": (SAFETENSORS, "safetensors"),
    "model-00001-of-00002.bin": (SAFETENSORS, "safetensors"),
    "qwen2.5-7b-q4.gguf": (gguf(), "gguf"),
    "old.gguf": (gguf(version=2), "gguf"),
    "vocabulary-only.gguf": (gguf(tensors=0, data=b""), "gguf"),
    "det.onnx": (onnx(), "onnx"),
    "model.tflite": (tflite(), "tflite"),
    "rec.engine": (TENSORRT, "tensorrt"),
    "1/model.plan": (TENSORRT, "tensorrt"),
    "mean.npy": (npy(), "npy"),
    "statistics.npz": (zipped({"mean.npy": npy(), "std.npy": npy()}), "npy"),
    "config.json": (JSON, "json"),
    "model.safetensors.index.json": (JSON, "json"),
    "chat_template.json": (b'  ["a"]', "json"),
    "model.sig": (JSON, "json"),
    "tokenizer.json": (JSON, "tokenizer"),
    "tokenizer_config.json": (JSON, "tokenizer"),
    "vocab.txt": (b"[PAD]\n[UNK]\nthe\n", "tokenizer"),
    "merges.txt": ("#version: 0.2\nĠ t\nĠ a\n".encode(), "tokenizer"),
    "cl100k.tiktoken": (b"IQ== 0\nIg== 1\n", "tokenizer"),
    "tokenizer.model": (sentencepiece(), "tokenizer"),
    "llama/tokenizer.model": (b"IQ== 0\nIg== 1\n", "tokenizer"),
    "README.md": (TEXT, "text"),
    "LICENSE": (TEXT, "text"),
    "LICENSE-2.0": (TEXT, "text"),
    ".gitattributes": (b"*.bin filter=lfs\n", "text"),
    "config.pbtxt": (b'name: "ocr"\nplatform: "onnxruntime_onnx"\n', "text"),
    "chat.jinja": (b"{% for m in messages %}{{ m }}{% endfor %}", "text"),
    "config": (b"[main]\na = 1\n", "text"),
    "Modelfile": (b"{{ .System }}\n", "text"),
    "labels.csv": (b"id,label\n1,cat\n", "text"),
    "config.yaml": (b"a: 1\n", "text"),
    "with-mark.txt": (b"\xef\xbb\xbfhello\n", "text"),
    "set.zip": (zipped({"a/config.json": JSON, "a/README.md": TEXT * 500}), "zip"),
    "stored.zip": (zipped({"in.zip": zipped({"config.json": JSON}), "w.onnx": onnx()}, zipfile.ZIP_STORED), "zip"),
    "set.tar": (tarred({"a/config.json": JSON, "b" * 150 + ".txt": TEXT}), "tar"),
    "gnu.tar": (tarred({"a/model.onnx": onnx(), "b" * 150 + ".txt": TEXT}, tarfile.GNU_FORMAT), "tar"),
    "set.tar.gz": (gzipped(tarred({"a/model.safetensors": SAFETENSORS})), "gzip"),
    "set.tgz": (gzipped(tarred({"a/model.safetensors": SAFETENSORS})), "gzip"),
    "vocab.txt.gz": (gzipped(TEXT), "gzip"),
}
"""Name in a set -> content and the format it must be taken for."""
