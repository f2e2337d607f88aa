# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that only the controller's token opens: which are carried, when, and what is said of the others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import carry as carrying
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import resolve_models
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.aws import S3
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.resolve import Sources
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Reply

from .scripted import Asked, World, reply

HUB = "https://hub.example.org"
TOKEN = "hf_c4n4ry"
CONTENTS = {"config.json": b"{}", "tokenizer.json": b'{"a": 1}', "again.json": b"{}", "empty": b""}
MIRROR = "https://mirror.example.org"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def spec(path: str, content: bytes, *mirrors: str, **other: Any) -> dict[str, Any]:
    urls = [f"hf://acme/ocr@1/{path}", *mirrors]
    return {"path": path, "checksum": digest(content), "size": len(content), "urls": urls, **other}


def hub(asked: Asked) -> Reply:
    """Redirects to storage what ends in ``.bin``, as far as the token goes, and sends the rest itself."""
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        return reply(401)
    name = asked.path.rpartition("/")[2]
    if name.endswith(".bin"):
        return reply(302, location=f"https://storage.example.org/{name}?sig=1")
    return reply(200, CONTENTS.get(name, b"?") if asked.method == "GET" else b"")


class Run:
    """Resolving these files; ``sent`` is what went to the host, one mapping for each time."""

    def __init__(self, *files: dict[str, Any]) -> None:
        self.models = [{"name": "ocr", "version": "4", "files": list(files)}]
        self.world = World({HUB: hub})
        self.sent: list[Mapping[str, bytes]] = []
        self.told: list[str] = []

    def send(self, contents: Mapping[str, bytes]) -> Mapping[str, str]:
        self.sent.append(dict(contents))
        return {key: f"file:///tmp/{key[7:11]}" for key in contents}

    def urls(self, **options: Any) -> list[list[str]]:
        environ = {"HF_ENDPOINT": HUB, "HF_TOKEN": TOKEN}
        sources = Sources({}, environ=environ, ask=self.world.ask, login=lambda _name: None, s3=S3({}))
        given = {"send": self.send, "warn": self.told.append, **options}
        (model,), headers = resolve_models(self.models, headers={}, sources=sources, **given)
        assert (headers, self.world.saw(TOKEN)) == ({}, {HUB})
        return [item["urls"] for item in model["files"]]

    def read(self) -> list[str]:
        return sorted(item.path.rpartition("/")[2] for item in self.world.asked if item.method == "GET")


def place(content: bytes) -> str:
    return f"file:///tmp/{digest(content)[7:11]}"


def test_a_file_is_read_once_checked_and_named_as_the_first_source() -> None:
    run = Run(
        spec("config.json", b"{}", f"{MIRROR}/c"),
        spec("w.bin", b"weights"),
        spec("again.json", b"{}"),
        spec("empty", b""),
    )
    assert run.urls() == [
        [place(b"{}"), f"{MIRROR}/c"],
        ["https://storage.example.org/w.bin?sig=1"],
        [place(b"{}")],
        [place(b"")],
    ]
    assert run.sent == [{digest(b"{}"): b"{}", digest(b""): b""}]
    assert len(run.read()) == 2
    assert run.told == []


def test_only_files_that_are_needed_are_read_or_sent() -> None:
    run = Run(spec("config.json", b"{}"), spec("tokenizer.json", CONTENTS["tokenizer.json"]))
    urls = run.urls(needed={digest(CONTENTS["tokenizer.json"])})
    assert urls == [["hf://acme/ocr@1/config.json"], [place(CONTENTS["tokenizer.json"])]]
    assert run.read() == ["tokenizer.json"]


def test_nothing_is_read_or_sent_where_the_hub_redirects() -> None:
    run = Run(spec("w.bin", b"weights"))
    run.urls()
    assert (run.read(), run.sent) == ([], [])


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "other bytes": ({"checksum": digest(b"other")}, "checksum_mismatch", "expected sha256:"),
    "another size": ({"size": 3}, "checksum_mismatch", "with 3 bytes"),
    "too large": ({"size": carrying.LARGEST + 1}, "refused", "are more than the 16777216"),
    "no size": ({"size": None}, "refused", "need the token"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_or_too_large_is_never_sent_and_says_what_else_there_is(case: str) -> None:
    change, kind, said = WRONG[case]
    run = Run(spec("config.json", b"{}", **change), spec("tokenizer.json", CONTENTS["tokenizer.json"]))
    with pytest.raises(DrydockError, match=r"^ocr 4, config.json: ") as caught:
        run.urls()
    assert (caught.value.kind, run.sent) == (kind, [])
    assert said in caught.value.message
    assert "Next step" in caught.value.message
    assert TOKEN not in caught.value.message


def test_what_cannot_be_carried_is_left_out_with_a_warning_where_there_is_another_source() -> None:
    run = Run(spec("config.json", b"{}", f"{MIRROR}/c", size=carrying.LARGEST + 1), spec("empty", b""))
    assert run.urls() == [[f"{MIRROR}/c"], [place(b"")]]
    assert len(run.told) == 1
    assert "mirrors" in run.told[0]


@pytest.mark.parametrize(("bound", "value"), [("MOST", 9), ("MANY", 1)])
def test_all_files_together_are_bounded(monkeypatch: pytest.MonkeyPatch, bound: str, value: int) -> None:
    run = Run(spec("config.json", b"{}"), spec("tokenizer.json", CONTENTS["tokenizer.json"]))
    monkeypatch.setattr(carrying, bound, value)
    with pytest.raises(DrydockError, match=r"tokenizer.json: .* brings at most .* there is more") as caught:
        run.urls()
    assert f'headers: {{"{HUB}": {{"Authorization"' in caught.value.message
    assert run.sent == []


def test_where_nothing_can_be_sent_the_advice_remains() -> None:
    run = Run(spec("config.json", b"{}"))
    with pytest.raises(DrydockError, match=r"a host would need the token\. Next step: put the file elsewhere"):
        run.urls(send=None)
    assert run.read() == []
