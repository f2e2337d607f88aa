# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of models and of their files, as the inventory and the lock write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

MADE_HERE = ("s3", "oci", "hf")
"""Schemes that the controller makes into https when a file must be fetched."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")  # the names S3 itself takes
_REGISTRY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?|\[[0-9A-Fa-f:]+\](?::[0-9]{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_HUB_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class S3Object:
    """One object, or (with a key that is empty or ends in ``/``) what lies below a prefix.

    :param version: the object's VersionId, or ``None`` for whatever is newest.
    """

    bucket: str
    key: str
    version: str | None = None

    def __str__(self) -> str:
        query = f"?{urlencode({'versionId': self.version})}" if self.version else ""
        return f"s3://{self.bucket}/{quote(self.key, safe='/')}{query}"


@dataclass(frozen=True)
class OciContent:
    """A manifest or a blob in a registry. ``registry`` may have a port; one of ``tag`` and ``digest`` may be empty."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"oci://{self.registry}/{self.repository}{tag}{digest}"


@dataclass(frozen=True)
class HubFile:
    """A file of a model on a hub at one revision."""

    organisation: str
    name: str
    revision: str
    path: str

    def __str__(self) -> str:
        return f"hf://{self.organisation}/{self.name}@{self.revision}/{quote(self.path, safe='/')}"


def parse_s3(url: str) -> S3Object:
    """``s3://bucket/key``, the key percent-encoded, with ``?versionId=`` where one version is meant.

    :raises ValueError: a sentence that repeats nothing of a query.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc):
        raise ValueError("expected s3://bucket/key, the bucket named in 3 to 63 small letters, digits, '.' and '-'")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    version = query.pop("versionId", None)
    if query or parts.fragment:
        raise ValueError(
            "has something other than versionId after the key; percent-encode '?' and '#' in a key, "
            "and leave signatures out: the controller signs when a file is fetched"
        )
    return S3Object(bucket=parts.netloc, key=unquote(parts.path.removeprefix("/")), version=version or None)


def parse_oci(url: str) -> OciContent:
    """``oci://registry/repository`` with ``:tag``, ``@sha256:…`` or both.

    :raises ValueError: anything else.
    """
    expected = "expected oci://registry.example.org/team/model@sha256:<64 hex digits>"
    if not url.startswith("oci://"):
        raise ValueError(expected)
    registry, slash, rest = url.removeprefix("oci://").partition("/")
    name, _at, digest = rest.partition("@")
    repository, _colon, tag = name.partition(":")
    fits = (
        slash
        and _REGISTRY.fullmatch(registry)
        and _REPOSITORY.fullmatch(repository)
        and (not tag or _TAG.fullmatch(tag))
        and (not digest or _DIGEST.fullmatch(digest))
    )
    if not fits or name.endswith(":") or rest.endswith("@"):
        raise ValueError(expected)
    return OciContent(registry=registry, repository=repository, tag=tag, digest=digest)


def parse_hub_file(url: str) -> HubFile:
    """``hf://organisation/name@revision/path``, the path percent-encoded.

    :raises ValueError: anything else.
    """
    expected = "expected hf://organisation/name@revision/path/of/file"
    parts = url.removeprefix("hf://").split("/", 2)
    if not url.startswith("hf://") or len(parts) != 3 or "?" in url or "#" in url:
        raise ValueError(expected)
    name, _at, revision = parts[1].partition("@")
    path = unquote(parts[2])
    if not (_HUB_NAME.fullmatch(parts[0]) and _HUB_NAME.fullmatch(name) and _HUB_REVISION.fullmatch(revision) and path):
        raise ValueError(expected)
    return HubFile(organisation=parts[0], name=name, revision=revision, path=path)


def file_problem(url: str) -> str | None:
    """What is wrong with an s3, oci or hf address of one file; ``None`` where nothing is."""
    try:
        if url.startswith("oci://"):
            content = parse_oci(url)
            if content.tag or not content.digest:
                return "names no blob; expected oci://registry/repository@sha256:<the file's digest>"
        elif url.startswith("hf://"):
            parse_hub_file(url)
        else:
            key = parse_s3(url).key
            if not key or key.endswith("/"):
                return "names no object; expected s3://bucket/key (a prefix is a source, not the address of a file)"
    except ValueError as error:
        return str(error)
    return None


def origin_of(url: str) -> str:
    """``https://host[:port]``, small letters, no default port; empty for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")
