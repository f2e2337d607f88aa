# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture in a request: the body itself, or the first file of a multipart form."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from ocr.errors import ServiceError

FORM_OVERHEAD = 64 * 1024


async def picture_bytes(request: Request, *, max_bytes: int) -> bytes:
    """Receive the picture; nothing over the limit is kept in memory."""
    multipart = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    limit = max_bytes + (FORM_OVERHEAD if multipart else 0)
    claimed = request.headers.get("content-length", "")
    if claimed.isdigit() and int(claimed) > limit:
        raise too_many_bytes(max_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_many_bytes(max_bytes)
    except ClientDisconnect as exc:
        raise ServiceError("picture_incomplete", "The connection ended too early.", status=400) from exc
    content = await first_file(request, bytes(body)) if multipart else bytes(body)
    if len(content) > max_bytes:
        raise too_many_bytes(max_bytes)
    if not content:
        raise ServiceError("picture_empty", "The request holds no picture: its body is empty.", status=400)
    return content


async def first_file(request: Request, body: bytes) -> bytes:
    """The first file of a form whose body has already been received."""

    async def replay() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, replay).form(max_files=1, max_fields=8) as form:
            for value in form.values():
                if isinstance(value, UploadFile):
                    return await value.read()
    except HTTPException as exc:
        raise ServiceError("form_damaged", f"The multipart form cannot be read: {exc.detail}", status=400) from exc
    raise ServiceError(
        "picture_missing",
        "The form holds no file. Send the picture as a file field, for example: curl -F picture=@page.png",
        status=400,
    )


def too_many_bytes(max_bytes: int) -> ServiceError:
    """The refusal of a body over the limit."""
    return ServiceError(
        "picture_too_large",
        f"The picture has more than {max_bytes} bytes. Compress it or scale it down.",
        status=413,
        max_bytes=max_bytes,
    )
