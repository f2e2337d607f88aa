# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes as they are started: refusals, health checks, logs."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ocr.healthcheck import HEARTBEAT, reader_mark, worker_problem
from ocr.logs import JsonFormatter

SERVICE = Path(__file__).resolve().parents[1]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=SERVICE,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def environment(tmp_path: Path, model_dir: Path) -> dict[str, str]:
    """Everything that a start needs, except services that answer."""
    shutil.copytree(model_dir, tmp_path / "models")
    (tmp_path / "secret").write_text("not-so-secret\n")
    secret = str(tmp_path / "secret")
    return {
        "MODEL_DIR": str(tmp_path / "models"),
        "POSTGRES_PASSWORD_FILE": secret,
        "REDIS_PASSWORD_FILE": secret,
        "OCR_STATE_DIR": str(tmp_path / "state"),
    }


@pytest.mark.parametrize("role", ["api", "worker"])
def test_a_flipped_byte_in_a_model_keeps_the_service_from_starting(role: str, environment: dict[str, str]) -> None:
    model = Path(environment["MODEL_DIR"]) / "rec.onnx"
    content = bytearray(model.read_bytes())
    content[1000] ^= 1
    model.write_bytes(content)
    result = run("ocr", role, **environment)
    said = json.loads(result.stderr.splitlines()[-1])
    assert result.returncode == 78
    assert "rec.onnx: sha256" in said["message"]
    assert "Nothing was loaded" in said["message"]


def test_a_missing_secret_keeps_the_service_from_starting(environment: dict[str, str]) -> None:
    environment["REDIS_PASSWORD_FILE"] = "/nowhere/redis_password"
    result = run("ocr", "api", **environment)
    assert result.returncode == 78
    assert "/nowhere/redis_password cannot be read" in result.stderr


def test_an_unknown_setting_keeps_the_service_from_starting(environment: dict[str, str]) -> None:
    result = run("ocr", "api", OCR_THREADZ="2", **environment)
    assert (result.returncode, "OCR_THREADZ: no such setting" in result.stderr) == (78, True)


def test_a_migration_without_a_database_fails_and_says_why(environment: dict[str, str]) -> None:
    result = run("ocr", "migrate", **environment, POSTGRES_HOST="127.0.0.1", POSTGRES_PORT="1")
    assert result.returncode == 1
    assert "the database could not be prepared" in result.stdout + result.stderr
    assert "not-so-secret" not in result.stdout + result.stderr


@pytest.mark.parametrize("module", ["ocr", "ocr.healthcheck"])
def test_an_unknown_role_shows_the_usage(module: str) -> None:
    result = run(module, "boss")
    assert (result.returncode, "usage:" in result.stderr) == (2, True)


def test_the_api_is_unhealthy_when_nothing_listens() -> None:
    result = run("ocr.healthcheck", "api", OCR_PORT="1")
    assert (result.returncode, "does not answer" in result.stderr) == (1, True)


def test_the_worker_is_healthy_when_its_loop_beats_and_a_process_can_read(tmp_path: Path) -> None:
    assert "has not connected" in worker_problem(tmp_path, 1000.0)
    (tmp_path / HEARTBEAT).touch()
    os.utime(tmp_path / HEARTBEAT, (1000.0, 1000.0))
    assert "no process" in worker_problem(tmp_path, 1001.0)
    reader_mark(tmp_path, os.getpid()).touch()
    assert worker_problem(tmp_path, 1001.0) == ""
    assert "40 s old" in worker_problem(tmp_path, 1040.0)


def test_the_mark_of_a_process_that_is_gone_does_not_count(tmp_path: Path) -> None:
    (tmp_path / HEARTBEAT).touch()
    reader_mark(tmp_path, 2**22 + 1).touch()
    assert "no process" in worker_problem(tmp_path, 0.0)


def test_logs_are_json_and_hold_no_known_secret() -> None:
    formatter = JsonFormatter("api", ['p"ss\\word'])
    record = logging.makeLogRecord({"msg": 'failed with p"ss\\word', "levelname": "INFO", "job": "7"})
    line = formatter.format(record)
    entry = json.loads(line)
    assert (entry["message"], entry["job"], entry["role"]) == ("failed with ***", "7", "api")
