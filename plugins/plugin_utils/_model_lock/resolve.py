# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One model looked at: chosen files, their digests and formats, the card, the signature, and every gate."""

from __future__ import annotations

import datetime
import fnmatch
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.inspect import inspect_stream
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import (
    EXEMPT,
    Policy,
    check,
    parse_policy,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import check_path
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import card
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.gates import AND, judge
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.handles import digest_of
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.lockfile import is_template
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.signed import some
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    FileRequest,
    HashedFile,
    ResolvedFile,
    ResolvedSet,
    SetRequest,
    SignatureCheck,
    SourceBackend,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

IN_MEMORY = 64 * 1024 * 1024
"""Bytes of a set. Files whose digest nobody tells are read once and stay in memory to be judged, while they fit."""
SIGNATURE = "model.sig"
LISTED = 12


@dataclass(frozen=True)
class Tools:
    """What looking needs from outside.

    :param backend: the back end of a scheme (``hf``, ``https``, …); made when first needed.
    :param verify: checks a signature.
    :param hashing: gives the callback that is told the bytes of a file read so far.
    :param warn: takes what an operator should know of a model that passes.
    """

    context: Context
    backend: Callable[[str], SourceBackend]
    verify: SignatureCheck
    today: datetime.date
    hashing: Callable[[str, int], Callable[[int], None]]
    warn: Callable[[str], None]


def lock_model(request: SetRequest, old: Mapping[str, Any], tools: Tools, problems: Problems) -> dict[str, Any]:
    """The entry of a model for the lock; worthless when problems were added.

    :param old: its entry in the present lock, or nothing. What it proves already is not read again.
    """
    return _Look(request, old, tools, problems).entry()


class _Look:
    def __init__(self, request: SetRequest, old: Mapping[str, Any], tools: Tools, problems: Problems) -> None:
        self._request = request
        self._old = old
        self._tools = tools
        self._problems = problems
        self._room = IN_MEMORY
        self._unproven: list[str] = []  # files that somebody on the way could have changed
        self._minimum = {item.path: item.minimum_size for item in request.files}
        self._policy: Policy = parse_policy(
            request.where, formats=request.formats, exempt=request.exempt, minimum_size=request.minimum_size
        )[0]

    def entry(self) -> dict[str, Any]:
        request = self._request
        before = len(self._problems)
        found = self._source()
        wanted = self._wanted(found) if found else []
        hashed = [item for item in (self._hash(file, named) for file, named in wanted) if item]
        entry: dict[str, Any] = {
            "version": request.version,
            "files": {item.path: self._file(item, urls) for item, urls in hashed},
        }
        if found and request.source:
            entry |= {"source": found.source, "requested": request.source}
            entry |= {"include": list(request.include), "exclude": list(request.exclude)}
        if found:
            entry |= self._card(found, {item.path: item for item, _urls in hashed})
        entry["signature"] = {"state": "unchecked"}
        if found and len(self._problems) == before:
            entry["signature"] = self._signature(found, [item for item, _urls in hashed])
            self._warn_of_unproven(entry["signature"])
        if found:  # without the model, what its card says is not missing but unknown
            self._gates(entry)
        return entry

    def _source(self) -> ResolvedSet | None:
        url = self._request.source
        if url is None:
            return ResolvedSet(source="", files=())
        self._tools.context.tell(f"{self._request.where}: looking at {url}")
        try:
            found = self._tools.backend(_scheme(url)).resolve(self._request)
        except DrydockError as error:
            self._problems.add(f"{self._request.where}.source", error.message)
            return None
        if is_template(found.source):
            self._problems.add(f"{self._request.where}.source", "holds what Ansible takes for a template.")
        return found

    def _wanted(self, found: ResolvedSet) -> list[tuple[ResolvedFile, FileRequest | None]]:
        """The files of the set in order of their paths, with what the operator says about each."""
        request = self._request
        there = {item.path: item for item in found.files}
        chosen = set(_select(request, sorted(there), self._problems)) if request.source else set()
        named = {item.path: item for item in request.files}
        files = []
        for path in sorted(chosen | set(named)):
            wrong = check_path(path) or ("holds what Ansible takes for a template" if is_template(path) else None)
            if wrong:
                self._problems.add(
                    f"{request.where}.source",
                    f"has the file {path[:200]!r}, which {wrong}. Leave it out with 'exclude'.",
                )
                continue
            item = self._address(there.get(path), named.get(path), path)
            if item:
                files.append((item, named.get(path)))
        return files

    def _address(self, there: ResolvedFile | None, named: FileRequest | None, path: str) -> ResolvedFile | None:
        """The file with all its addresses in order: source, those named for it, mirrors."""
        item, more = there, list(named.urls) if named else []
        if item is None and named:
            item, more = self._look(named), []
        if item is None:
            return None
        more += [f"{url.rstrip('/')}/{quote(path)}" for url in self._request.mirrors]
        return replace(item, urls=tuple(dict.fromkeys([*item.urls, *more])))

    def _look(self, named: FileRequest) -> ResolvedFile | None:
        """A file by the first of its own addresses that answers; all of them stay in their order."""
        failures: list[str] = []
        for number, url in enumerate(named.urls):
            found = self._look_at(named.path, url, failures)
            if found:
                if _scheme(url) == "http" and named.sha256 is None:
                    self._unproven.append(named.path)
                return replace(found, urls=(*named.urls[:number], *found.urls, *named.urls[number + 1 :]))
        what = "; ".join(text.rstrip(".") for text in failures)
        self._problems.add(
            f"{self._request.where}.files.{named.path}",
            f"{what or f'is not in {self._request.source}, and has no urls of its own'}.",
        )
        return None

    def _look_at(self, path: str, url: str, failures: list[str]) -> ResolvedFile | None:
        try:
            return self._tools.backend(_scheme(url)).look(path, url)
        except DrydockError as error:
            failures.append(error.message)
            self._tools.context.tell(f"{self._request.where}: {error.message}")
            return None

    def _hash(self, file: ResolvedFile, named: FileRequest | None) -> tuple[HashedFile, tuple[str, ...]] | None:
        """The file with its digest, compared with what the operator says about it."""
        where = f"{self._request.where}.files.{file.path}"
        declared = named.sha256 if named else None
        try:
            known = file.sha256 or self._proven(file, declared)
            item = self._read(file) if known is None else HashedFile(file.path, file.size, known, file.open)
        except DrydockError as error:
            self._problems.add(where, error.message)
            return None
        if declared not in (None, item.sha256):
            self._problems.add(
                f"{where}.checksum",
                f"expected sha256:{declared}, but the source has sha256:{item.sha256} ({item.size} bytes). Likely "
                "cause: another version at this address, or a changed file. Next step: compare with its author.",
            )
        if named and named.size not in (None, item.size):
            self._problems.add(f"{where}.size", f"expected {named.size} bytes, but the source has {item.size}.")
        return item, file.urls

    def _proven(self, file: ResolvedFile, declared: str | None) -> str | None:
        """The declared digest, where the present lock says that this address was read and had it."""
        old = self._old.get("files", {}).get(file.path, {})
        same = old.get("checksum") == f"sha256:{declared}" and old.get("size") == file.size
        return declared if same and old.get("urls", [])[:1] == list(file.urls[:1]) else None

    def _read(self, file: ResolvedFile) -> HashedFile:
        told = self._tools.hashing(f"{self._request.where}: {file.path}", file.size)
        opened = file.open
        with opened() as handle:
            if file.size <= self._room:
                self._room -= file.size
                content = handle.read()
                opened = partial(io.BytesIO, content)
                sha256, size = digest_of(opened(), told=told)
            else:
                sha256, size = digest_of(handle, told=told)
        if size != file.size:
            raise DrydockError(
                "size_mismatch", f"expected {file.size} bytes, as the source says, found {size}. Lock again."
            )
        return HashedFile(file.path, size, sha256, opened)

    def _file(self, item: HashedFile, urls: Sequence[str]) -> dict[str, Any]:
        return {
            "checksum": f"sha256:{item.sha256}",
            "size": item.size,
            "format": self._format(item),
            "urls": list(urls),
        }

    def _format(self, item: HashedFile) -> str:
        where = f"{self._request.where}.files.{item.path}"
        policy = self._policy.at_least(self._minimum.get(item.path))
        try:
            if check(policy, item.sha256, self._tools.today, name=item.path) is not None:
                return EXEMPT
            with item.open() as handle:
                return inspect_stream(handle, item.size, item.path, policy)
        except DrydockError as error:
            message = error.message.removeprefix(f"{item.path}: ")
            digest = f" Its digest: sha256:{item.sha256}." if error.kind == "format_refused" else ""
            self._problems.add(where, f"{message}{digest}")
        except OSError as error:
            self._problems.add(where, f"cannot be read: {error.strerror}.")
        return ""

    def _card(self, found: ResolvedSet, hashed: Mapping[str, HashedFile]) -> dict[str, Any]:
        """Presence and facts of the model card, and the licence."""
        where = f"{self._request.where}.card"
        try:
            content = self._card_bytes(found, hashed)
        except DrydockError as error:
            self._problems.add(where, error.message)
            content = None
        facts = card.read_card("" if content is None else content.decode("utf-8", errors="replace"))
        if facts.problem and (self._request.require or self._request.licenses is not None):
            self._problems.add(where, f"cannot be judged: {facts.problem}.")
        for name in facts.unreadable:
            if name.casefold() in {wanted.casefold() for wanted in self._request.require}:
                self._problems.add(
                    f"{self._request.where}.require.{name}", "the model card has a value for it that is no number."
                )
        given = (facts.license, card.one_line(found.license) if found.license else None)
        names = sorted({item.lower() for text in given if text for item in text.split(AND)})
        return {
            "card": {"present": True, "sha256": _sha256(content)} if content else {"present": False},
            "license": None if any(map(is_template, names)) else AND.join(names) or None,
            "metrics": {name: value for name, value in facts.metrics.items() if not is_template(name)},
        }

    def _card_bytes(self, found: ResolvedSet, hashed: Mapping[str, HashedFile]) -> bytes | None:
        if found.card is not None:
            return found.card.encode("utf-8")
        there: HashedFile | ResolvedFile | None = hashed.get(card.NAME) or next(
            (item for item in found.files if item.path == card.NAME), None
        )
        if there is None and self._request.card_url:
            url = self._request.card_url
            there = self._tools.backend(_scheme(url)).look(card.NAME, url)
        if there is None:
            return None
        if there.size > card.LIMIT:
            raise DrydockError("refused", f"the model card has {there.size} bytes; at most {card.LIMIT} are read.")
        with there.open() as handle:
            content = handle.read()
        if there.sha256 not in (None, hashlib.sha256(content).hexdigest()):
            raise DrydockError(
                "checksum_mismatch",
                f"cannot be judged: its source lists sha256:{there.sha256} and sends {_sha256(content)}. Next step: do "
                "not use it; ask whoever keeps the source.",
            )
        return content.strip() and content

    def _signature(self, found: ResolvedSet, hashed: list[HashedFile]) -> Mapping[str, Any]:
        settings = self._request.signature
        if not settings:
            return {"state": "unchecked"}
        name = settings.get("file") or SIGNATURE
        there = [item.path for item in found.files] if self._request.source else None
        try:
            if name not in {item.path for item in hashed}:
                hashed = [*hashed, *(self._signature_file(item) for item in found.files if item.path == name)]
            return dict(self._tools.verify(settings, hashed, context=self._tools.context, there=there))
        except DrydockError as error:
            self._problems.add(f"{self._request.where}.signature", error.message)
            return {"state": "unchecked"}

    def _warn_of_unproven(self, signature: Mapping[str, Any]) -> None:
        uncovered = [] if signature["state"] == "verified" else signature.get("uncovered", self._unproven)
        paths = [path for path in self._unproven if path in uncovered]
        if paths:
            self._tools.warn(
                f"{self._request.where}: {some(paths)}: read over http://, where anybody on the way could have changed "
                "the bytes, and neither a checksum nor a signature vouches for them. What was read is what hosts will "
                "get. Next step: give the checksum that the author publishes, or use an https:// address."
            )

    def _signature_file(self, item: ResolvedFile) -> HashedFile:
        """One that is not wanted itself. It proves itself, so its digest is not looked at."""
        return HashedFile(item.path, item.size, item.sha256 or "", item.open)

    def _gates(self, entry: Mapping[str, Any]) -> None:
        request = self._request
        wanted = {
            "card": "required" if request.card_required else "optional",
            "require": request.require,
            "licenses": request.licenses,
            "signature": request.signature,
        }
        for path, message in judge(wanted, entry, request.where):
            if not self._problems.reported(path):
                self._problems.add(path, message)


def _select(request: SetRequest, paths: Sequence[str], problems: Problems) -> Iterable[str]:
    """Paths that an include fits and no exclude; a glob that fits nothing is told."""
    for key, globs in (("include", request.include), ("exclude", request.exclude)):
        for number, glob in enumerate(globs):
            if not any(fnmatch.fnmatchcase(path, glob) for path in paths):
                problems.add(
                    f"{request.where}.{key}[{number}]",
                    f"'{glob}' fits no file of {request.source} ({_some(paths)}).",
                )
    return (
        path
        for path in paths
        if any(fnmatch.fnmatchcase(path, glob) for glob in request.include)
        and not any(fnmatch.fnmatchcase(path, glob) for glob in request.exclude)
    )


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(repr(path)[1:-1] for path in paths[:LISTED])
    more = f", and {len(paths) - LISTED} more" if len(paths) > LISTED else ""
    return f"it has: {shown}{more}" if paths else "it has no files"


def _scheme(url: str) -> str:
    return urlsplit(url).scheme


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
