# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server that speaks like S3 can make of the controller that lists a prefix of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.sources import s3 as source
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import ResolvedSet, SetRequest

pytest.importorskip("botocore", reason="an optional extra of the controller")


def resolve(pages: Iterable[dict[str, Any]]) -> ResolvedSet:
    client = SimpleNamespace(
        get_bucket_versioning=lambda **_wanted: {},
        get_paginator=lambda _name: SimpleNamespace(paginate=lambda **_wanted: pages),
    )
    s3: Any = SimpleNamespace(client=lambda _bucket: client)
    wanted = SetRequest(name="m", version="1", where="models.m", source="s3://models/ocr/")
    return source.S3Backend(s3).resolve(wanted)


def page(*keys: str) -> dict[str, Any]:
    return {"Contents": [{"Key": key, "Size": 5} for key in keys]}


def test_files_are_listed_and_drawn_folders_are_none() -> None:
    found = resolve([page("ocr/", "ocr/a.onnx"), {}, page("ocr/sub/b.onnx")])
    assert {item.path: item.urls for item in found.files} == {
        "a.onnx": ("s3://models/ocr/a.onnx",),
        "sub/b.onnx": ("s3://models/ocr/sub/b.onnx",),
    }


@pytest.mark.parametrize("endless", [{}, page("ocr/folder/"), page("ocr/a.onnx")])
def test_lists_without_end_are_refused(monkeypatch: pytest.MonkeyPatch, endless: dict[str, Any]) -> None:
    monkeypatch.setattr(source, "MOST", 100)
    with pytest.raises(DrydockError, match="more than 100 objects"):
        resolve(itertools.repeat(endless))


def test_objects_of_another_place_are_refused() -> None:
    with pytest.raises(DrydockError, match="lists objects of other places"):
        resolve([page("ocr/a.onnx", "secrets/b.onnx")])
