# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a store before anything is done, and how little it takes to tell it."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.drydock.serving.plugins.module_utils._model_store import info
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import empty_result
from ansible_collections.drydock.serving.plugins.modules import model_info, model_plan, model_sync

ROOT = Path(model_plan.__file__).resolve().parents[2]
COLLECTION = "ansible_collections.drydock.serving."
# What a run that finds all in place must not pay for: the controller reads each file, and the host compiles it.
ONLY_FOR_DOWNLOADS = {"_http", "_bundle", "_download/run", "_formats/inspect", "_seed/server", "_model_store/execute"}


def arguments(root: Path, content: bytes = b'{"a": 1}') -> dict[str, Any]:
    source = root / "m.json"
    source.write_bytes(content)
    file = {
        "path": "m.json",
        "urls": [source.as_uri()],
        "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "size": len(content),
    }
    return {
        "root": str(root / "models"),
        "models": [{"name": "m", "version": "1", "files": [file]}],
        "owner": str(os.getuid()),
        "group": str(os.getgid()),
        "reserve": "0",
    }


def told(module: Any, given: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    with patch_module_args(given), pytest.raises(SystemExit):
        module.main()
    return dict(json.loads(capsys.readouterr().out))


def test_an_empty_store_is_told_and_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(model_plan, arguments(tmp_path), capsys)
    assert (found["settled"], found["pending"], found["changed"]) == (False, True, True)
    assert found["msg"].startswith("would fetch 8 bytes in 1 file")
    assert not (tmp_path / "models").exists()


def test_a_store_that_has_it_all_is_settled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments(tmp_path)
    done = told(model_sync, given, capsys)
    assert done["changed"], done
    found = told(model_plan, given, capsys)
    assert (found["settled"], found["pending"], found["changed"]) == (True, False, False)


def test_a_settled_store_is_told_in_the_words_of_model_sync(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments(tmp_path)
    told(model_sync, given, capsys)
    found, again = (told(module, given, capsys) for module in (model_plan, model_sync))
    assert found.pop("settled")
    assert {**found, "free_bytes": 0, "free_bytes_after": 0} == {**again, "free_bytes": 0, "free_bytes_after": 0}


def test_work_without_a_download_is_neither_settled_nor_pending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = arguments(tmp_path)
    told(model_sync, given, capsys)
    (tmp_path / "models" / "sets" / "m" / "current").unlink()
    found = told(model_plan, given, capsys)
    assert (found["settled"], found["pending"], found["changed"]) == (False, False, True)


def test_what_cannot_be_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(model_plan, {**arguments(tmp_path), "keep": 0}, capsys)
    assert found["failure"]["kind"] == "invalid_input"
    assert set(empty_result()) <= set(found)


def test_it_brings_nothing_to_the_host_that_only_a_download_needs() -> None:
    seen = {"plugins/modules/model_plan.py"}
    waiting = list(seen)
    while waiting:
        found = _imports(ROOT / waiting.pop()) - seen
        seen |= found
        waiting += found
    assert not {f"plugins/module_utils/{name}.py" for name in ONLY_FOR_DOWNLOADS} & seen
    assert len(seen) <= 25, sorted(seen)


def _imports(path: Path) -> set[str]:
    """Our own files that one imports, wherever in it: all of them travel."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(COLLECTION):
            place = node.module[len(COLLECTION) :].replace(".", "/")
            found |= {place, *(f"{place}/{name.name}" for name in node.names)}
    return {f"{place}.py" for place in found if (ROOT / f"{place}.py").exists()}


def test_every_key_of_its_own_is_documented() -> None:
    documented = set(yaml.safe_load(model_plan.RETURN))
    not_known_before = {"changed", "bytes_fetched", "waited_for", "sources"}
    assert documented >= (set(empty_result()) - not_known_before) | {"settled"}


@pytest.mark.parametrize(
    ("module", "inside"), [(model_plan, "_look"), (model_sync, "_sync"), (info, "tell")], ids=["plan", "sync", "info"]
)
def test_what_nobody_foresaw_is_a_failure_like_any_other(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    inside: str,
) -> None:
    def crash(*_arguments: Any, **_options: Any) -> None:
        raise UnicodeEncodeError("latin-1", "é", 0, 1, "ordinal not in range")

    monkeypatch.setattr(module, inside, crash)
    whole = model_info if inside == "tell" else module
    given = {"root": str(tmp_path)} if inside == "tell" else arguments(tmp_path)
    found = told(whole, given, capsys)
    assert found["failed"]
    assert found["failure"] == {"kind": "internal", "error": "UnicodeEncodeError"}
    assert "test_model_plan.py:" in found["msg"]
    assert "Next step" in found["msg"]
