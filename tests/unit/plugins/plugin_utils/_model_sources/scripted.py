# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that answer as told and remember what they were asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Reply


@dataclass
class Asked:
    """One request. Names of headers in small letters."""

    method: str
    url: str
    headers: Mapping[str, str]
    data: Mapping[str, str] | None

    @property
    def origin(self) -> str:
        return "{0.scheme}://{0.netloc}".format(urlsplit(self.url))

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.url).query)


Answer = Callable[[Asked], Reply]


@dataclass
class World:
    """Answers by origin. ``asked`` is everything that left the controller."""

    servers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        body: bool = True,
        limit: int = 0,
    ) -> Reply:
        assert body or not limit
        request = Asked(method, url, {name.lower(): value for name, value in (headers or {}).items()}, data)
        self.asked.append(request)
        return self.servers[request.origin](request)

    def saw(self, canary: str) -> set[str]:
        """Origins that were sent a text, in any part of a request."""
        return {
            item.origin
            for item in self.asked
            if canary in item.url or canary in str(dict(item.headers)) or canary in str(item.data)
        }


def reply(status: int = 200, body: Any = b"", **headers: str) -> Reply:
    """An answer; what is not bytes is sent as JSON, and ``_`` in names stands for ``-``."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)
