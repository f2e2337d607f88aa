# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models as hosts can fetch them: every s3, oci and hf address becomes https, made when something must be fetched.

What comes out may hold secrets: presigned addresses carry theirs in the query, headers theirs in their values. Neither
may be shown, logged or written down.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import addresses
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.aws import S3
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.carry import File, Send, carry
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.docker_login import Login, find_login
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.hub import Held, Hub
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.registry import Registry
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Ask, Web

Headers = dict[str, dict[str, str]]
AT_ONCE = 8
"""Questions to a hub at a time: a private model of many files needs one for each of them."""


class Sources:
    """The controller's side of all sources in one run; answers are remembered."""

    def __init__(
        self,
        headers: Mapping[str, Mapping[str, str]],
        *,
        environ: Mapping[str, str],
        ask: Ask,
        login: Callable[[str], Login | None],
        s3: S3,
    ) -> None:
        self._given = {addresses.origin_of(origin) or origin: dict(values) for origin, values in headers.items()}
        self._ask, self._login, self._s3 = ask, login, s3
        self._hub = Hub(environ, ask=ask, given=self._given)
        self._registries: dict[str, Registry] = {}
        self._asked: set[tuple[str, str]] = set()
        self._made: dict[str, str | Held | DrydockError] = {}

    def address(self, url: str) -> str | Held:
        """What a host can fetch for this address, or what only the controller can: see ``read``.

        :raises DrydockError: see ``aws``, ``hub`` and ``registry``; ``invalid_input`` for what is no address.
        """
        if url not in self._made:
            try:
                self._made[url] = self._make(url)
            except DrydockError as error:
                self._made[url] = error
            except ValueError as error:
                self._made[url] = DrydockError("invalid_input", f"A {url.partition(':')[0]} address {error}.")
        made = self._made[url]
        if isinstance(made, DrydockError):
            raise made
        return made

    def read(self, held: Held, size: int) -> bytes:
        """As ``Hub.read``."""
        return self._hub.read(held, size)

    def advice(self) -> str:
        """As ``Hub.advice``."""
        return self._hub.advice()

    def ask_hub(self, urls: Iterable[str]) -> None:
        """Find out many hub addresses at once; what fails is remembered, and raised by ``address``."""
        wanted = [*dict.fromkeys(url for url in urls if url.startswith("hf://"))]
        for url in wanted[:1]:
            self._quietly(url)  # whether its model is public, so that the others need not ask
        if wanted[1:]:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(self._quietly, wanted[1:]))

    def _quietly(self, url: str) -> None:
        with contextlib.suppress(DrydockError):
            self.address(url)

    def headers(self) -> Headers:
        """The operator's headers and the short-lived tokens that registries wanted, by origin."""
        found = {origin: dict(values) for origin, values in self._given.items()}
        for registry in self._registries.values():
            if registry.authorization:
                found.setdefault(registry.origin, {}).update(registry.authorization)
        return found

    def _make(self, url: str) -> str | Held:
        scheme = url.partition(":")[0]
        if scheme == "s3":
            return self._s3.presign(addresses.parse_s3(url))
        if scheme == "hf":
            return self._hub.resolve(addresses.parse_hub_file(url))
        if scheme == "oci":
            return self._blob(addresses.parse_oci(url))
        return url

    def _blob(self, content: addresses.OciContent) -> str:
        if not content.digest:
            raise ValueError("names no blob by its digest")
        if content.registry not in self._registries:
            self._registries[content.registry] = Registry(
                content.registry, ask=self._ask, login=self._login, given=self._given
            )
        registry = self._registries[content.registry]
        if (content.registry, content.repository) not in self._asked:  # one question tells whether a token is wanted
            registry.ask("HEAD", content.repository, "blobs", content.digest, hosts=True, body=False)
            self._asked.add((content.registry, content.repository))
        return registry.url(content.repository, "blobs", content.digest)


def resolve_models(
    models: Sequence[Mapping[str, Any]],
    *,
    headers: Mapping[str, Mapping[str, str]],
    needed: Container[str] | None = None,
    ca_path: str | None = None,
    warn: Callable[[str], None] = lambda _line: None,
    send: Send | None = None,
    environ: Mapping[str, str] | None = None,
    sources: Sources | None = None,
) -> tuple[list[dict[str, Any]], Headers]:
    """The same models with addresses that hosts can fetch, and the headers to fetch them with.

    A source that cannot be made is left out and told to ``warn`` when the file has another one.

    :param headers: the operator's headers by origin. They win: no token is asked for where they have an Authorization.
    :param needed: checksums (``sha256:…``) of the files to be fetched; addresses of others stay as they are, so that a
        source nobody needs now cannot fail. ``None``: all files.
    :param send: brings files that only the controller can read onto the host.
    :param ca_path: PEM file on the controller of the authorities to trust.
    :raises DrydockError: no source of some file can be made: the first reason, with the file it is about.
    """
    environ = os.environ if environ is None else environ
    if sources is None:
        sources = Sources(
            headers,
            environ=environ,
            ask=Web(ca_path=ca_path).ask,
            login=lambda registry: find_login(registry, environ=environ),
            s3=S3(environ, ca_path=ca_path),
        )

    def is_needed(item: Mapping[str, Any]) -> bool:
        return needed is None or str(item.get("checksum") or "").lower() in needed

    sources.ask_hub(str(url) for model in models for item in filter(is_needed, model["files"]) for url in item["urls"])
    files = [
        [_look_up(model, item, sources) if is_needed(item) else None for item in model["files"]] for model in models
    ]
    needed_files = [file for listed in files for file in listed if file is not None]
    carry(needed_files, sources, send)
    found = [
        {
            **model,
            "files": [
                dict(item) if file is None else {**item, "urls": file.urls(warn)}
                for item, file in zip(model["files"], listed, strict=True)
            ],
        }
        for model, listed in zip(models, files, strict=True)
    ]
    return found, sources.headers()


def _look_up(model: Mapping[str, Any], item: Mapping[str, Any], sources: Sources) -> File:
    found: list[str | Held | DrydockError] = []
    for url in item["urls"]:
        try:
            found.append(sources.address(str(url)))
        except DrydockError as error:  # noqa: PERF203 - each address may fail alone
            found.append(error)
    where = f"{model['name']} {model['version']}, {item['path']}"
    return File(where, str(item.get("checksum") or "").lower(), item.get("size"), found)


def needs_controller(models: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any address has to be made by the controller at all."""
    prefixes = tuple(f"{scheme}://" for scheme in addresses.MADE_HERE)
    return any(str(url).startswith(prefixes) for model in models for item in model["files"] for url in item["urls"])
