# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service's tests share: the real models, and a store and a queue in memory.

The models are those of OCR_TEST_MODELS (a model set), or come fresh out of the package that models.json names.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from fetch_models import fetch  # noqa: E402 - the line above makes these importable
from ocr.model_set import ModelSet, open_model_set  # noqa: E402
from ocr.reader import Reader  # noqa: E402
from ocr_doubles import MemoryQueue, MemoryStore  # noqa: E402


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model set with the real models."""
    given = os.environ.get("OCR_TEST_MODELS")
    return Path(given) if given else fetch(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def model_set(model_dir: Path) -> ModelSet:
    """The same, opened and verified."""
    return open_model_set(model_dir)


@pytest.fixture(scope="session")
def reader(model_set: ModelSet) -> Reader:
    """The real models, loaded."""
    return Reader(model_set, threads=1, detection_side=960)


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@pytest.fixture
def queue() -> MemoryQueue:
    """An empty queue."""
    return MemoryQueue()
