# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI artefacts (``oci://registry/repository@sha256:<manifest>``), as ORAS and others push them.

A layer with a title is a file; digest and size stand in the manifest, and the manifest's own digest in the address, so
nothing has to be read to know every byte. https://github.com/opencontainers/image-spec/blob/main/manifest.md
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._checksum import parse_checksum
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.card import one_line
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.remote import Remote
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    ResolvedFile,
    ResolvedSet,
    SetRequest,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.addresses import OciContent, parse_oci
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.docker_login import find_login
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.registry import Registry
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Web
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import repeated

TITLE = "org.opencontainers.image.title"
UNPACK = "io.deis.oras.content.unpack"  # ORAS: the layer is a folder, packed as tar
LICENSES = "org.opencontainers.image.licenses"
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"  # a draft of OCI 1.1; its files are "blobs"
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_ACCEPT = ", ".join([*MANIFESTS, ARTIFACT, *INDEXES])


def backend(context: Context) -> OciBackend:
    web = Web(ca_path=context.ca_path)

    def registry(name: str) -> Registry:
        return Registry(
            name,
            ask=web.ask,
            login=lambda wanted: find_login(wanted, environ=context.environ),
            given=context.headers,
        )

    return OciBackend(context, registry)


class OciBackend:
    """Manifests of single artefacts. An index (several manifests, one for each platform) names no one set of files."""

    def __init__(self, context: Context, registry: Callable[[str], Registry]) -> None:
        self._context = context
        self._make = registry

    def resolve(self, request: SetRequest) -> ResolvedSet:
        wanted = _parse(request.source or "")
        registry = self._make(wanted.registry)
        found = self._manifest(registry, wanted)
        exact = OciContent(registry=wanted.registry, repository=wanted.repository, digest=found.digest)
        self._judge_kind(found, exact)
        layers = [item for item in _listed(found.content, exact) if _title(item, exact)]
        if not layers:
            raise DrydockError(
                "bad_response",
                f"{exact} has no layer with the annotation {TITLE}, so it holds no named files. Likely cause: it is a "
                "container image, or was pushed without file names. Next step: push the files by name (oras push).",
            )
        for title in repeated(_title(item, exact) for item in layers):
            raise DrydockError(
                "bad_response", f"{exact} has two layers with the name {_shown(title)}; nobody can tell which."
            )
        remote = self._remote(registry)
        files = tuple(_file(item, exact, registry, remote) for item in layers)
        annotations = found.content.get("annotations")
        named = annotations.get(LICENSES) if isinstance(annotations, Mapping) else None
        return ResolvedSet(source=str(exact), files=files, license=str(named).strip().lower() if named else None)

    def look(self, path: str, url: str) -> ResolvedFile:
        """One blob by its digest. Its size is what the registry says, its bytes are proven by the digest."""
        content = _parse(url)
        if content.tag or not content.digest:
            raise DrydockError(
                "invalid_input", f"{content}: names no blob; expected oci://registry/repository@sha256:<its digest>."
            )
        registry = self._make(content.registry)
        reply = registry.ask("HEAD", content.repository, "blobs", content.digest, body=False)
        remote = self._remote(registry)
        address = registry.url(content.repository, "blobs", content.digest)
        length = reply.headers.get("content-length", "") if reply.status == 200 else ""
        size = int(length) if length.isascii() and length.isdigit() else remote.size(address)
        return ResolvedFile(
            path=path,
            size=size,
            sha256=parse_checksum(content.digest),
            urls=(str(content),),
            open=partial(remote.open, address, size),
        )

    def _remote(self, registry: Registry) -> Remote:
        wanted = registry.authorization
        return Remote(self._context, headers={registry.origin: wanted} if wanted else None)

    def _manifest(self, registry: Registry, wanted: OciContent) -> _Manifest:
        reference = wanted.digest or wanted.tag or "latest"
        reply = registry.ask("GET", wanted.repository, "manifests", reference, headers={"Accept": _ACCEPT})
        if reply.status != 200:
            raise DrydockError("bad_response", f"{wanted}: the registry redirects the manifest, which is not followed.")
        digest = f"sha256:{hashlib.sha256(reply.body).hexdigest()}"
        if wanted.digest and digest != wanted.digest:
            raise DrydockError(
                "checksum_mismatch",
                f"{wanted}: the registry sent a manifest with another digest, {digest}. Nothing of it is used. "
                "Likely cause: a registry or a cache between that is damaged, or lies.",
            )
        try:
            content = json.loads(reply.body)
            if not isinstance(content, dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise DrydockError("bad_response", f"{wanted}: the registry sent something that is no manifest.") from None
        sent_as = reply.headers.get("content-type", "").partition(";")[0].strip()
        return _Manifest(digest=digest, content=content, media_type=str(content.get("mediaType") or sent_as))

    def _judge_kind(self, found: _Manifest, exact: OciContent) -> None:
        if found.media_type in INDEXES or "manifests" in found.content:
            raise DrydockError(
                "bad_response",
                f"{exact} is an index: it lists several manifests and holds no files itself. Next step: name the one "
                f"manifest by its digest; {_children(found.content)}.",
            )
        if found.media_type not in (*MANIFESTS, ARTIFACT):
            raise DrydockError(
                "bad_response",
                f"{exact} is of a kind that is not known here ({found.media_type[:100]!r}); "
                "expected an OCI image manifest.",
            )


class _Manifest:
    def __init__(self, *, digest: str, content: Mapping[str, Any], media_type: str) -> None:
        self.digest, self.content, self.media_type = digest, content, media_type


def _parse(url: str) -> OciContent:
    try:
        return parse_oci(url)
    except ValueError as error:
        raise DrydockError("invalid_input", f"An oci address: {error}.") from None


def _listed(manifest: Mapping[str, Any], exact: OciContent) -> list[Mapping[str, Any]]:
    layers = manifest.get("layers") or manifest.get("blobs") or []
    if not isinstance(layers, list) or not all(isinstance(item, Mapping) for item in layers):
        raise DrydockError("bad_response", f"{exact}: its list of layers is not one.")
    return layers


def _title(layer: Mapping[str, Any], exact: OciContent) -> str:
    """The file's name; empty for a layer without one."""
    annotations = layer.get("annotations")
    annotations = annotations if isinstance(annotations, Mapping) else {}
    title = annotations.get(TITLE)
    if title and str(annotations.get(UNPACK, "")).lower() == "true":
        raise DrydockError(
            "bad_response",
            f"{exact}: {_shown(title)} is a folder packed into one layer, and layers are not unpacked. Next step: "
            "push its files one by one (oras push … folder/*).",
        )
    return str(title) if isinstance(title, str) else ""


def _shown(title: Any) -> str:
    """Somebody else's text for a message: short, and nothing in it that a terminal obeys."""
    return repr(str(title)[:200])


def _file(layer: Mapping[str, Any], exact: OciContent, registry: Registry, remote: Remote) -> ResolvedFile:
    path, size = _title(layer, exact), layer.get("size")
    try:
        sha256 = parse_checksum(str(layer.get("digest")))
    except ValueError:
        raise DrydockError("bad_response", f"{exact}: {_shown(path)} has no sha256 digest in the manifest.") from None
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise DrydockError("bad_response", f"{exact}: {_shown(path)} has no size in the manifest.")
    blob = OciContent(registry=exact.registry, repository=exact.repository, digest=f"sha256:{sha256}")
    address = registry.url(exact.repository, "blobs", blob.digest)
    return ResolvedFile(
        path=path, size=size, sha256=sha256, urls=(str(blob),), open=partial(remote.open, address, size)
    )


def _children(index: Mapping[str, Any]) -> str:
    """What an index lists, for a message."""
    found = []
    listed = index.get("manifests")
    for item in listed[:10] if isinstance(listed, list) else []:
        platform = item.get("platform") if isinstance(item, Mapping) else None
        names = [platform.get("os"), platform.get("architecture")] if isinstance(platform, Mapping) else ["any"]
        place = "/".join(one_line(name)[:40] for name in names)
        digest = one_line(item.get("digest"))[:80] if isinstance(item, Mapping) else "?"
        found.append(f"{digest} ({place})")
    return f"it lists {', '.join(found)}" if found else "it lists nothing"
