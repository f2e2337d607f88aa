# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to one OCI registry, and the short-lived tokens it wants to see.

A login goes to nobody but the registry it was made for and the https token service which that registry itself names; a
service named by another registry never sees it. https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import redact
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.addresses import origin_of
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.docker_login import DOCKER_HUB, Login
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Ask, Reply

CLIENT = "drydock.serving"
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')
_TOKEN = re.compile(r"[\x21-\x7e]+")
_WITHIN = (200, 206, 301, 302, 303, 307, 308)


class Registry:
    """One registry, by host and port. Tokens are asked for once and serve all repositories named so far.

    :param login: the user's login for a registry; asked only when the registry wants one.
    :param given: the operator's headers by origin; no token is asked for where they have an Authorization.
    """

    def __init__(
        self,
        name: str,
        *,
        ask: Ask,
        login: Callable[[str], Login | None],
        given: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.name = name
        self._ask = ask
        self._login = login
        self._given = dict((given or {}).get(origin_of(self.origin), {}))
        self._authorization: dict[str, str] = {}
        self._repositories: list[str] = []

    @property
    def origin(self) -> str:
        """Where requests go: Docker Hub answers elsewhere than at its name."""
        return f"https://{'registry-1.docker.io' if self.name == DOCKER_HUB else self.name}"

    @property
    def authorization(self) -> Mapping[str, str]:
        """The header that the registry wanted so far; empty where it wanted none or the operator gives it."""
        return dict(self._authorization)

    def url(self, repository: str, kind: str, reference: str) -> str:
        """The address of a manifest or blob."""
        if self.name == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return f"{self.origin}/v2/{repository}/{kind}/{reference}"

    def ask(
        self,
        method: str,
        repository: str,
        kind: str,
        reference: str,
        *,
        headers: Mapping[str, str] | None = None,
        hosts: bool = False,
        body: bool = True,
    ) -> Reply:
        """Ask for a manifest or blob, with a token once the registry wants one.

        :param hosts: the answer's Authorization is for hosts: the password itself is never used.
        :raises DrydockError: ``refused``, ``not_found``, ``bad_response``, or what ``ask`` raises.
        """
        url = self.url(repository, kind, reference)
        wanted = {**(headers or {}), **self._given}
        if repository not in self._repositories:
            self._repositories.append(repository)
        reply = self._ask(method, url, headers={**wanted, **self._authorization}, body=body)
        if reply.status == 401 and not _has_authorization(self._given):
            self._authorization = self._authorize(reply, url, hosts=hosts)
            reply = self._ask(method, url, headers={**wanted, **self._authorization}, body=body)
        if reply.status not in _WITHIN:
            raise self._failure(reply.status, url, repository)
        return reply

    def _authorize(self, reply: Reply, url: str, *, hosts: bool) -> dict[str, str]:
        scheme, parameters = parse_challenge(reply.headers.get("www-authenticate", ""))
        login = self._login(self.name)
        if scheme == "bearer":
            return {"Authorization": f"Bearer {self._token(parameters, login)}"}
        if scheme != "basic":
            raise DrydockError(
                "refused", f"{redact(url)} refuses access and does not say what it wants to see (Bearer or Basic)."
            )
        if hosts:
            raise DrydockError(
                "refused",
                f"The registry {self.name} asks for the password itself and gives no short-lived tokens, so hosts "
                "would have to hold the password. Next step: use a registry with token authentication, or accept that, "
                f'and give the header yourself: headers: {{"{self.origin}": {{"Authorization": …}}}}.',
            )
        if login is None or not login.password:
            raise DrydockError("refused", self._log_in("asks for a login, and the controller has none"))
        pair = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def _token(self, parameters: Mapping[str, str], login: Login | None) -> str:
        realm = parameters.get("realm", "")
        if not _is_https(realm):
            raise DrydockError(
                "refused",
                f"The registry {self.name} names a token service that is not https, and nothing is sent there. Likely "
                "cause: the registry is set up wrongly, or it is not the one you meant.",
            )
        scopes = [f"repository:{name}:pull" for name in self._scope_names()]
        service = [("service", parameters["service"])] if parameters.get("service") else []
        if login is not None and login.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": login.identity_token,
                "client_id": CLIENT,
                "scope": " ".join(scopes),
                **dict(service),
            }
            reply = self._ask("POST", realm, data=form)
        else:
            parts = urlsplit(realm)
            query = [*parse_qsl(parts.query, keep_blank_values=True), *service, *(("scope", name) for name in scopes)]
            headers = {}
            if login is not None:
                pair = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
                headers["Authorization"] = f"Basic {pair}"
            reply = self._ask("GET", urlunsplit(parts._replace(query=urlencode(query), fragment="")), headers=headers)
        return self._read_token(reply, realm, login)

    def _scope_names(self) -> Sequence[str]:
        if self.name != DOCKER_HUB:
            return self._repositories
        return [name if "/" in name else f"library/{name}" for name in self._repositories]

    def _read_token(self, reply: Reply, realm: str, login: Login | None) -> str:
        if reply.status in (400, 401, 403):
            who = "without a login" if login is None else "with the controller's login"
            raise DrydockError(
                "refused", self._log_in(f"gives no token {who} ({redact(realm)} answered {reply.status})")
            )
        try:
            found: Any = json.loads(reply.body) if reply.status == 200 else None
            token = found.get("token") or found.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise DrydockError(
                "bad_response",
                f"{redact(realm)}, the token service of {self.name}, answered {reply.status} without a token.",
            )
        return token

    def _failure(self, status: int, url: str, repository: str) -> DrydockError:
        if status in (401, 403):
            return DrydockError("refused", self._log_in(f"refuses to show {repository} (it answered {status})"))
        if status == 404:
            return DrydockError(
                "not_found",
                f"{redact(url)}: not there. Likely cause: a typing error, or it was deleted from the registry.",
            )
        if status == 429:
            return DrydockError(
                "unreachable",
                f"The registry {self.name} asks to slow down (429). Next step: run again in a few minutes.",
            )
        return DrydockError("bad_response", f"{redact(url)} answered {status}; expected 200.")

    def _log_in(self, what: str) -> str:
        return (
            f"The registry {self.name} {what}. Next step: docker login {self.name} (or oras login) as the user that "
            "runs Ansible, with an account that may read; DOCKER_CONFIG names another folder for it."
        )


def parse_challenge(header: str) -> tuple[str, dict[str, str]]:
    """Scheme (in small letters) and parameters of a WWW-Authenticate header; the first of Bearer and Basic in it."""
    starts = list(re.finditer(r"(?:^|,\s*)(Bearer|Basic)\b", header, re.IGNORECASE))
    if not starts:
        return "", {}
    bearer = next((found for found in starts if found.group(1).lower() == "bearer"), starts[0])
    ends = [found.start() for found in starts if found.start() > bearer.start()]
    text = header[bearer.end() : min(ends, default=len(header))]
    values = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text)}
    return bearer.group(1).lower(), {name: value.replace("\\", "") for name, value in values.items()}


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        plain = parts.username is None and parts.password is None
        return parts.scheme == "https" and bool(parts.hostname) and plain and parts.port != 0
    except ValueError:
        return False


def _has_authorization(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "authorization" for name in headers)
