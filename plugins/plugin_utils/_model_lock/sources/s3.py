# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects in S3 and what speaks like it (``s3://bucket/prefix/``), listed and read with the controller's credentials.

S3 keeps no digest that could be trusted alone: an ETag is none, and a stored SHA-256 was told by whoever uploaded. So
the lock reads every object. Where the bucket keeps versions, the address names the version that was read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, SourceError
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.handles import ranged
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    ResolvedFile,
    ResolvedSet,
    SetRequest,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.addresses import S3Object, parse_s3
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.aws import S3, named

MOST = 100_000
"""Objects below one prefix. More are taken for a typing error: a bucket's root instead of a model's folder."""
_UNVERSIONED = "null"  # the VersionId of objects from before a bucket kept versions


def backend(context: Context) -> S3Backend:
    return S3Backend(S3(context.environ, ca_path=context.ca_path))


class S3Backend:
    """Every object below a prefix. Keys that end in ``/`` are the folders some tools draw, and no files."""

    def __init__(self, s3: S3, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._s3 = s3
        self._sleep = sleep

    def resolve(self, request: SetRequest) -> ResolvedSet:
        source = request.source or ""
        prefix = _parse(source)
        if prefix.version:
            raise DrydockError("invalid_input", f"{source.partition('?')[0]}: a prefix has no versionId; leave it out.")
        if prefix.key and not prefix.key.endswith("/"):
            prefix = S3Object(bucket=prefix.bucket, key=f"{prefix.key}/")
        client = self._s3.client(prefix.bucket)
        versioned = self._versioned(client, prefix.bucket)
        listed = list(self._list(client, prefix))
        if not listed:
            raise DrydockError(
                "not_found",
                f"{prefix}: nothing lies there. Next step: compare bucket and prefix; keys are case-sensitive.",
            )
        files = []
        for key, listed_size in listed:
            address = S3Object(bucket=prefix.bucket, key=key)
            exact, size = self._head(client, address) if versioned else (address, listed_size)
            files.append(self._file(client, exact, key[len(prefix.key) :], size))
        return ResolvedSet(source=str(prefix), files=tuple(files))

    def look(self, path: str, url: str) -> ResolvedFile:
        address = _parse(url)
        if not address.key or address.key.endswith("/"):
            raise DrydockError("invalid_input", f"{address}: names no object; a prefix is a source, not a file.")
        client = self._s3.client(address.bucket)
        exact, size = self._head(client, address)
        return self._file(client, exact, path, size)

    def _versioned(self, client: Any, bucket: str) -> bool:
        """Whether a version can be named. Where asking is not allowed, the objects themselves tell."""
        try:
            with named(f"s3://{bucket}/"):
                return bool(client.get_bucket_versioning(Bucket=bucket).get("Status"))
        except DrydockError as error:
            if error.kind != "refused":
                raise
            return True

    def _list(self, client: Any, prefix: S3Object) -> Iterator[tuple[str, int]]:
        count = 0
        with named(str(prefix)):
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key):
                listed = page.get("Contents", [])
                count += len(listed) or 1  # so that pages without objects end as well
                if count > MOST:
                    raise DrydockError(
                        "invalid_input",
                        f"{prefix}: more than {MOST} objects lie there. Next step: name the folder of one model.",
                    )
                for entry in listed:
                    if not entry["Key"].startswith(prefix.key):
                        raise DrydockError("bad_response", f"{prefix}: the server lists objects of other places.")
                    if not entry["Key"].endswith("/"):
                        yield str(entry["Key"]), int(entry["Size"])

    def _head(self, client: Any, address: S3Object) -> tuple[S3Object, int]:
        """The object as it is now: its address with the version, and its bytes."""
        wanted = {"Bucket": address.bucket, "Key": address.key}
        if address.version:
            wanted["VersionId"] = address.version
        with named(str(address)):
            found = client.head_object(**wanted)
        version = found.get("VersionId") or address.version
        exact = S3Object(bucket=address.bucket, key=address.key, version=None if version == _UNVERSIONED else version)
        return exact, int(found["ContentLength"])

    def _file(self, client: Any, address: S3Object, path: str, size: int) -> ResolvedFile:
        return ResolvedFile(
            path=path, size=size, sha256=None, urls=(str(address),), open=partial(self._open, client, address, size)
        )

    def _open(self, client: Any, address: S3Object, size: int) -> BinaryIO:
        return ranged(
            partial(_answer, client, address), size, shown=str(address), policy=RetryPolicy(), sleep=self._sleep
        )


def _parse(url: str) -> S3Object:
    try:
        return parse_s3(url)
    except ValueError as error:
        raise DrydockError("invalid_input", f"An s3 address {error}.") from None


def _answer(client: Any, address: S3Object, offset: int) -> Answer:
    """The object from a byte on."""
    import urllib3  # noqa: PLC0415 - comes with boto3

    wanted: dict[str, Any] = {"Bucket": address.bucket, "Key": address.key}
    if address.version:
        wanted["VersionId"] = address.version
    if offset:
        wanted["Range"] = f"bytes={offset}-"
    try:
        with named(str(address)):
            found = client.get_object(**wanted)
    except DrydockError as error:
        raise SourceError(error.kind, error.message, retryable=error.kind == "unreachable") from None
    body = found["Body"]

    def read(amount: int) -> bytes:
        try:
            data: bytes = body.read(amount)
        except Exception as error:
            import botocore.exceptions as failures  # noqa: PLC0415 - comes with boto3

            if not isinstance(error, (failures.BotoCoreError, urllib3.exceptions.HTTPError, OSError)):
                raise
            raise SourceError("interrupted", f"{address} broke off", retryable=True) from None
        return data

    headers = {"Content-Length": str(found["ContentLength"]), "ETag": found.get("ETag", "")}
    if found.get("ContentRange"):
        headers["Content-Range"] = found["ContentRange"]
    # 200 to a range comes from servers that know no ranges and send the whole
    status = int(found["ResponseMetadata"]["HTTPStatusCode"])
    return Answer(status=status, headers=headers, read=read, close=body.close)
