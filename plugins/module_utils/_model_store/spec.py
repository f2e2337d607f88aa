# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator wants, checked: names that stay inside the store, a digest and a size for every file."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import STAGING_PREFIX
from ansible_collections.drydock.serving.plugins.module_utils._checksum import parse_checksum
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import Policy, parse_policy
from ansible_collections.drydock.serving.plugins.module_utils._source import Source, parse_source

MANIFEST = "manifest.json"
CURRENT = "current"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
# Control, format, surrogate, private and unassigned characters, line and paragraph separators.
_NEVER = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)\s*(?:([kmgt]?)(i?)b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
# Addresses that only the controller can turn into ones a host may ask (presigned, by digest, with a token).
UNRESOLVED = ("hf://", "oci://", "s3://")


ANY = Policy()


@dataclass(frozen=True)
class FileSpec:
    """One file of a set.

    :param path: relative, with ``/``.
    :param size: in bytes.
    :param sources: where a host can ask for it; empty where all addresses still wait for the controller.
    :param minimum_size: bytes below which the file is taken for a placeholder.
    """

    path: str
    sha256: str
    size: int
    sources: tuple[Source, ...]
    minimum_size: int = 1


@dataclass(frozen=True)
class ModelSpec:
    """One version of one model: the files that belong together, and which formats they may have."""

    name: str
    version: str
    files: tuple[FileSpec, ...]
    policy: Policy = ANY

    @property
    def manifest(self) -> dict[str, Any]:
        """What lies as ``manifest.json`` beside the files, for the application to check itself against."""
        files = {item.path: {"sha256": item.sha256, "size": item.size} for item in self.files}
        return {"name": self.name, "version": self.version, "files": files}


def parse_size(text: str) -> int:
    """Bytes in ``1048576``, ``500 MB`` (powers of 1000) or ``1GiB`` (powers of 1024).

    :raises ValueError: anything else.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected a size such as 1073741824, 500MB or 1GiB, found {text!r}")
    number, power, binary = found.groups()
    whole, _point, part = number.partition(".")
    unit: int = (1024 if binary else 1000) ** _POWERS[(power or "").lower()]
    return int(whole + part) * unit // int(10 ** len(part))


def check_path(path: str) -> str | None:
    """Why this relative path must not be used in a set; ``None`` where it may."""
    parts = path.split("/")
    reasons = (
        (not path, "is empty"),
        (path.startswith("/"), "is absolute; expected a path inside the set"),
        ("\\" in path, "contains a backslash"),
        (
            any(unicodedata.category(character) in _NEVER for character in path),
            "contains a control, invisible or unassigned character",
        ),
        (
            unicodedata.normalize("NFKC", path) != path,
            "changes under Unicode normalisation, so it could mean another file on another system",
        ),
        (
            any(part in ("", ".", "..") for part in parts),
            "contains an empty, '.' or '..' part; expected a path inside the set",
        ),
        (any(part.startswith(STAGING_PREFIX) for part in parts), f"uses the reserved prefix {STAGING_PREFIX}"),
        (
            any(_length(part) > 200 for part in parts) or _length(path) > 1000,
            "is too long (200 bytes for each part, 1000 for all)",
        ),
        (path == MANIFEST, "is the name of the manifest that model_sync writes itself"),
    )
    return next((reason for wrong, reason in reasons if wrong), None)


def _length(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def parse_models(raw: Sequence[Mapping[str, Any]]) -> tuple[ModelSpec, ...]:
    """Check the list of models.

    :raises DrydockError: kind ``invalid_input`` with every violation and where it is.
    """
    problems: list[str] = []
    models = tuple(_parse_model(f"models[{index}]", model, problems) for index, model in enumerate(raw))
    names = [model.name for model in models]
    problems += [
        f"models: {name} is listed more than once; one version of it can be current" for name in _repeated(names)
    ]
    sizes: dict[str, int] = {}
    for model in models:
        for item in model.files:
            if sizes.setdefault(item.sha256, item.size) != item.size:
                problems.append(
                    f"models: sha256:{item.sha256} is listed with two sizes, {sizes[item.sha256]} and {item.size}"
                )
    fail_with(problems)
    return models


def fail_with(problems: Sequence[str]) -> None:
    """Raise all violations as one failure, if there is any."""
    if problems:
        raise DrydockError(
            "invalid_input",
            "The input of model_sync is not usable, nothing was touched:\n" + "\n".join(problems),
            violations=list(problems),
        )


def _parse_model(where: str, raw: Mapping[str, Any], problems: list[str]) -> ModelSpec:
    name, version = str(raw.get("name") or ""), str(raw.get("version") or "")
    if not _NAME.fullmatch(name):
        problems.append(
            f"{where}.name: {name!r} is not a name (letters, digits, '.', '_', '-'; at most 64; no leading sign)"
        )
    if not _VERSION.fullmatch(version) or version == CURRENT:
        problems.append(
            f"{where}.version: {version!r} is not a version "
            "(letters, digits, '.', '_', '+', '-'; at most 64; not 'current')"
        )
    where = f"{where} ({name})"
    listed = raw.get("files") or []
    if not listed:
        problems.append(f"{where}.files: lists no file")
    files = tuple(_parse_file(f"{where}.files[{index}]", item, problems) for index, item in enumerate(listed))
    problems += [f"{where}.files: {path} is listed more than once" for path in _repeated(item.path for item in files)]
    inside = {str(parent): item.path for item in files for parent in _parents(item.path)}
    problems += [
        f"{where}.files: {path} cannot be a file, because {inside[path]} needs it as a directory"
        for path in sorted({item.path for item in files} & inside.keys())
    ]
    policy, wrong = parse_policy(where, formats=raw.get("formats"), exempt=raw.get("exempt"))
    problems += wrong
    return ModelSpec(name=name, version=version, files=files, policy=policy)


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _parse_file(where: str, raw: Mapping[str, Any], problems: list[str]) -> FileSpec:
    path = str(raw.get("path") or "")
    wrong = check_path(path)
    if wrong:
        problems.append(f"{where}.path: {path!r} {wrong}")
    where = f"{where} ({path})" if not wrong else where
    sha256 = ""
    if not raw.get("checksum"):
        problems.append(
            f"{where}.checksum: is missing; a file without a digest is never brought to a host. "
            "Next step: lock the models, or take the digest from their author"
        )
    else:
        try:
            sha256 = parse_checksum(str(raw["checksum"]))
        except ValueError as error:
            problems.append(f"{where}.checksum: {error}")
    size = raw.get("size")
    if not isinstance(size, int) or size <= 0:
        problems.append(
            f"{where}.size: expected the size in bytes (1 or more; empty files are placeholders), found {size!r}"
        )
        size = 0
    minimum = raw.get("minimum_size")
    minimum = 1 if minimum is None else minimum
    if not isinstance(minimum, int) or minimum < 1:
        problems.append(f"{where}.minimum_size: expected a number of bytes (1 or more), found {minimum!r}")
        minimum = 1
    elif 0 < size < minimum:
        problems.append(
            f"{where}.size: expected at least {minimum} bytes (minimum_size), found {size}; is it a placeholder, such "
            "as a pointer to a file elsewhere?"
        )
    return FileSpec(
        path=path,
        sha256=sha256,
        size=size,
        sources=_parse_sources(where, raw.get("urls") or [], problems),
        minimum_size=minimum,
    )


def _parse_sources(where: str, urls: Sequence[str], problems: list[str]) -> tuple[Source, ...]:
    if not urls:
        problems.append(f"{where}.urls: lists no address to fetch the file from")
    found = [_parse_source(f"{where}.urls[{index}]", url, problems) for index, url in enumerate(urls)]
    return tuple(source for source in found if source is not None)


def _parse_source(where: str, url: str, problems: list[str]) -> Source | None:
    try:
        if str(url).startswith(UNRESOLVED):
            # judged like any other; what it names is the controller's to find
            parse_source(f"https://{str(url).partition('://')[2]}")
            return None
        return parse_source(str(url))
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None


def _repeated(values: Iterable[str]) -> list[str]:
    return sorted(value for value, count in Counter(values).items() if count > 1)
