# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of hub files for hosts: plain ones of public models, presigned ones of private models.

Small files of private models the hub sends itself, to those with a token; they come to hosts by way of the controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import redact
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.addresses import HubFile, origin_of
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Ask, Reply

ENDPOINT = "https://huggingface.co"
HOPS = 4  # redirects within the hub, as after a model was renamed
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HIDDEN = frozenset({401, 403, 404})  # hubs answer so for private models, so as not to say that they exist


@dataclass(frozen=True)
class Held:
    """A file that has no address a host could ask. :param url: where the hub sends it from, to those with a token."""

    url: str


class Hub:
    """One hub, as HF_ENDPOINT names it. HF_TOKEN goes to that origin and nowhere else."""

    def __init__(self, environ: Mapping[str, str], *, ask: Ask, given: Mapping[str, Mapping[str, str]]) -> None:
        self.endpoint = (environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
        self._token = environ.get("HF_TOKEN") or ""
        self._ask = ask
        self._given = given
        self._public: dict[tuple[str, str], bool] = {}  # of the models that were asked for

    @property
    def origin(self) -> str:
        """Scheme, host and port, as headers are keyed by."""
        return origin_of(self.endpoint)

    def url(self, file: HubFile) -> str:
        """The documented address of a file at a revision."""
        return f"{self.endpoint}/{file.organisation}/{file.name}/resolve/{file.revision}/{quote(file.path, safe='/')}"

    def resolve(self, file: HubFile) -> str | Held:
        """What a host can fetch; of a private model a secret, good for a while, or what only ``read`` gives.

        :raises DrydockError: ``refused``, ``not_found``, ``bad_response``, or what ``ask`` raises.
        """
        url, model = self.url(file), (file.organisation, file.name)
        if not self._token or self.origin in self._given:
            return url
        if model not in self._public:
            reply = self._ask("HEAD", url, body=False)
            if reply.status >= 400 and reply.status not in _HIDDEN:
                raise self._failure(file, url, reply)
            self._public[model] = reply.status not in _HIDDEN
        return url if self._public[model] else self._presigned(file, url)

    def read(self, held: Held, size: int) -> bytes:
        """The file, of at most so many bytes.

        :raises DrydockError: ``bad_response``, or what ``ask`` raises.
        """
        headers = {**self._authorization(), "Accept-Encoding": "identity"}
        reply = self._ask("GET", held.url, headers=headers, limit=size)
        if reply.status != 200:
            raise DrydockError("bad_response", f"{redact(held.url)} answered {reply.status}; expected the file.")
        return reply.body

    def advice(self) -> str:
        """What else there is for files that the hub sends itself."""
        return (
            "Next step: put the file elsewhere (mirrors), bring it as a bundle, or give hosts a token that may only "
            f'read: headers: {{"{self.origin}": {{"Authorization": "Bearer …"}}}}.'
        )

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def _presigned(self, file: HubFile, url: str) -> str | Held:
        headers = self._authorization()
        for _hop in range(HOPS):
            reply = self._ask("HEAD", url, headers=headers, body=False)
            if reply.status == 200:
                return Held(url)
            if reply.status not in _REDIRECTS:
                raise self._failure(file, url, reply)
            there = urljoin(url, reply.headers.get("location", ""))
            if origin_of(there) != self.origin:
                return self._checked(url, there)
            url = there
        raise DrydockError("bad_response", f"{redact(url)} redirects more than {HOPS} times within the hub.")

    def _checked(self, url: str, there: str) -> str:
        """Storage is asked over https unless the hub itself is a plain one (a hub of the lab)."""
        parts = urlsplit(there)
        safe = parts.scheme == "https" or (parts.scheme == "http" and self.endpoint.startswith("http://"))
        if not safe or not parts.hostname or parts.username is not None or parts.password is not None:
            raise DrydockError(
                "bad_response", f"{redact(url)} redirects to {redact(there)}; expected an https address."
            )
        return there

    def _failure(self, file: HubFile, url: str, reply: Reply) -> DrydockError:
        name = f"{file.organisation}/{file.name}"
        if reply.status in (401, 403):
            return DrydockError(
                "refused",
                f"The hub refuses {name} to the controller's HF_TOKEN ({reply.status}). Next step: use a token that "
                "may read it, and accept the model's terms on the hub where it has some.",
            )
        if reply.status == 404:
            return DrydockError(
                "not_found",
                f"{redact(url)}: not there, or HF_TOKEN may not see it. Next step: compare name, revision and path.",
            )
        return DrydockError("bad_response", f"{redact(url)} answered {reply.status}; expected a redirect to storage.")
