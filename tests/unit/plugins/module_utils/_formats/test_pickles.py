# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickles are refused by content, whatever their name, their protocol and what is around them; and a case for each way
in which scanners of pickles are known to have been got round.
"""

from __future__ import annotations

import gzip
import io
import pickle
import pickletools
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._formats import pickles
from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import FileBlob
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._formats.samples import (
    JSON,
    SAFETENSORS,
    gguf,
    gzipped,
    judged,
    npy,
    onnx,
    safetensors,
    tarred,
    tflite,
    zipped,
)

CALLED: list[str] = []


def call(word: str) -> str:
    """What the pickles here would run."""
    CALLED.append(word)
    return word


class Harmful:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return call, ("harm",)


def text_pickle(module: str = "os", name: str = "system") -> bytes:
    """Protocol 0, in which nothing is but text."""
    return f"c{module}\n{name}\n(S'id'\ntR.".encode()


NAMES = [
    "model.bin",
    "model.pt",
    "model.pth",
    "model.ckpt",
    "model.pkl",
    "model.joblib",
    "model.onnx",
    "model.safetensors",
    "model.npy",
    "config.json",
    "README.md",
    "vocab.txt",
    "LICENSE",
    "tokenizer.model",
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_a_pickle_of_any_protocol_is_refused_under_any_name(name: str, protocol: int) -> None:
    message = judged(pickle.dumps({"w": [1.5, "x"], "h": Harmful()}, protocol=protocol), name)
    assert "found a pickle (protocol" in message
    assert "test_pickles.call" in message


def archive_of_torch(**more: bytes) -> bytes:
    """As ``torch.save`` writes it: stored, with the pickle first."""
    members = {"archive/data.pkl": pickle.dumps(Harmful(), protocol=2), "archive/version": b"3\n", **more}
    return zipped(members, zipfile.ZIP_STORED)


MAGIC_OF_TORCH: tuple[object, ...] = (0x1950A86A20F9469CFC6C, 1001, {}, Harmful())
PACKED: dict[str, tuple[str, bytes, str]] = {
    "torch": ("model.pt", archive_of_torch(), "model.pt -> archive/data.pkl: found a pickle"),
    "torch named bin": ("pytorch_model.bin", archive_of_torch(), "archive/data.pkl: found a pickle"),
    "torch named safetensors": ("model.safetensors", archive_of_torch(), "archive/data.pkl: found a pickle"),
    "torch of old, magic number first": (
        "model.pt",
        b"".join(pickle.dumps(each, protocol=2) for each in MAGIC_OF_TORCH),
        "found a pickle",
    ),
    "torch of very old, in a tar": ("model.pt", tarred({"pickle": pickle.dumps(Harmful())}), "pickle: found a pickle"),
    "gzip": ("model.joblib", gzipped(pickle.dumps(Harmful())), "found a pickle"),
    "gzip of text": ("notes.txt.gz", gzipped(text_pickle()), "found a pickle"),
    "tar.gz": ("m.tar.gz", gzipped(tarred({"a/b.txt": text_pickle()})), "a/b.txt: found a pickle"),
    "zip in zip": ("m.zip", zipped({"in.zip": zipped({"x.txt": text_pickle()})}), "m.zip -> in.zip -> x.txt: found a"),
    "objects": ("a.npy", npy("|O", data=pickle.dumps(Harmful())), "a NumPy array of objects"),
    "objects in an npz": ("a.npz", zipped({"a.npy": npy("|O", data=b"x")}), "a NumPy array of objects"),
    "objects in a structure": ("a.npy", npy("[('a', '|O')]", data=b"x"), "a NumPy array of objects"),
}


@pytest.mark.parametrize("case", PACKED)
def test_a_pickle_inside_something_is_found(case: str) -> None:
    name, content, expected = PACKED[case]
    assert expected in judged(content, name)


def operations(*parts: bytes | str) -> bytes:
    """Opcodes as bytes, strings as protocol 4 pushes them."""
    return b"".join(part if isinstance(part, bytes) else b"\x8c" + bytes([len(part)]) + part.encode() for part in parts)


PROTO4, GLOBAL4, MEMO, TUPLE1, TUPLE2, REDUCE, END = b"\x80\4", b"\x93", b"\x94", b"\x85", b"\x86", b"R", b"."
CODE = '__import__("os").system("id")'

KNOWN: dict[str, tuple[str, bytes]] = {
    # modelscan 330: builtins reached as an attribute of an allowed module
    "builtins through numpy": (
        "m.pkl",
        operations(PROTO4, "numpy", "size", GLOBAL4, MEMO, "numpy", "__builtins__", GLOBAL4, MEMO)
        + operations(b"h\0", b"}}", "shape", b"h\1", b"s", TUPLE2, b"b", b"h\0", b"h\0", "eval", TUPLE2, REDUCE)
        + operations(CODE, TUPLE1, REDUCE, END),
    ),
    # modelscan 331: only names that are allowed, the bad one put together at run time
    "names joined at run time": (
        "m.pkl",
        operations(PROTO4, "importlib", "import_module", GLOBAL4, "builtins", TUPLE1, REDUCE, MEMO)
        + operations(
            "builtins", "getattr", GLOBAL4, MEMO, b"h\1", b"h\0", "str", TUPLE2, REDUCE, "join", TUPLE2, REDUCE
        )
        + operations("", b"](", "o", "s", b"e", TUPLE2, REDUCE, END),
    ),
    # modelscan 338: functions that no list names
    "functions that are on no list": ("m.bin", text_pickle("torch.utils.collect_env", "run")),
    "functions of the standard library": ("m.bin", text_pickle("multiprocessing.util", "spawnv_passfds")),
    "attributes of builtins": ("m.bin", operations(PROTO4, "builtins", "print.__class__.__base__", GLOBAL4, b")R.")),
    # modelscan 85: operands taken from the memo instead of the stack
    "operands out of the memo": (
        "m.pkl",
        operations(
            PROTO4, "os", MEMO, "system", MEMO, "numpy", "prod", b"00", b"h\0h\1", GLOBAL4, "id", TUPLE1, REDUCE
        ),
    ),
    # modelscan 267: a pickle that unpickles
    "a pickle in a pickle": (
        "m.pkl",
        operations(PROTO4, "pickle", "loads", GLOBAL4, text_pickle().decode(), TUPLE1, b"R."),
    ),
    # nullifAI: the stream breaks behind the harm, so a scanner that needs its end sees nothing
    "broken behind the harm": (
        "m.bin",
        operations(PROTO4, "os", "system", GLOBAL4, "id", TUPLE1, REDUCE) + b"\xff" * 50,
    ),
    "broken behind the harm, text": ("m.txt", b"cos\nsystem\n(S'id'\ntR this is not an opcode\n"),
    "old instance opcode": ("m.txt", b"(S'id'\nios\nsystem\n."),
    "old object opcode": ("m.txt", b"(cos\nsystem\nS'id'\no."),
    "registered extension": ("m.bin", operations(PROTO4, b"\x82\x01", b")R.")),
    # aisbom 91: the harm comes behind an array that was dumped in between
    "harm behind raw data": ("m.joblib", pickle.dumps({"a": 1}, 2)[:-1] + bytes(64) + text_pickle()),
    # picklescan: a harmless pickle first
    "harm in the second pickle": ("m.pkl", pickle.dumps(1, 2) + pickle.dumps(Harmful(), 2)),
    "harm in the second pickle, text": ("m.txt", b"I1\n." + text_pickle()),
    # saferpickle 41: compressed text of protocol 0
    "compressed text": ("m.txt.gz", gzip.compress(text_pickle())),
    # agent-bom 3326: too small to be looked at
    "very small": ("pytorch_model.bin", b"cos\nabort\n)R."),
    # endless: the harm comes behind so many opcodes that a scanner gives up
    "harm behind many opcodes": ("m.txt", b"N0" * 300_000 + text_pickle()),
    "harm behind many opcodes in binary": ("m.bin", b"\x80\2" + b"N0" * 300_000 + text_pickle()),
}


@pytest.mark.parametrize("case", KNOWN)
def test_what_went_past_scanners_is_refused(case: str) -> None:
    name, content = KNOWN[case]
    assert "a pickle (protocol" in judged(content, name)


def spoilt(content: bytes, place: int, value: bytes) -> bytes:
    return content[:place] + value + content[place + len(value) :]


def broken_before(content: bytes) -> bytes:
    """The local header of the first member damaged, which made a scanner leave out the others (modelscan 354)."""
    return spoilt(content, 0, b"PK\3\5")


def second_flag(content: bytes) -> bytes:
    """The bit for encryption set in the directory alone (GHSA-w8jq-xcqf-f792)."""
    return spoilt(content, content.rindex(b"PK\1\2") + 8, b"\1\0")


def other_name(content: bytes) -> bytes:
    """Another name in the directory than before the data (GHSA-7q5r-7gvp-wc82)."""
    return spoilt(content, content.rindex(b"PK\1\2") + 46, b"x")


def wrong_method(content: bytes) -> bytes:
    return spoilt(content, content.rindex(b"PK\1\2") + 10, b"\x63\0")


PLAIN = zipped({"a.json": JSON, "b.json": JSON})
AMBIGUOUS: dict[str, bytes] = {
    "a damaged member first": broken_before(PLAIN),
    "a flag in one place": second_flag(PLAIN),
    "a name in one place": other_name(PLAIN),
    "an unknown method": wrong_method(PLAIN),
    "something before it": b"#!/bin/sh\n\0" + PLAIN,
    "a pickle before it": pickle.dumps(Harmful()) + PLAIN,
    "something behind it": PLAIN + b"x",
    "another behind it": zipped({"a.json": JSON}) + zipped({"b.json": JSON}),
    "a comment that is no text": spoilt(PLAIN, len(PLAIN) - 2, b"\4\0") + b"PK\5\6",
    "data that goes on": spoilt(PLAIN, PLAIN.rindex(b"PK\1\2") + 24, b"\1\0\0\0"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_an_archive_that_two_programs_would_read_differently_is_refused(case: str) -> None:
    message = judged(AMBIGUOUS[case], "set.zip")
    assert "which is refused" in message


def test_a_wrong_checksum_does_not_keep_a_pickle_from_being_found() -> None:
    """Scanners gave up there, torch did not (GHSA-7q5r-7gvp-wc82)."""
    content = archive_of_torch()
    crc = content[14:18]
    assert "archive/data.pkl: found a pickle" in judged(content.replace(crc, b"\1\2\3\4"), "model.pt")


def test_deleted_members_may_not_stay_in_an_archive() -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("hidden.pkl", pickle.dumps(Harmful()))
        archive.writestr("a.json", JSON)
        archive.filelist = archive.filelist[1:]
    assert "belongs to none" in judged(whole.getvalue(), "set.zip")


@pytest.mark.parametrize("make", [onnx, gguf, tflite, lambda: SAFETENSORS, npy])
def test_an_archive_at_the_end_of_a_model_is_found(make: Callable[[], bytes]) -> None:
    names = {b"GGUF": "m.gguf", b"\x93NUM": "m.npy"}
    content = make()
    name = names.get(
        content[:4], "m.tflite" if content[4:8] == b"TFL3" else "m.onnx" if content[0] == 8 else "m.safetensors"
    )
    assert "which is refused" in judged(content + archive_of_torch(), name)


def test_an_archive_inside_the_tensors_is_found() -> None:
    tail = archive_of_torch()
    header = {"a": {"dtype": "U8", "shape": [len(tail)], "data_offsets": [0, len(tail)]}}
    assert "a zip archive, too" in judged(safetensors(header, tail), "model.safetensors")


def test_labels_behind_a_tflite_model_are_let_in_and_looked_at() -> None:
    def behind(labels: bytes) -> bytes:
        whole = io.BytesIO(tflite())
        with zipfile.ZipFile(whole, "a") as archive:
            archive.writestr("labels.txt", labels)
        return whole.getvalue()

    assert judged(behind(b"cat\ndog\n"), "m.tflite") == "tflite"
    assert "m.tflite -> labels.txt: found a pickle" in judged(behind(text_pickle()), "m.tflite")


def polyglot() -> bytes:
    """Weights that are sound, and a pickle: the length of the header reads as the opcode for a line of text."""
    harm = pickle.dumps(Harmful(), protocol=2)
    header = b'{"a":{"dtype":"U8","data_offsets":[0,%d],"shape":[%d' % (len(harm), len(harm))
    # what follows the line feed are opcodes as well: an empty list, two empty dictionaries, and then the tensor
    header = header.ljust(0x56 + 256 - 4) + b"\n]}}"
    return safetensors(header, harm)


def test_sound_weights_that_are_a_pickle_too_are_refused() -> None:
    content = polyglot()
    assert struct.unpack("<Q", content[:8])[0] % 256 == ord("V")
    CALLED.clear()
    pickle.loads(content)  # noqa: S301 - our own, to prove that it is one
    assert CALLED == ["harm"]
    assert "found a pickle (protocol 0 or 1, importing" in judged(content, "model.safetensors")


def test_weights_that_are_an_archive_of_tar_too_are_refused() -> None:
    member = tarred({"pickle": pickle.dumps(Harmful())})
    head = b"GGUF\3\0\0\0" + bytes(8) + b"\1" + bytes(7)
    key = b"0" * (512 - len(head) - 12 - 8)
    block = bytearray(head + struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(member)))
    block[148:156] = b" " * 8
    block[257:265] = b"ustar\x0000"
    block[124:136], block[156] = b"00000000000\0", ord("0")
    block[148:156] = b"%06o\0 " % sum(block)
    assert tarfile.TarInfo.frombuf(bytes(block[:512]), "utf-8", "replace")
    assert "which is refused" in judged(bytes(block) + member, "m.gguf")


def test_a_text_of_escapes_names_a_function_as_well() -> None:
    harm = rb"V\u006fs" + b"\nV" + rb"\u0073ystem" + b"\n\x93V" + b"id\n\x85R."
    header = b'{"a":{"dtype":"U8","data_offsets":[0,%d],"shape":[%d' % (len(harm), len(harm))
    content = safetensors(header.ljust(0x56 + 256 - 4) + b"\n]}}", harm)
    assert "found a pickle" in judged(content, "model.safetensors")


def test_a_number_that_ends_early_does_not_hide_what_follows() -> None:
    """The header's length reads as ``I0`` and a zero byte, and the rest of the line is ignored."""
    harm = text_pickle()
    header = b'{"a":{"dtype":"U8","data_offsets":[0,%d],"shape":[%d' % (len(harm), len(harm))
    content = safetensors(header.ljust(0x3049 - 4) + b"\n]}}", harm)
    assert content.startswith(b"I0\0")
    assert "found a pickle" in judged(content, "model.safetensors")


