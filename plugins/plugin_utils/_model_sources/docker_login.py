# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller's user is logged in to: ``config.json`` of docker, oras and podman, and credential helpers.

DOCKER_CONFIG names docker's folder; REGISTRY_AUTH_FILE, as for podman and skopeo, another file of the same form.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

DOCKER_HUB = "docker.io"
HELPER_SECONDS = 20.0
_HELPER = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Login:
    """Credentials for one registry. Either user and password, or the long-lived token an identity service gave."""

    username: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


Run = Callable[[str, str], str]
"""``run(program, standard_input)`` gives what the program printed; raises OSError or subprocess.SubprocessError."""


def run_helper(program: str, given: str) -> str:
    """What a credential helper prints; what it says on its error output is not kept."""
    done = subprocess.run(
        [program, "get"], input=given, capture_output=True, text=True, timeout=HELPER_SECONDS, check=True
    )
    return done.stdout


def find_login(registry: str, *, environ: Mapping[str, str], run: Run = run_helper) -> Login | None:
    """The login for exactly this registry (host and port), or ``None`` when there is none.

    :raises DrydockError: ``invalid_input`` when the file cannot be read; its content is never shown.
    """
    path = _config_path(environ)
    config = _read(path)
    names = _names(registry)
    helper = next((config["credHelpers"][name] for name in names if name in config["credHelpers"]), None)
    helper = helper or config["credsStore"]
    if helper:
        for name in names:
            found = _ask_helper(str(helper), name, run)
            if found is not None:
                return found
    for name in names:
        entry = config["auths"].get(name)
        if isinstance(entry, Mapping):
            found = _login(entry, path, registry)
            if found is not None:
                return found
    return None


def _config_path(environ: Mapping[str, str]) -> Path:
    """The file that is named, or the first of the usual ones that is there."""
    if environ.get("REGISTRY_AUTH_FILE"):
        return Path(environ["REGISTRY_AUTH_FILE"])
    if environ.get("DOCKER_CONFIG"):
        return Path(environ["DOCKER_CONFIG"]) / "config.json"
    docker = Path(environ.get("HOME") or "~").expanduser() / ".docker" / "config.json"
    podman = Path(environ.get("XDG_RUNTIME_DIR") or "/nonexistent") / "containers" / "auth.json"
    return podman if podman.is_file() and not docker.is_file() else docker


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        parts = {"auths": found.get("auths") or {}, "credHelpers": found.get("credHelpers") or {}}
        if not all(isinstance(part, dict) for part in parts.values()):
            raise TypeError
    except FileNotFoundError:
        return {"auths": {}, "credHelpers": {}, "credsStore": None}
    except OSError as error:
        raise DrydockError("invalid_input", f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, AttributeError):
        raise DrydockError(
            "invalid_input",
            f"{path} is not the configuration of a container engine. Next step: log in to the registry again, or set "
            "DOCKER_CONFIG to the folder of the right config.json.",
        ) from None
    return {**parts, "credsStore": found.get("credsStore")}


def _names(registry: str) -> list[str]:
    """The names one registry goes by in the file."""
    if registry == DOCKER_HUB:
        return ["https://index.docker.io/v1/", "index.docker.io", DOCKER_HUB]
    return [
        registry,
        f"https://{registry}",
        f"https://{registry}/",
        f"https://{registry}/v1/",
        f"https://{registry}/v2/",
    ]


def _login(entry: Mapping[str, Any], path: Path, registry: str) -> Login | None:
    identity = str(entry.get("identitytoken") or "")
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            decoded = base64.b64decode(str(entry["auth"]), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            raise DrydockError(
                "invalid_input",
                f"{path}: the entry for {registry} is not readable. Next step: log in to that registry again.",
            ) from None
        username, _colon, password = decoded.rstrip("\0").partition(":")
    if not identity and not (username and password):
        return None
    return Login(username=username, password=password, identity_token=identity)


def _ask_helper(helper: str, name: str, run: Run) -> Login | None:
    """What a credential helper knows; a helper that knows nothing fails, which is no fault."""
    if not _HELPER.fullmatch(helper):
        raise DrydockError(
            "invalid_input", "The container engine's config.json names a credential helper that is no program."
        )
    try:
        found = json.loads(run(f"docker-credential-{helper}", name))
        username, secret = str(found["Username"]), str(found["Secret"])
    except subprocess.TimeoutExpired:
        raise DrydockError(
            "refused",
            f"docker-credential-{helper} did not answer within {HELPER_SECONDS:g} s. Likely cause: it waits for "
            "somebody to unlock it. Next step: unlock it, or log in with a plain config.json in a folder named by "
            "DOCKER_CONFIG.",
        ) from None
    except FileNotFoundError:
        raise DrydockError(
            "refused",
            f"docker-credential-{helper} is named in the container engine's config.json but not installed on the "
            "controller. Next step: install it, or set DOCKER_CONFIG to a folder with a plain config.json.",
        ) from None
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    if not secret:
        return None
    return Login(username="", identity_token=secret) if username == "<token>" else Login(username, secret)
