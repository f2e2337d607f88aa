# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings: read once, all that is wrong at once, no passwords."""

from __future__ import annotations

from pathlib import Path

import pytest
from ocr.errors import CannotStartError
from ocr.settings import from_environment, read_secret


def test_values_are_read_with_their_types() -> None:
    settings = from_environment({"MODEL_DIR": "/models/x", "OCR_THREADS": "2", "PATH": "/bin", "POSTGRES_HOST": "db"})
    assert (settings.model_dir, settings.threads, settings.database_host) == (Path("/models/x"), 2, "db")


def test_all_that_is_wrong_is_reported_at_once() -> None:
    wrong = {"OCR_THREADS": "many", "OCR_PORT": "0", "OCR_THREDS": "2"}
    with pytest.raises(CannotStartError) as caught:
        from_environment(wrong)
    for name in wrong:
        assert f"{name}: " in str(caught.value)


def test_a_password_in_the_environment_is_refused_and_not_repeated() -> None:
    with pytest.raises(CannotStartError, match="use POSTGRES_PASSWORD_FILE") as caught:
        from_environment({"POSTGRES_PASSWORD": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_secret_loses_the_end_of_its_line_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(" p@ss \n")
    assert read_secret(tmp_path / "secret") == " p@ss "


def test_a_missing_or_empty_secret_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match="cannot be read"):
        read_secret(tmp_path / "missing")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(CannotStartError, match="is empty"):
        read_secret(tmp_path / "empty")
