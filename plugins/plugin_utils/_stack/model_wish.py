# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be told wrong with a model as it is written, without its lock: addresses, paths, keys that do not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import check_path
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import addresses
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import repeated
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

SCHEMES = ("https", "http", "file", *addresses.MADE_HERE)
FOLDERS = ("https", "http", "file", "s3")
_HUB = re.compile(r"hf://[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*(?:@[A-Za-z0-9][A-Za-z0-9._/+-]*)?")
_SECRET = re.compile(
    r"(?:.*[-_])?(?:sig|signature|token|secret|password|credential|auth|(?:api|access)[-_]?key)", re.IGNORECASE
)
"""Parameters in a query that let in whoever has the address. The lock, which is committed, would hold them."""
_SOURCE = (
    "expected hf://organisation/name@revision, oci://registry/repository@sha256:<digest>, s3://bucket/prefix/ or "
    "file:///an/absolute/folder"
)


def check_wish(where: str, model: Mapping[str, Any], problems: Problems) -> None:
    """Everything about one model that needs nothing but itself."""
    if model["source"] is None and not model["files"] and not problems.reported(f"{where}.files"):
        problems.add(where, "has neither a source nor files, so there is nothing to bring.")
    for path, message in _address_problems(where, model):
        problems.add(path, message)
    _check_files(f"{where}.files", model, problems)
    if model["source"] is None:
        for key in (key for key, default in (("include", ["*"]), ("exclude", [])) if model[key] != default):
            problems.add(f"{where}.{key}", "means nothing without a source; files that are named are all wanted.")
    _check_signature(f"{where}.signature", model["signature"], problems)


def _check_files(where: str, model: Mapping[str, Any], problems: Problems) -> None:
    paths = [item["path"] for item in model["files"] if item["path"]]
    for path in repeated(paths):
        problems.add(where, f"'{path}' is listed more than once.")
    for number, item in enumerate(model["files"]):
        wrong = check_path(item["path"]) if item["path"] is not None else None
        if wrong:
            problems.add(f"{where}[{number}].path", f"'{item['path']}' {wrong}.")
        urls = f"{where}[{number}].urls"
        if model["source"] is None and not item["urls"] and not problems.reported(urls):
            problems.add(urls, "is required where the model has no source.")


def check_tree(where: str, paths: list[str], problems: Problems) -> None:
    """No file lies where another one needs a folder."""
    inside: dict[str, str] = {}
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            inside.setdefault("/".join(parts[:depth]), path)
    for path in paths:
        if path in inside:
            problems.add(f"{where}.files", f"'{path}' is a file and also the folder of '{inside[path]}'.")


def _check_signature(where: str, signature: Mapping[str, Any] | None, problems: Problems) -> None:
    needed = {"key": "public_key", "certificate": "certificate_chain"}
    if signature is None or signature["method"] is None:
        return
    for method, key in needed.items():
        if signature["method"] == method and not signature[key] and not problems.reported(f"{where}.{key}"):
            problems.add(f"{where}.{key}", f"is required because method is {method}.")
        if signature["method"] != method and signature[key]:
            problems.add(f"{where}.{key}", f"is given but method is {signature['method']}. Take one of them out.")


def _address_problems(where: str, model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if model["source"] is not None:
        wrong = _source_problem(model["source"])
        if wrong:
            yield f"{where}.source", f"{wrong}."
    for number, url in enumerate(model["mirrors"]):
        wrong = _folder_problem(url)
        if wrong:
            yield f"{where}.mirrors[{number}]", wrong
    if model["card_url"] is not None:
        wrong = url_problem(model["card_url"])
        if wrong:
            yield f"{where}.card_url", wrong
    for index, item in enumerate(model["files"]):
        for number, url in enumerate(item["urls"]):
            wrong = url_problem(url)
            if wrong:
                yield f"{where}.files[{index}].urls[{number}]", wrong


def _source_problem(source: str) -> str | None:
    """What is wrong with the source of a set; it is not shown, as it may hold credentials."""
    try:
        if source.startswith("oci://"):
            addresses.parse_oci(source)
        elif source.startswith("s3://"):
            if addresses.parse_s3(source).version:
                return "has a versionId; a prefix has none, and the lock notes that of each object"
        elif source.startswith("file://"):
            parts = urlsplit(source)
            if parts.hostname not in (None, "localhost") or not parts.path.startswith("/"):
                return _SOURCE
        elif not _HUB.fullmatch(source) or ".." in source:
            return _SOURCE
    except ValueError as error:
        return str(error)
    return None


def _folder_problem(url: str) -> str | None:
    """What is wrong with the address below which files lie by their paths."""
    scheme = url.partition("://")[0]
    if scheme not in FOLDERS:
        return f"expected an address that starts with {', '.join(f'{scheme}://' for scheme in FOLDERS)}."
    if "?" in url or "#" in url:
        return "has a query or fragment; the path of each file is added to a mirror's address."
    return url_problem(f"{url.rstrip('/')}/x")


def url_problem(url: str) -> str | None:
    """What is wrong with the address of a file; it is not shown, as it may hold credentials."""
    try:
        parts = urlsplit(url)
        named = [name for name, _value in parse_qsl(parts.query, keep_blank_values=True)]
        credentials = parts.username is not None or parts.password is not None or any(map(_SECRET.fullmatch, named))
    except ValueError:
        return "is not an address that can be read; expected something like https://models.example.org/ocr/det.onnx."
    if credentials:
        return (
            "has credentials in it, which would show in logs and in the lock. Take them out and send headers instead "
            "(models_lock_headers, model_store_headers); an object in S3 has an s3:// address, which is signed when it "
            "is fetched."
        )
    if parts.scheme not in SCHEMES:
        return f"expected an address that starts with {', '.join(f'{scheme}://' for scheme in SCHEMES)}."
    if parts.scheme in addresses.MADE_HERE:
        wrong = addresses.file_problem(url)
        return f"{wrong}." if wrong else None
    if parts.scheme != "file" and not parts.hostname:
        return "has no host; expected something like https://models.example.org/ocr/det.onnx."
    return None
