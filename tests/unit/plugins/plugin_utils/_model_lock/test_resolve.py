# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One model looked at, from sources in memory: what is chosen, judged, recorded and refused."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import pickle
import struct
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import resolve
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.request import refuse
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.resolve import Tools, lock_model
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    FileRequest,
    HashedFile,
    ResolvedFile,
    ResolvedSet,
    SetRequest,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

TODAY = datetime.date(2026, 11, 21)
CARD = b"""---
license: apache-2.0
model-index:
- results:
  - metrics: [{type: mAP, value: 0.82}, {type: f1, value: high}]
---
"""
HEADER = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
TENSORS = struct.pack("<Q", len(HEADER)) + HEADER + bytes(16)
FILES = {"README.md": CARD, "config.json": b'{"a": 1}', "onnx/model.safetensors": TENSORS}
SOURCE = "hf://acme/ocr@v4.0"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Shelf:
    """A source in memory, and every file that was opened."""

    def __init__(self, files: Mapping[str, bytes], *, digests: Mapping[str, str] | None = None) -> None:
        self.files = dict(files)
        self.digests = digests or {}
        self.opened: list[str] = []
        self.fails: dict[str, str] = {}
        self.license: str | None = None

    def file(self, path: str, url: str, content: bytes) -> ResolvedFile:
        return ResolvedFile(path, len(content), self.digests.get(path), (url,), partial(self._open, path, content))

    def _open(self, path: str, content: bytes) -> io.BytesIO:
        self.opened.append(path)
        return io.BytesIO(content)

    def resolve(self, request: SetRequest, /) -> ResolvedSet:
        commit = "hf://acme/ocr@" + "c" * 40
        files = tuple(self.file(path, f"{commit}/{path}", content) for path, content in self.files.items())
        return ResolvedSet(source=commit, files=files, license=self.license)

    def look(self, path: str, url: str, /) -> ResolvedFile:
        if url in self.fails:
            raise DrydockError("not_found", self.fails[url])
        return self.file(path, url, self.files[path])


def look(
    shelf: Shelf, *, old: Mapping[str, Any] | None = None, verify: Any = None, warn: Any = None, **wanted: Any
) -> tuple[dict[str, Any], list[str]]:
    """The entry and the problems of a model that is wanted like this."""
    problems = Problems()
    given = {"source": SOURCE, **wanted}
    tools = Tools(
        context=Context(environ={}),
        backend=lambda _scheme: shelf,
        verify=verify or (lambda *_arguments, **_named: pytest.fail("not asked for")),
        today=TODAY,
        hashing=lambda _label, _size: lambda _done: None,
        warn=warn or pytest.fail,
    )
    entry = lock_model(SetRequest(name="ocr", version="4.0", where="models.ocr", **given), old or {}, tools, problems)
    return entry, problems.lines()


