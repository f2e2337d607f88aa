# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused although it would run: secrets in the open, root, images that can change under their name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

SECRET_ANYWHERE = frozenset({"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "SECRETS", "CREDENTIAL", "CREDENTIALS"})
SECRET_AT_END = ("PASSWORD", "PASSWD", "SECRET", "TOKEN", "KEY", "PWD")
_URL_WITH_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def looks_secret(name: str) -> bool:
    """A variable whose name says that its value is a secret. ``…_FILE`` names a file and is the way to go."""
    upper = name.upper()
    if upper.endswith(("_FILE", "_PATH")):
        return False
    return bool(SECRET_ANYWHERE & set(upper.split("_"))) or upper.endswith(SECRET_AT_END)


def holds_secret(value: str) -> bool:
    """A value that is a secret whatever its variable is called."""
    return bool(_URL_WITH_PASSWORD.search(value) or _PRIVATE_KEY.search(value))


def check_environment(stack: Mapping[str, Any], problems: Problems) -> None:
    """Environment variables show in ``docker inspect``: no secret may be one. No value is ever part of the message."""
    for name, service in stack["services"].items():
        migrate = (service["migrate"] or {}).get("environment") or {}
        given = [(f"environment.{key}", key, value) for key, value in service["environment"].items()]
        given += [(f"migrate.environment.{key}", key, value) for key, value in migrate.items()]
        for path, key, value in given:
            where = f"stack.services.{name}.{path}"
            if value and looks_secret(key):
                problems.add(
                    where,
                    "looks like a secret, and environment variables show in docker inspect. Name it in "
                    f"stack.services.{name}.secrets and read /run/secrets/<name> (many images take {key}_FILE).",
                )
            elif holds_secret(value):
                problems.add(
                    where,
                    "holds a password or private key in its value, and environment variables show in docker inspect. "
                    f"Keep it in stack.services.{name}.secrets and put it together in the program.",
                )


def check_users(stack: Mapping[str, Any], problems: Problems) -> None:
    for name, service in stack["services"].items():
        if stack["environment"] != "lab" and service["user"].split(":")[0] == "0":
            problems.add(
                f"stack.services.{name}.user",
                "is root, which is refused outside environment lab. Give a numeric uid:gid that the image can run as.",
            )


def check_images(stack: Mapping[str, Any], problems: Problems) -> None:
    for where, image in _images(stack):
        if "@sha256:" in image:
            continue
        tag = image.rsplit("/", 1)[-1].partition(":")[2]
        if stack["environment"] == "production":
            problems.add(
                where,
                f"'{image}' is not pinned by digest, which environment production requires: a tag can be moved. "
                "Find the digest with: docker buildx imagetools inspect {image}, "
                f"then write {image}@sha256:<digest>.",
            )
        elif tag in {"", "latest"}:
            problems.add(
                where, f"'{image}' is whatever is newest at the moment. Write a version as its tag, or a digest."
            )


def _images(stack: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind in ("services", "components"):
        for name, unit in stack[kind].items():
            if unit["image"]:
                yield f"stack.{kind}.{name}.image", unit["image"]
