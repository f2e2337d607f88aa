# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is let in, what is refused, and what a refusal says."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.inspect import (
    READ_WHOLE,
    inspect,
    inspect_stream,
)
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import FORMATS, Policy

from tests.unit.plugins.module_utils._formats.samples import (
    JSON,
    SAFETENSORS,
    SOUND,
    TENSORRT,
    TEXT,
    field,
    gguf,
    gguf_string,
    judged,
    npy,
    onnx,
    safetensors,
    sentencepiece,
    tarred,
    tensor,
    tflite,
    zipped,
)


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_is_told_by_its_content(name: str) -> None:
    content, expected = SOUND[name]
    assert judged(content, name) == expected


@pytest.mark.parametrize("name", SOUND)
def test_no_byte_may_be_missing_from_the_end_of_a_sound_file_that_states_its_length(name: str) -> None:
    content, expected = SOUND[name]
    if expected not in ("tensorrt", "text", "tokenizer", "tflite"):
        assert "which is refused" in judged(content.rstrip()[:-1], name)


def test_every_format_has_a_sample_and_a_page_that_needs_no_more_than_its_name() -> None:
    assert {expected for _content, expected in SOUND.values()} == set(FORMATS)
    assert set(FORMATS) >= READ_WHOLE


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "empty": ("model.onnx", b"", "an empty file"),
    "text for weights": ("model.safetensors", TEXT, "its suffix .safetensors says safetensors"),
    "text for a network": ("model.onnx", TEXT, "its suffix .onnx says onnx"),
    "an error page": ("model.onnx", b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "an HTML page"),
    "an error page as text": ("README.md", b"\n <html>", "an HTML page"),
    "a pointer": (
        "model.safetensors",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n",
        "Git LFS pointer",
    ),
    "a pointer as text": (
        "vocab.txt",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n",
        "Git LFS pointer",
    ),
    "a script": ("install", b"#!/bin/sh\nrm -rf /\n", "a program"),
    "Python": ("modeling_custom.py", b"import os\n", "its suffix .py is not one of a model file"),
    "a notebook": ("demo.ipynb", JSON, "its suffix .ipynb is not one of a model file"),
    "a network as JSON": ("config.json", onnx(), "its suffix .json says json"),
    "weights named pickle": ("model.pkl", SAFETENSORS, "its suffix .pkl is not one of a model file"),
    "JSON for weights": ("model.gguf", JSON, "its suffix .gguf says gguf"),
    "an archive for a network": ("model.onnx", zipped({"a.txt": TEXT}), "its suffix .onnx says onnx"),
    "weights for a network": ("model.onnx", SAFETENSORS, "its suffix .onnx says onnx"),
    "zeros": ("model.bin", bytes(4096), "data of no known format"),
    "noise": ("model.bin", bytes(range(255, -1, -1)) * 9, "data of no known format"),
    "HDF5": ("weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "Keras": ("model.keras", zipped({"config.json": JSON, "model.weights.h5": b"\x89HDF\r\n\x1a\n\0"}), "HDF5"),
    "a library": ("op.so", b"\x7fELF\2\1\1" + bytes(100), "ELF"),
    "a library in an archive": ("set.zip", zipped({"a/op.onnx": b"\x7fELF\2\1\1" + bytes(100)}), "ELF"),
    "bzip2": ("model.tar.bz2", b"BZh91AY&SY" + bytes(50), "bzip2"),
    "latin-1": ("README.md", "Größe".encode("latin-1"), "is refused"),
    "late latin-1": ("README.md", b"a" * 9000 + b"\xe4", "not UTF-8"),
    "late control": ("README.md", b"a" * 9000 + b"\0", "control character 0x00"),
    "objects in YAML": ("config.yaml", b"a: !!python/object/apply:os.system [id]\n", "Python objects"),
    "broken JSON": ("config.json", b'{"a": 1,}', "damaged JSON"),
    "JSON and more": ("config.json", b'{"a": 1} x', "something follows it"),
    "deep JSON": ("config.json", b"[" * 300 + b"]" * 300, "deeper than 256"),
    "endless number": ("config.json", b"[" + b"1" * 100_000 + b"]", "a number of more than"),
    "big-endian GGUF": ("m.gguf", b"GGUF\0\0\0\3" + bytes(16), "version"),
    "GGUF of too many": ("m.gguf", b"GGUF" + b"\3\0\0\0" + b"\xff" * 16, "more than it can hold"),
    "GGUF and more": ("m.gguf", gguf(data=b"\1" * 50), "42 bytes before its end"),
    "GGUF cut": ("m.gguf", gguf(data=b"\1" * 7), "behind its last byte"),
    "GGUF with a strange value": (
        "m.gguf",
        gguf(pairs=gguf_string(b"k") + b"\x63\0\0\0" + bytes(8), count=1),
        "type 99",
    ),
    "an endless array": (
        "m.gguf",
        gguf(pairs=gguf_string(b"k") + b"\x09\0\0\0\x08\0\0\0" + b"\xff" * 7 + b"\0", count=1),
        "announces an array",
    ),
    "ONNX without a graph": ("m.onnx", field(1, 8) + field(2, b"by hand"), "it has no graph"),
    "ONNX with a strange field": ("m.onnx", onnx() + field(99, b"x"), "which the format lacks"),
    "ONNX cut": ("m.onnx", onnx()[:-1], "it announces"),
    "engine without content": ("m.engine", b"ftrt" + bytes(10), "right behind its magic"),
    "TFLite pointing out": ("m.tflite", b"\xff\xff\xff\x7fTFL3" + bytes(60), "outside its"),
    "TFLite without sub-graphs": ("m.tflite", tflite()[:32] + bytes(32), "announces 0 sub-graphs"),
    "tokenizer without pieces": ("t.model", sentencepiece()[:14], "no trainer_spec"),
    "array and more": ("a.npy", npy(data=bytes(9)), "its header accounts for 8 bytes, and 9 follow"),
    "array of structures": ("a.npy", npy("[('a', '<f4')]"), "one plain type"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_is_refused(case: str) -> None:
    name, content, reason = REFUSED[case]
    message = judged(content, name)
    assert reason in message
    assert message.startswith(name)


HEADERS: dict[str, tuple[bytes, str]] = {
    "hole": (safetensors({"a": tensor("U8", [1], 0, 1), "b": tensor("U8", [1], 2, 3)}, bytes(3)), "leave a hole"),
    "overlap": (safetensors({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, bytes(3)), "overlap"),
    "outside": (safetensors({"a": tensor("U8", [9], 0, 9)}, bytes(3)), "do not fit U8"),
    "wrong size": (safetensors({"a": tensor("F32", [2], 0, 4)}, bytes(4)), "do not fit F32"),
    "huge shape": (safetensors({"a": tensor("F32", [10**18] * 30, 0, 4)}, bytes(4)), "do not fit F32"),
    "negative": (safetensors({"a": tensor("F32", [-1], 0, 4)}, bytes(4)), "whole numbers"),
    "unknown dtype": (safetensors({"a": tensor("Q8", [4], 0, 4)}, bytes(4)), "unknown dtype"),
    "no shape": (safetensors({"a": {"dtype": "U8", "data_offsets": [0, 1]}}, b"x"), "lacks its shape"),
    "extra key": (safetensors({"a": {**tensor("U8", [1], 0, 1), "hook": "x"}}, b"x"), "expected dtype"),
    "more behind": (safetensors({"a": tensor("U8", [1], 0, 1)}, b"xyz"), "2 more bytes follow"),
    "no object": (safetensors(b'{"a": 3}', b""), "is no object"),
    "metadata of numbers": (safetensors({"__metadata__": {"a": 1}}, b""), "other than strings"),
    "twice": (safetensors(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],'
                          b'"data_offsets":[0,0]}}', b""), "twice"),
    "broken header": (safetensors(b'{"a": ', b""), "its header is not as it must be"),
    "long header": (b"\xff\xff\xff\x7f\0\0\0\0{" + bytes(100), "header is said to have 2147483647 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_a_safetensors_header_that_does_not_add_up_is_refused(case: str) -> None:
    content, reason = HEADERS[case]
    message = judged(content, "model.safetensors")
    assert reason in message
    assert "a damaged safetensors file" in message


def test_tensors_may_be_listed_in_any_order_and_be_empty() -> None:
    header = {"b": tensor("U8", [2], 1, 3), "a": tensor("BOOL", [1], 0, 1), "c": tensor("F64", [0, 9], 3, 3)}
    assert judged(safetensors(header, bytes(3)), "model.safetensors") == "safetensors"


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("location", [b"/etc/passwd", b"../secrets.bin", b"a/../../b", b"a\\b", b"C:\\x", b""])
def test_a_network_that_reads_files_outside_its_directory_is_refused(location: bytes, deep: bool) -> None:
    assert "an ONNX model with data elsewhere" in judged(onnx(location=location, deep=deep), "m.onnx")


@pytest.mark.parametrize("location", [b"weights.bin", b"./weights.bin", b"data/weights.bin"])
def test_a_network_may_have_its_data_beside_it(location: bytes) -> None:
    assert judged(onnx(location=location, deep=True), "m.onnx") == "onnx"


def test_a_refusal_says_file_finding_reason_and_way_out() -> None:
    with pytest.raises(DrydockError) as caught:
        inspect_stream(io.BytesIO(TEXT), len(TEXT), "model.onnx", Policy())
    assert caught.value.message == (
        "model.onnx: found text, which is refused: its suffix .onnx says onnx, and a program goes by that. Next step: "
        "take the file in an allowed format (safetensors, GGUF, ONNX ...) from its author, leave it out when nothing "
        "needs it (`exclude`), or, when you know it and need it as it is, exempt its digest with a reason and an "
        "expiry date (`exempt: [{checksum, reason, until}]` beside the model)."
    )
    assert caught.value.details == {
        "file": "model.onnx",
        "found": "text",
        "reason": "its suffix .onnx says onnx, and a program goes by that",
    }


def test_a_member_is_named_with_the_archives_around_it() -> None:
    content = tarred({"a/in.zip": zipped({"w.bin": bytes(100)})})
    assert judged(content, "set.tar").startswith("set.tar -> a/in.zip -> w.bin: found data of no known format")


def test_a_set_can_narrow_its_formats() -> None:
    policy = Policy(allowed=frozenset({"safetensors", "tokenizer"}))
    assert judged(SAFETENSORS, "model.safetensors", policy) == "safetensors"
    assert judged(JSON, "tokenizer.json", policy) == "tokenizer"
    assert "this set allows only safetensors, tokenizer" in judged(JSON, "config.json", policy)
    assert "this set allows only" in judged(zipped({"w.safetensors": SAFETENSORS}), "w.zip", policy)


def test_a_tokenizer_passes_as_what_it_is_written_in() -> None:
    assert judged(JSON, "tokenizer.json", Policy(allowed=frozenset({"json"}))) == "json"
    assert judged(b"the\n", "vocab.txt", Policy(allowed=frozenset({"text"}))) == "text"


def test_members_of_an_archive_must_be_of_the_formats_of_the_set_too() -> None:
    policy = Policy(allowed=frozenset({"zip", "json"}))
    assert judged(zipped({"a.json": JSON}), "a.zip", policy) == "zip"
    assert "a.zip -> b.onnx: found the format onnx" in judged(zipped({"b.onnx": onnx()}), "a.zip", policy)


def test_a_small_file_is_refused_where_more_is_demanded() -> None:
    message = judged(TENSORRT, "m.engine", Policy(minimum_size=1000))
    assert "found a file of 104 bytes, which is refused: at least 1000 are demanded" in message
    assert "exempt" not in message


def test_a_link_a_directory_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_bytes(JSON)
    (tmp_path / "link.json").symlink_to("real.json")
    assert inspect(tmp_path / "real.json", "config.json", Policy()) == "json"
    with pytest.raises(OSError, match="symbolic links"):
        inspect(tmp_path / "link.json", "config.json", Policy())
    with pytest.raises(DrydockError, match="no regular file"):
        inspect(tmp_path, "config.json", Policy())


class Counting(io.BytesIO):
    """Counts what is read."""

    reads = 0
    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.reads += 1
        self.count += len(found)
        return found


@pytest.mark.parametrize("name", ["model.safetensors", "m.gguf", "m.onnx", "stored.zip"])
def test_formats_with_a_directory_are_told_with_few_reads_of_few_bytes(name: str) -> None:
    size = 40_000_000
    content = {
        "model.safetensors": safetensors({"a": tensor("U8", [size], 0, size)}, bytes(size)),
        "m.gguf": b"",
        "m.onnx": field(1, 8) + field(7, field(5, field(9, bytes(size)))),
        "stored.zip": zipped({"w.safetensors": safetensors({"a": tensor("U8", [size], 0, size)}, bytes(size))}, 0),
    }[name]
    if name == "m.gguf":
        head = b"GGUF" + b"\3\0\0\0" + b"\1" + bytes(7) + bytes(8) + gguf_string(b"weight")
        head += (1).to_bytes(4, "little") + (size // 4).to_bytes(8, "little") + bytes(4) + bytes(8)
        content = head + bytes(-len(head) % 32) + bytes(size)
    handle = Counting(content)
    inspect_stream(handle, len(content), name, Policy())
    assert handle.reads <= 12
    assert handle.count <= 800_000


MEASURE = """
import resource, sys
from pathlib import Path
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.inspect import inspect
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import Policy
begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in map(Path, sys.argv[1:]):
    try:
        inspect(path, path.name, Policy())
    except DrydockError:
        pass
    print(path.name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin)
"""


def test_memory_stays_small_whatever_the_file(tmp_path: Path) -> None:
    many = b",".join(
        b'"model.layers.%d.self_attn.weight":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}' % (i, i, i + 1)
        for i in range(49_000)
    )
    files = {
        "many.safetensors": safetensors(b"{" + many + b"}", bytes(49_000)),
        "too-many.safetensors": safetensors(b"{" + many * 2 + b"}", bytes(49_000)),
        "one-string.json": b'["' + b"a\\n" * 2_000_000 + b'"]',
        "many-numbers.json": b"[" + b"1," * 1_000_000 + b"1]",
        "one-line.txt": b"a" * 20_000_000,
        "bomb.zip": zipped({"a.txt": b" " * 30_000_000}),
        "members.zip": zipped({f"{'d' * 100}/{index}.txt": b"x" for index in range(5_000)}),
        "opcodes.bin": b"(" * 10_000_000,
        "line.bin": b"\x80\2V" + b"x" * 30_000_000,
        "deep.onnx": field(1, 8) + field(7, b"\x0a\xff\xff\x03" * 5_000_000),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *(str(tmp_path / name) for name in files)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    used = {name: int(grown) for name, grown in (line.rsplit(" ", 1) for line in done.stdout.splitlines())}
    assert set(used) == set(files)
    assert max(used.values()) < 16 * 1024, used