def test_a_set_is_recorded_with_everything_that_can_be_judged_later() -> None:
    entry, problems = look(Shelf(FILES), mirrors=("https://mirror.example.org/4.0/",), exclude=("*.md",))
    assert problems == []
    commit = "hf://acme/ocr@" + "c" * 40
    assert entry == {
        "version": "4.0",
        "source": commit,
        "requested": SOURCE,
        "include": ["*"],
        "exclude": ["*.md"],
        "license": "apache-2.0",
        "card": {"present": True, "sha256": f"sha256:{sha(CARD)}"},
        "metrics": {"mAP": 0.82},
        "signature": {"state": "unchecked"},
        "files": {
            path: {
                "checksum": f"sha256:{sha(FILES[path])}",
                "size": len(FILES[path]),
                "format": kind,
                "urls": [f"{commit}/{path}", f"https://mirror.example.org/4.0/{path}"],
            }
            for path, kind in (("config.json", "json"), ("onnx/model.safetensors", "safetensors"))
        },
    }


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (("*",), (), set(FILES)),
        (("*.json",), (), {"config.json"}),
        (("onnx/*", "README.md"), (), {"onnx/model.safetensors", "README.md"}),
        (("*",), ("onnx/*",), {"README.md", "config.json"}),
    ],
)
def test_globs_choose_on_the_whole_path(include: tuple[str, ...], exclude: tuple[str, ...], expected: set[str]) -> None:
    entry, problems = look(Shelf(FILES), include=include, exclude=exclude)
    assert problems == []
    assert set(entry["files"]) == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (
            {"include": ("*.gguf",)},
            "models.ocr.include[0]: '*.gguf' fits no file of hf://acme/ocr@v4.0 (it has: README",
        ),
        ({"exclude": ("x", "*.md")}, "models.ocr.exclude[0]: 'x' fits no file"),
        ({"card_required": True, "include": ("*.json",)}, None),
        ({"require": {"mAP": ">0.9"}}, "models.ocr.require.mAP: expected >0.9, found 0.82."),
        ({"require": {"f1": ">0.9"}}, "models.ocr.require.f1: the model card has a value for it that is no number."),
        ({"require": {"wer": "<9"}}, "models.ocr.require.wer: expected <9, but the model card has no such metric"),
        ({"licenses": ("mit",)}, "models.ocr.licenses: expected one of mit, found apache-2.0."),
        ({"formats": ("json", "text")}, "models.ocr.files.onnx/model.safetensors: "),
        ({"minimum_size": 30}, "models.ocr.files.config.json: "),
        ({"source": None, "files": ()}, None),
        (
            {"files": (FileRequest("config.json", (), sha256="0" * 64),)},
            "models.ocr.files.config.json.checksum: expected sha256:0000",
        ),
        ({"files": (FileRequest("config.json", (), size=9),)}, "models.ocr.files.config.json.size: expected 9 bytes"),
        (
            {"files": (FileRequest("new.json", ()),)},
            "models.ocr.files.new.json: is not in hf://acme/ocr@v4.0, and has no",
        ),
    ],
)
def test_what_does_not_pass_is_told_with_its_place(wanted: dict[str, Any], expected: str | None) -> None:
    _entry, problems = look(Shelf(FILES), **wanted)
    if expected is None:
        assert problems == []
    else:
        assert [line for line in problems if line.startswith(expected)] == problems


def test_everything_that_does_not_pass_is_told_at_once() -> None:
    shelf = Shelf({"model.bin": pickle.dumps({"a": 1}), "empty.json": b"", "ok.json": b"{}"})
    _entry, problems = look(shelf, card_required=True, licenses=("mit",), require={"mAP": ">0.7"}, exclude=("*.md",))
    assert [line.split(": ")[0] for line in problems] == [
        "models.ocr.exclude[0]",
        "models.ocr.files.empty.json",
        "models.ocr.files.model.bin",
        "models.ocr.card",
        "models.ocr.require.mAP",
        "models.ocr.licenses",
    ]


def test_a_pickle_is_let_through_by_its_digest_until_a_day() -> None:
    content = pickle.dumps({"a": 1})
    exempt = {"checksum": f"sha256:{sha(content)}", "reason": "converted in spring", "until": "2026-11-21"}
    entry, problems = look(Shelf({"model.bin": content}), exempt=(exempt,))
    assert problems == []
    assert entry["files"]["model.bin"]["format"] == "exempt"
    _entry, problems = look(Shelf({"model.bin": content}), exempt=({**exempt, "until": "2026-11-20"},))
    assert "that day is over" in problems[0]
    _entry, problems = look(Shelf({"model.bin": content}))
    assert problems[0].startswith("models.ocr.files.model.bin: found a pickle")
    assert f"Its digest: sha256:{sha(content)}." in problems[0]  # for whoever decides to exempt it


def test_without_the_source_nothing_else_is_blamed() -> None:
    shelf = Shelf({})
    shelf.resolve = lambda _request: (_ for _ in ()).throw(DrydockError("not_found", "is gone."))  # type: ignore[method-assign]
    _entry, problems = look(shelf, card_required=True, require={"mAP": ">0.7"}, licenses=("mit",))
    assert problems == ["models.ocr.source: is gone."]


@pytest.mark.parametrize(
    "path", ["../x.json", "/x.json", "a//b.json", "{{ evil }}.json", "a\x00.json", "manifest.json"]
)
def test_a_path_that_could_do_harm_is_refused(path: str) -> None:
    _entry, problems = look(Shelf({**FILES, path: b"{}"}))
    [line] = problems
    assert line.startswith("models.ocr.source: has the file")
    assert "'exclude'" in line


def test_a_card_of_its_own_address_counts_where_the_set_has_none() -> None:
    files = {"README.md": CARD, "config.json": b"{}"}
    shelf = Shelf(files)
    shelf.resolve = lambda _request: ResolvedSet(  # type: ignore[method-assign]
        source=SOURCE, files=(shelf.file("config.json", "hf://x", b"{}"),)
    )
    entry, problems = look(shelf, card_url="https://example.org/README.md", card_required=True, require={"mAP": ">0.8"})
    assert problems == []
    assert entry["license"] == "apache-2.0"
    assert set(entry["files"]) == {"config.json"}


