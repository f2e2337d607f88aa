# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's settings, read once from the environment. Passwords come from files, never from variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ocr.errors import CannotStartError

T = TypeVar("T")
FORBIDDEN = ("POSTGRES_PASSWORD", "PGPASSWORD", "REDIS_PASSWORD")


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds."""

    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(f"not within {low} to {high}")
        return value

    return parse


def setting(variable: str, default: T, parse: Callable[[str], T]) -> Any:
    """A field of Settings that an environment variable sets."""
    return field(default=default, metadata={"variable": variable, "parse": parse})


# ruff: noqa: RUF009 - setting() makes a dataclass field, as dataclasses.field() does
@dataclass(frozen=True)
class Settings:
    """What the service was told. Sizes in bytes, durations in seconds."""

    model_dir: Path = setting("MODEL_DIR", Path("/models/ocr"), Path)
    database_host: str = setting("POSTGRES_HOST", "postgres", str)
    database_port: int = setting("POSTGRES_PORT", 5432, whole(1, 65535))
    database_name: str = setting("POSTGRES_DB", "ocr", str)
    database_user: str = setting("POSTGRES_USER", "ocr", str)
    database_password_file: Path = setting("POSTGRES_PASSWORD_FILE", Path("/run/secrets/postgres_password"), Path)
    queue_host: str = setting("REDIS_HOST", "redis", str)
    queue_port: int = setting("REDIS_PORT", 6379, whole(1, 65535))
    queue_name: str = setting("OCR_QUEUE_NAME", "ocr", str)
    queue_password_file: Path = setting("REDIS_PASSWORD_FILE", Path("/run/secrets/redis_password"), Path)
    port: int = setting("OCR_PORT", 8000, whole(1, 65535))
    threads: int = setting("OCR_THREADS", 1, whole(1, 64))
    concurrency: int = setting("OCR_CONCURRENCY", 1, whole(1, 64))
    waiting: int = setting("OCR_WAITING", 4, whole(0, 1000))
    max_bytes: int = setting("OCR_MAX_BYTES", 10 * 1024 * 1024, whole(1024, 1024**3))
    max_pixels: int = setting("OCR_MAX_PIXELS", 16_000_000, whole(1024, 500_000_000))
    detection_side: int = setting("OCR_DETECTION_SIDE", 960, whole(320, 4096))
    job_timeout: int = setting("OCR_JOB_TIMEOUT", 60, whole(1, 3600))
    state_dir: Path = setting("OCR_STATE_DIR", Path("/tmp/ocr"), Path)  # noqa: S108 - a tmpfs of the container's own
    log_level: str = setting("OCR_LOG_LEVEL", "INFO", str.upper)

    @property
    def visibility_timeout(self) -> int:
        """Seconds after which a job whose worker was killed goes to another worker."""
        return max(120, 2 * self.job_timeout)


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; all that is wrong is reported at once."""
    given = dict(os.environ if environment is None else environment)
    known = {item.metadata["variable"]: item for item in fields(Settings)}
    problems, values = [], {}
    for name in sorted(given):
        if name in known:
            try:
                values[known[name].name] = known[name].metadata["parse"](given[name])
            except ValueError as exc:
                problems.append(f"{name}: {given[name]!r} is not usable ({exc})")
        elif name in FORBIDDEN:
            problems.append(f"{name}: a password in the environment is readable in 'docker inspect'; use {name}_FILE")
        elif name.startswith("OCR_"):
            problems.append(f"{name}: no such setting")
    if problems:
        raise CannotStartError("The environment is not usable: " + "; ".join(problems) + ".")
    return Settings(**values)


def read_secret(path: Path) -> str:
    """The secret in a file, without the end of the line."""
    try:
        value = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as exc:
        raise CannotStartError(
            f"The secret {path} cannot be read ({exc.strerror}). Mount it there, readable by uid {os.getuid()}."
        ) from exc
    if not value:
        raise CannotStartError(f"The secret {path} is empty. Put the password into it.")
    return value
