# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that other programs wrote: samples made by hand could share a mistake with what reads them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.plugins.module_utils._formats.samples import JSON, judged

KINDS = ["<f4", ">i2", "|b1", "<U5", "|S7", "<c16", "<M8[ns]", "<m8[s]", "|V4", "<f2"]
SHAPES: list[tuple[int, ...]] = [(), (3,), (2, 0), (2, 3)]
NETWORKS = sorted((Path(np.__file__).parents[1] / "onnxruntime" / "datasets").glob("*.onnx"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_arrays_that_numpy_writes(kind: str, shape: tuple[int, ...]) -> None:
    whole = io.BytesIO()
    np.save(whole, np.zeros(shape, kind))
    assert judged(whole.getvalue(), "a.npy") == "npy"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_of_arrays_that_numpy_writes(save: Any) -> None:
    whole = io.BytesIO()
    save(whole, a=np.arange(5), b=np.asfortranarray(np.ones((2, 3))))
    assert judged(whole.getvalue(), "a.npz") == "npy"
    whole = io.BytesIO()
    save(whole, a=np.arange(5), b=np.array([{"a": 1}], dtype=object))
    assert "a.npz -> b.npy: found a NumPy array of objects" in judged(whole.getvalue(), "a.npz")


@pytest.mark.skipif(not NETWORKS, reason="onnxruntime brings the networks, and is not there for this Python")
def test_networks_that_onnx_writes() -> None:
    for path in NETWORKS:
        assert judged(path.read_bytes(), path.name) == "onnx", path.name


@pytest.mark.parametrize("suffix", ["gz", ""])
def test_archives_that_tar_writes_from_a_directory(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "set" / "deep").mkdir(parents=True)
    (tmp_path / "set" / "deep" / ("ü" * 60 + ".json")).write_bytes(JSON)
    (tmp_path / "set" / "empty.txt").write_bytes(b"")
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz" if suffix else "w") as archive:
        archive.add(tmp_path / "set", arcname="set")
    assert judged(whole.getvalue(), f"set.tar{suffix and '.gz'}") == ("gzip" if suffix else "tar")