@pytest.mark.parametrize("licence", ["MIT", "apache-2.0"])
def test_two_that_name_a_licence_both_count(licence: str) -> None:
    shelf = Shelf(FILES)
    shelf.license = licence
    entry, problems = look(shelf, licenses=("apache-2.0",))
    assert entry["license"] == ("apache-2.0" if licence == "apache-2.0" else "apache-2.0 AND mit")
    assert problems == (
        [] if licence == "apache-2.0" else ["models.ocr.licenses: expected one of apache-2.0, found mit."]
    )


@pytest.mark.parametrize(
    ("card", "expected"),
    [(b"---\na: [\n---\n", "cannot be judged: the block at its top is not YAML"), (b"x" * 5_000_000, "at most")],
)
def test_a_card_that_cannot_be_judged_does_not_pass(card: bytes, expected: str) -> None:
    _entry, problems = look(Shelf({**FILES, "README.md": card}), require={"mAP": ">0.1"})
    assert any(line.startswith("models.ocr.card: ") and expected in line for line in problems)


def test_templates_in_a_card_never_reach_the_lock() -> None:
    index = "model-index: [{results: [{metrics: [{type: '{{ x }}', value: 1}]}]}]"
    card = f"---\nlicense: \"{{{{ lookup('pipe', 'id') }}}}\"\n{index}\n---\n".encode()
    entry, problems = look(Shelf({**FILES, "README.md": card}))
    assert problems == []
    assert entry["license"] is None
    assert entry["metrics"] == {}


def test_marks_of_templates_that_a_registry_names_beside_its_licence_never_reach_the_lock() -> None:
    shelf = Shelf(FILES)
    shelf.license = "#jinja2:variable_start_string:'[[', variable_end_string:']]'\n[[ lookup('pipe', 'id') ]]"
    entry, problems = look(shelf, licenses=("apache-2.0",))
    assert entry["license"] is None
    assert problems
    shelf.license = "mit\n\x1b[31m" + "x" * 5000
    assert len(look(shelf)[0]["license"]) < 200


def test_a_card_is_judged_by_the_bytes_that_its_digest_names() -> None:
    """A registry, or a cache before it, that sends another card than the pinned manifest lists."""
    shelf = Shelf(FILES, digests={"README.md": sha(b"---\nlicense: proprietary\n---\n")})
    _entry, problems = look(shelf, card_required=True, licenses=("apache-2.0",), include=("*.json",))
    assert any(line.startswith("models.ocr.card: cannot be judged: its source lists sha256:") for line in problems)


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_a_card_without_a_word_is_none(content: bytes) -> None:
    entry, problems = look(Shelf({**FILES, "README.md": content}), card_required=True, include=("*.json",))
    assert entry["card"] == {"present": False}
    assert problems == ["models.ocr.card: a model card is required, and there is none (README.md or card_url)."]


def test_files_by_their_own_addresses_keep_their_order_whichever_answers() -> None:
    shelf = Shelf(FILES)
    shelf.fails["https://one.example.org/a"] = "https://one.example.org/a answered 404: no such file there"
    file = FileRequest("config.json", ("https://one.example.org/a", "https://two.example.org/a"))
    entry, problems = look(shelf, source=None, files=(file,))
    assert problems == []
    assert entry["files"]["config.json"]["urls"] == list(file.urls)
    assert "source" not in entry
    shelf.fails["https://two.example.org/a"] = "https://two.example.org/a answered 403"
    _entry, problems = look(shelf, source=None, files=(file,))
    assert problems == [
        "models.ocr.files.config.json: https://one.example.org/a answered 404: no such file there; "
        "https://two.example.org/a answered 403."
    ]


def test_what_the_lock_proves_already_is_not_read_again() -> None:
    big = TENSORS
    url = "https://one.example.org/a"
    file = FileRequest("onnx/model.safetensors", (url,), sha256=sha(big), size=len(big))
    shelf = Shelf(FILES)
    entry, _problems = look(shelf, source=None, files=(file,))
    read_first = len(shelf.opened)
    again, problems = look(shelf, source=None, files=(file,), old=entry)
    assert problems == []
    assert again == entry
    assert read_first == 1  # hashed and judged from memory
    assert len(shelf.opened) == 2  # judged again, not hashed


