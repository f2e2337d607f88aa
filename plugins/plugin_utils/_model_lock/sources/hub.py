# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model hub (``hf://org/name@revision``) through ``huggingface_hub``: a tag or branch becomes its commit.

Large files (LFS) are listed with their sha256. That is the hub's word; hosts check it against every byte. Other files
are listed with their git blob id, which is checked here while they are read.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import SourceError, redact
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.handles import Pace, patiently
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.remote import Remote, source_of
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    ResolvedFile,
    ResolvedSet,
    SetRequest,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.addresses import origin_of

PUBLIC = "https://huggingface.co"
EXTRA = "requirements/models.txt"
TIMEOUT = 60.0
"""Seconds without a connection or a byte."""
MOST = 100_000
"""Files and folders of a model. A hub that lists more is taken for one that never ends."""
LARGEST = 64 * 1024 * 1024
"""Bytes of one answer that ``huggingface_hub`` reads. A page of a list has some hundred thousand."""
WHOLE = 64 * 1024 * 1024
"""Bytes. Files outside LFS are below 10 MiB on the public hub; up to this they are read into memory to be checked."""
_NAME = re.compile(r"hf://([A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*)(?:@([A-Za-z0-9][A-Za-z0-9._/+-]*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BAD_ANSWER = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Hub:
    """Where the hub is and with which token. The token is sent to the hub's own origin only."""

    endpoint: str
    token: str | None

    @staticmethod
    def of(environ: Mapping[str, str]) -> Hub:
        """From HF_ENDPOINT and HF_TOKEN."""
        endpoint = (environ.get("HF_ENDPOINT") or PUBLIC).rstrip("/")
        source_of(endpoint)
        return Hub(endpoint=endpoint, token=environ.get("HF_TOKEN") or None)

    @property
    def headers(self) -> dict[str, dict[str, str]]:
        parts = urlsplit(self.endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        return {origin: {"Authorization": f"Bearer {self.token}"}} if self.token else {}


def parse(url: str) -> tuple[str, str]:
    """Repository and revision of ``hf://org/name@revision``; without a revision it is ``main``.

    :raises DrydockError: ``invalid_input``.
    """
    found = _NAME.fullmatch(url)
    if found is None or ".." in url:
        raise DrydockError("invalid_input", "expected hf://organisation/name@revision.")
    return found[1], found[2] or "main"


def backend(context: Context) -> HubBackend:
    hub = Hub.of(context.environ)
    authorities = context.ca_path or context.environ.get("REQUESTS_CA_BUNDLE")
    return HubBackend(hub, Remote(context, headers=hub.headers), library=_library(hub, authorities))


class HubBackend:
    """See the module.

    :param library: the package ``huggingface_hub``.
    """

    def __init__(
        self,
        hub: Hub,
        remote: Remote,
        *,
        library: Any,
        policy: RetryPolicy | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hub = hub
        self._remote = remote
        self._library = library
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        # False: no token at all, and not one that a log-in left in the home directory
        self._api = library.HfApi(endpoint=hub.endpoint, token=hub.token or False, library_name="drydock.serving")

    def resolve(self, request: SetRequest, /) -> ResolvedSet:
        repository, revision = parse(request.source or "")
        ask = partial(self._ask, f"hf://{repository}@{revision}")
        info = ask(lambda: self._api.model_info(repository, revision=revision))
        commit = str(info.sha)
        if not _COMMIT.fullmatch(commit) or (_COMMIT.fullmatch(revision) and commit != revision):
            raise DrydockError(
                "bad_response", f"the hub names {commit[:60]!r} as the commit of {revision!r}; expected a git commit."
            )
        listed = ask(lambda: self._list(repository, commit))
        try:
            files = tuple(self._files(repository, commit, listed))
        except _BAD_ANSWER as error:
            raise _unreadable(f"hf://{repository}@{commit}", error) from None
        return ResolvedSet(source=f"hf://{repository}@{commit}", files=files)

    def look(self, _path: str, _url: str, /) -> ResolvedFile:
        raise DrydockError("invalid_input", "a hub is the source of a whole model; give hf://… as 'source'.")

    def _list(self, repository: str, commit: str) -> list[Any]:
        entries = self._api.list_repo_tree(repository, recursive=True, revision=commit)
        listed = list(islice(entries, MOST + 1))
        if len(listed) > MOST:
            raise DrydockError("bad_response", f"hf://{repository}@{commit} lists more than {MOST} files and folders.")
        return listed

    def _files(self, repository: str, commit: str, listed: list[Any]) -> Iterator[ResolvedFile]:
        for item in listed:
            if not hasattr(item, "blob_id"):  # a folder
                continue
            path, size = str(item.path), int(item.size)
            sha256 = str(item.lfs.sha256) if item.lfs else None
            if item.lfs and (int(item.lfs.size) != size or not _SHA256.fullmatch(sha256 or "")):
                raise DrydockError(
                    "bad_response",
                    f"the hub contradicts itself about {path[:200]!r}: {size} bytes in its list, "
                    f"{int(item.lfs.size)} in storage, sha256 {str(sha256)[:64]!r}. Next step: ask whoever "
                    "keeps the hub.",
                )
            address = f"{self._hub.endpoint}/{repository}/resolve/{commit}/{quote(path)}"
            yield ResolvedFile(
                path=path,
                size=size,
                sha256=sha256,
                urls=(f"hf://{repository}@{commit}/{quote(path)}",),
                open=partial(self._open, address, size, blob=None if sha256 else str(item.blob_id)),
            )

    def _open(self, address: str, size: int, *, blob: str | None) -> BinaryIO:
        """A file of a commit; one that git itself keeps is checked against the id that the commit names it by."""
        try:
            if blob is not None and size <= WHOLE:
                return self._whole(address, size, blob)
            handle = self._remote.open(address, size)
            handle.read(1)
            handle.seek(0)
        except SourceError as error:
            if error.kind != "refused":
                raise
            raise DrydockError("refused", f"{error.message.partition(': ')[0]}{self._no_access()}") from None
        return handle

    def _no_access(self) -> str:
        who = "with the token in HF_TOKEN" if self._hub.token else "without a token (HF_TOKEN is not set)"
        return (
            f" to who asks {who}: private, or gated. Next step: compare the name; accept the model's terms on the hub "
            "with the account the token belongs to, export HF_TOKEN on this controller, lock again."
        )

    def _whole(self, address: str, size: int, blob: str) -> BinaryIO:
        data = self._remote.read(address, limit=size)
        found = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        if _COMMIT.fullmatch(blob) and found != blob:
            raise DrydockError(
                "checksum_mismatch",
                f"the hub lists git blob {blob} of {size} bytes, it sends {found} of {len(data)}. What it sends is not "
                "what was committed. Next step: do not use it; ask whoever keeps the hub.",
            )
        return io.BytesIO(data)

    def _ask(self, shown: str, call: Callable[[], Any]) -> Any:
        def tried() -> Any:
            try:
                return call()
            except self._library.errors.OfflineModeIsEnabled:
                raise DrydockError(
                    "unreachable", f"{shown}: HF_HUB_OFFLINE is set, so huggingface_hub asks nobody. Unset it to lock."
                ) from None
            except self._library.errors.HFValidationError:
                raise DrydockError("invalid_input", f"{shown} is not a name that a hub can have.") from None
            except (self._library.errors.HTTPError, OSError) as error:
                raise self._named(shown, error) from None
            except _BAD_ANSWER as error:
                raise _unreadable(shown, error) from None

        return patiently(tried, policy=self._policy, sleep=self._sleep)

    def _named(self, shown: str, error: Exception) -> DrydockError:
        """The library's failure in our words; its own text repeats addresses with their queries."""
        errors = self._library.errors
        at = f"{shown} at {source_of(self._hub.endpoint).shown}"
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(error, errors.GatedRepoError):
            kind, text = "refused", f"is closed{self._no_access()}"
        elif isinstance(error, errors.RevisionNotFoundError):
            kind, text = "not_found", "has no such tag, branch or commit."
        elif isinstance(error, errors.RepositoryNotFoundError) or status == 404:
            kind, text = "not_found", f"does not exist, or it is closed{self._no_access()}"
        elif status in (401, 403):
            kind, text = "refused", f"answered {status}{self._no_access()}"
        elif status is not None and status != 429 and status < 500:
            kind, text = "bad_response", f"answered {status}, which a hub does not. Is HF_ENDPOINT right?"
        else:
            why = f"answered {status}" if status else f"did not answer ({type(error).__name__})"
            return SourceError("unreachable", f"{at} {why}. Is the address in HF_ENDPOINT right?", retryable=True)
        return DrydockError(kind, f"{at} {text}")


def _unreadable(shown: str, error: Exception) -> DrydockError:
    return DrydockError(
        "bad_response",
        f"{shown}: the hub's answer could not be understood ({type(error).__name__}). Is HF_ENDPOINT a model hub?",
    )


def _library(hub: Hub, ca_path: str | None) -> Any:
    try:
        library: Any = importlib.import_module("huggingface_hub")
        importlib.import_module("huggingface_hub.errors")
    except ImportError:
        raise DrydockError(
            "extra_missing",
            "hf:// needs the Python library 'huggingface_hub' on this controller. Next step: make setup-models, or "
            f"pip install -r {EXTRA} (of the collection's repository) into the Python that runs Ansible.",
        ) from None
    kind = type(library.get_session())
    verify = _authorities(ca_path) if ca_path else True
    stream = importlib.import_module(kind.__module__.partition(".")[0]).SyncByteStream
    hooks = {"request": [partial(prepare, hub)], "response": [partial(bound, stream)]}
    library.set_client_factory(lambda: kind(verify=verify, follow_redirects=True, event_hooks=hooks))
    return library


def prepare(hub: Hub, request: Any) -> None:
    """Bound a request of the library, and send the token to nobody but the hub.

    Where the library asks for lists it waits for ever, whatever its client is told, and goes with the token wherever
    the hub says that the next page is.
    """
    request.headers["Accept-Encoding"] = "identity"  # what is small on the way must not become large here
    request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT)
    if origin_of(str(request.url)) != origin_of(hub.endpoint):
        request.headers.pop("Authorization", None)


def bound(stream: Any, response: Any) -> None:
    """Let no answer of a hub fill the memory, as the library reads each one whole, or take for ever.

    :param stream: what the body has to be for the library's client.
    :raises DrydockError: ``bad_response``, also later, while the body is read.
    :raises SourceError: ``stalled``, while it is read.
    """
    shown = redact(str(response.request.url))
    length = response.headers.get("Content-Length", "")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise DrydockError("bad_response", f"{shown} answers encoded as {encoding[:40]!r}, although asked not to.")
    if length.isascii() and length.isdigit() and int(length[:19]) > LARGEST:
        raise _too_large(shown)

    class Bounded(stream):  # type: ignore[misc]  # known at run time only
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __iter__(self) -> Iterator[bytes]:
            count, pace = 0, Pace(shown)
            for piece in self._inner:
                count += len(piece)
                if count > LARGEST:
                    raise _too_large(shown)
                pace.got(len(piece))
                yield piece

        def close(self) -> None:
            self._inner.close()

    response.stream = Bounded(response.stream)


def _too_large(shown: str) -> DrydockError:
    return DrydockError(
        "bad_response",
        f"{shown} sends more than {LARGEST} bytes about a model; a hub sends a small part of that. Is the address in "
        "HF_ENDPOINT that of a model hub?",
    )


def _authorities(ca_path: str) -> ssl.SSLContext:
    try:
        folder = Path(ca_path).is_dir()
        return ssl.create_default_context(capath=ca_path) if folder else ssl.create_default_context(cafile=ca_path)
    except OSError:
        raise DrydockError(
            "invalid_input",
            f"{ca_path}: no certificates in PEM can be read from it. Next step: name the file of your authority "
            "(models_lock_ca_path, else REQUESTS_CA_BUNDLE).",
        ) from None
