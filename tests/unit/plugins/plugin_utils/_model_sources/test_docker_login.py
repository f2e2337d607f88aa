# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins as docker, podman and oras keep them."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.docker_login import Login, find_login

NAME = "registry.example.org:5000"
AUTH = base64.b64encode(b"ann:pa:ss").decode()


def no_helper(program: str, given: str) -> str:
    raise AssertionError("no helper is named")


def find(tmp_path: Path, config: Any, registry: str = NAME, run: Any = no_helper) -> Login | None:
    if config is not None:
        content = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "config.json").write_text(content)
    return find_login(registry, environ={"DOCKER_CONFIG": str(tmp_path)}, run=run)


@pytest.mark.parametrize("name", [NAME, f"https://{NAME}", f"https://{NAME}/v1/"])
def test_a_login_is_found_by_the_names_a_registry_goes_by(tmp_path: Path, name: str) -> None:
    assert find(tmp_path, {"auths": {name: {"auth": AUTH}}}) == Login("ann", "pa:ss")


@pytest.mark.parametrize("name", ["registry.example.org", f"evil.example.org/{NAME}", f"{NAME}.evil.example.org", ""])
def test_the_login_of_another_registry_is_not_taken(tmp_path: Path, name: str) -> None:
    assert find(tmp_path, {"auths": {name: {"auth": AUTH}}}) is None


def test_docker_hub_has_a_name_of_its_own(tmp_path: Path) -> None:
    config = {"auths": {"https://index.docker.io/v1/": {"auth": AUTH}}}
    assert find(tmp_path, config, "docker.io") == Login("ann", "pa:ss")


def test_an_identity_token_is_found(tmp_path: Path) -> None:
    assert find(tmp_path, {"auths": {NAME: {"auth": AUTH, "identitytoken": "idt"}}}) == Login("ann", "pa:ss", "idt")


@pytest.mark.parametrize("config", [None, {}, {"auths": {}}, {"auths": {NAME: {}}}, {"auths": {NAME: None}}])
def test_no_login_is_no_fault(tmp_path: Path, config: Any) -> None:
    assert find(tmp_path, config) is None


@pytest.mark.parametrize("config", ["c4n4ry{", "[]", '{"auths": "c4n4ry"}', {"auths": {NAME: {"auth": "c4n4ry!"}}}])
def test_a_file_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path, config: Any) -> None:
    with pytest.raises(DrydockError) as caught:
        find(tmp_path, config)
    assert "c4n4ry" not in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_a_helper_of_the_registry_is_asked_before_the_general_one(tmp_path: Path) -> None:
    def run(program: str, given: str) -> str:
        assert (program, given) == ("docker-credential-pass", NAME)
        return json.dumps({"ServerURL": NAME, "Username": "ann", "Secret": "s3"})

    config = {"credsStore": "other", "credHelpers": {NAME: "pass"}}
    assert find(tmp_path, config, run=run) == Login("ann", "s3")


def test_a_helper_may_give_an_identity_token(tmp_path: Path) -> None:
    found = find(tmp_path, {"credsStore": "pass"}, run=lambda *_: '{"Username": "<token>", "Secret": "idt"}')
    assert found == Login("", identity_token="idt")


@pytest.mark.parametrize("error", [subprocess.CalledProcessError(1, "x"), PermissionError(13, "x"), None])
def test_a_helper_that_knows_nothing_is_no_fault(tmp_path: Path, error: Exception | None) -> None:
    def run(program: str, given: str) -> str:
        if error:
            raise error
        return "credentials not found in native keychain"

    assert find(tmp_path, {"credsStore": "pass", "auths": {NAME: {"auth": AUTH}}}, run=run) == Login("ann", "pa:ss")


@pytest.mark.parametrize(
    ("helper", "error", "said"),
    [
        ("pass", subprocess.TimeoutExpired("x", 1), "did not answer"),
        ("pass", FileNotFoundError(2, "x"), "not installed"),
        ("../../bin/sh", None, "is no program"),
        ("pass -x", None, "is no program"),
    ],
)
def test_a_helper_that_hangs_or_is_missing_is_named(
    tmp_path: Path, helper: str, error: Exception | None, said: str
) -> None:
    def run(program: str, given: str) -> str:
        assert error is not None, "must not run"
        raise error

    with pytest.raises(DrydockError, match=said):
        find(tmp_path, {"credsStore": helper}, run=run)


def test_another_file_may_be_named_as_for_podman(tmp_path: Path) -> None:
    place = tmp_path / "auth.json"
    place.write_text(json.dumps({"auths": {NAME: {"auth": AUTH}}}))
    environ = {"REGISTRY_AUTH_FILE": str(place), "DOCKER_CONFIG": "/nonexistent"}
    assert find_login(NAME, environ=environ, run=no_helper) == Login("ann", "pa:ss")


def test_the_usual_file_of_podman_is_read_where_docker_has_none(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    (tmp_path / "run" / "containers").mkdir(parents=True)
    (tmp_path / "run" / "containers" / "auth.json").write_text(json.dumps({"auths": {NAME: {"auth": AUTH}}}))
    assert find_login(NAME, environ=environ, run=no_helper) == Login("ann", "pa:ss")
    (tmp_path / "home" / ".docker").mkdir(parents=True)
    (tmp_path / "home" / ".docker" / "config.json").write_text("{}")
    assert find_login(NAME, environ=environ, run=no_helper) is None


def test_a_login_does_not_show_its_secret() -> None:
    assert "c4n4ry" not in repr(Login("ann", "c4n4ry", "c4n4ry"))