def test_a_source_full_of_names_that_no_set_may_have_is_refused_soon_and_in_few_words() -> None:
    files = {f"\x00{number}": b"x" for number in range(20_000)}
    started = time.monotonic()
    entry, _problems = look(Shelf(files))
    assert entry["files"] == {}
    assert time.monotonic() - started < 5
    problems = Problems()
    for number in range(20_000):
        problems.add("models.ocr.source", f"has the file {number}")
    with pytest.raises(DrydockError) as caught:
        refuse("refused", "No", problems)
    assert caught.value.message.endswith("\n… and 19500 more")
    assert len(caught.value.message) < 50_000


def test_memory_is_bounded_whatever_the_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "IN_MEMORY", 25)
    shelf = Shelf({f"{number}.json": b'{"a": 12}' for number in range(4)})
    _entry, problems = look(shelf)
    assert problems == []
    assert shelf.opened == ["0.json", "1.json", "2.json", "3.json", "2.json", "3.json"]  # two of four were kept


def test_a_source_that_gives_another_length_than_it_listed_is_refused() -> None:
    shelf = Shelf({"a.json": b"{}"})
    shelf.file = lambda path, url, _content: ResolvedFile(  # type: ignore[method-assign,assignment]
        path, 5, None, (url,), lambda: io.BytesIO(b"{}")
    )
    _entry, problems = look(shelf)
    assert problems == ["models.ocr.files.a.json: expected 5 bytes, as the source says, found 2. Lock again."]


def test_the_signature_is_checked_over_every_file_and_its_state_recorded() -> None:
    seen: list[str] = []

    def verify(
        settings: Mapping[str, Any], files: Sequence[HashedFile], *, context: Context, there: Collection[str]
    ) -> Mapping[str, Any]:
        seen.extend(item.path for item in files)
        if settings.get("wrong"):
            raise DrydockError("signature_refused", "made by somebody else.")
        return {"state": "verified", "method": "key"}

    shelf = Shelf({**FILES, "model.sig": b"{}"})
    settings = {"required": True, "method": "key"}
    entry, problems = look(shelf, include=("*.json",), signature=settings, verify=verify)
    assert problems == []
    assert entry["signature"] == {"state": "verified", "method": "key"}
    assert seen == ["config.json", "model.sig"]
    assert set(entry["files"]) == {"config.json"}
    assert "model.sig" not in shelf.opened  # read by the check alone, which knows how long a signature may be
    _entry, problems = look(shelf, signature={**settings, "wrong": True}, verify=verify)
    assert problems == ["models.ocr.signature: made by somebody else."]


# Who vouches for a file that is named by its address, besides whoever is on the way: is a warning due?
CHECKSUM = sha(FILES["config.json"])
VOUCHED: dict[str, tuple[str, str | None, dict[str, Any] | None, bool]] = {
    "nobody": ("http", None, None, True),
    "TLS": ("https", None, None, False),
    "a checksum": ("http", CHECKSUM, None, False),
    "a signature": ("http", None, {"state": "verified"}, False),
    "a signature of other files": ("http", None, {"state": "unchecked", "uncovered": ["config.json"]}, True),
    "a signature that leaves others out": ("http", None, {"state": "unchecked", "uncovered": ["b.json"]}, False),
    "no signature where one was looked for": ("http", None, {"state": "unsigned"}, True),
}


@pytest.mark.parametrize("case", VOUCHED)
def test_bytes_that_anybody_on_the_way_could_have_changed_are_warned_of(case: str) -> None:
    scheme, sha256, state, due = VOUCHED[case]
    warnings: list[str] = []
    _entry, problems = look(
        Shelf(FILES),
        source=None,
        files=(FileRequest("config.json", (f"{scheme}://m.example.org/config.json",), sha256),),
        signature=None if state is None else {"method": "key"},
        verify=lambda *_arguments, **_named: state,
        warn=warnings.append,
    )
    assert problems == []
    assert [line.startswith("models.ocr: config.json: read over http://") for line in warnings] == [True] * due


def test_of_several_addresses_the_one_that_was_read_counts() -> None:
    shelf = Shelf(FILES)
    urls = ("https://m.example.org/config.json", "http://n.example.org/config.json")
    warnings: list[str] = []
    wanted: dict[str, Any] = {"source": None, "files": (FileRequest("config.json", urls),)}
    look(shelf, warn=warnings.append, **wanted)
    assert warnings == []
    shelf.fails[urls[0]] = "https://m.example.org/config.json answered 404"
    look(shelf, warn=warnings.append, **wanted)
    assert len(warnings) == 1