class FoundError(Exception):
    """The unpickler came to a name, or to a call of what it names."""


def really(content: bytes, *, calls: bool) -> bool:
    """Whether CPython's unpickler comes to an import, or on to a call. Nothing of what is named is ever looked up."""

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if not (module.isprintable() and name.isprintable() and module and name) or " " in module + name:
                raise ValueError
            if not calls:
                raise FoundError

            def stop(*_given: Any) -> None:
                raise FoundError

            return stop

    try:
        Unpickler(io.BytesIO(content)).load()
    except FoundError:
        return True
    except Exception:  # noqa: BLE001 - whatever hostile bytes make of it
        return False
    return False


OPCODES = st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes])
PARTS = st.sampled_from(
    [
        *(b"cos\nsystem\n", b"\x93", b"Vos\n", b"V o s\n", b"\x8c\2os", b"\x8c\6system", b"S'os'\n", b'S"os" \n'),
        *(b"I0\0x\n", b"I 7 \n", b"I1_0\n", b"F1\0\n", b"F nan\n", b"L1L\n", b"L1\0L\n", b"p0\n", b"p0\0z\n", b"g0\n"),
        *(b"h\0", b"q\0", b"r\0\0\0\0", b"j\0\0\0\0", b"U\2os", b"T\2\0\0\0os", b"X\2\0\0\0os", b"\x82\1"),
        *(b"\x80\4", b"\x95\5\0\0\0\0\0\0\0", b"C\1x", b"B\1\0\0\0x", b"\x8a\1\1", b"J\1\0\0\0", b"M\1\0", b"K\1"),
        *(
            b"iposix\nsystem\n",
            b"ios\nsyst",
            b"Pabc\n",
            b"(",
            b"(",
            b")",
            b"R",
            b"R",
            b"t",
            b"\x85",
            b"o",
            b"b",
            b"\x81",
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS | OPCODES, min_size=1, max_size=14).map(b"".join))
def test_nothing_that_cpython_would_import_or_call_is_missed(content: bytes) -> None:
    found = pickles.trace(FileBlob(io.BytesIO(content), len(content)))
    assert not really(content, calls=False) or found.imports
    assert not really(content, calls=True) or found.calls


def test_sound_weights_are_never_taken_for_a_pickle() -> None:
    """Whatever the length of the header begins with, and whatever numbers follow."""
    numbers = random.Random(20261121)  # noqa: S311 - the same ones each time
    for low in range(256):
        for _again in range(8):
            data = numbers.randbytes(2000)
            header = b'{"a":{"dtype":"U8","shape":[2000],"data_offsets":[0,2000]}}'.ljust(256 + low)
            assert judged(safetensors(header, data), "model.safetensors") == "safetensors", low


PROSE = [
    b"N.B. this model is for research only.\n",
    b"class Model\nof things\n",
    b"cat\ndog\nbird\n",
    b"(c) 2026 the authors\n.\n",
    b".. title:: a page\n",
    b"I am a model\nof some size.\n",
    b"]\n}\n).\n",
    b"import os\nand more\n.",
    b"Version 2\nx.",
    b"S'quoted'\n.\n",
    b"0\n1\n2\n",
]


@pytest.mark.parametrize("content", PROSE)
def test_prose_that_happens_to_begin_with_an_opcode_is_text(content: bytes) -> None:
    assert judged(content, "README.md") == "text"
