# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden request of a service: what may be written there, and the files of a release that it becomes.

Requests and expectations have the names that ``health_poll`` has for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._health.check import answer_problems
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import TESTS
from ansible_collections.drydock.serving.plugins.module_utils._release.golden import body_file, request_file
from ansible_collections.drydock.serving.plugins.plugin_utils._stack import coerce, fields
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.fields import Field, scalar
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.policy import looks_secret
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

EXPECTATIONS = ("json", "json_tests", "contains", "matches")
LOGIN = frozenset({"authorization", "proxy-authorization", "cookie"})
_NAMED = re.compile(r"\{secret:([a-z][a-z0-9_]*)\}")


def value(found: Any, path: str, problems: Problems) -> Any:  # noqa: ARG001 - a reader
    """Anything that JSON has."""
    return coerce.to_plain(found)


def headers(found: Any, path: str, problems: Problems) -> Any:
    """Names and one line of text each."""
    if not isinstance(found, Mapping):
        problems.add(path, f"expected names and values, found {coerce.shown(found)}.")
        return {}
    read = scalar(coerce.to_str)
    told = {str(name): read(text, f"{path}.{name}", problems) for name, text in found.items()}
    return {name: text for name, text in sorted(told.items()) if text is not None}


def values(found: Any, path: str, problems: Problems) -> Any:
    """Dotted paths in a JSON answer, each with the value that has to be there."""
    if not isinstance(found, Mapping):
        problems.add(path, f"expected paths and values such as lines.0.text: INVOICE, found {coerce.shown(found)}.")
        return {}
    return {str(name): coerce.to_plain(item) for name, item in sorted(found.items(), key=lambda item: str(item[0]))}


def positive(found: Any) -> float:
    number = coerce.to_float(found)
    if number <= 0:
        raise ValueError(f"expected seconds above 0, found {coerce.shown(found)}")
    return number


def text(found: Any) -> str:
    """As written, with line breaks."""
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        raise ValueError(f"expected text, found {coerce.shown(found)}")
    return str(coerce.to_plain(found))


texts = fields.list_of(scalar(text))

golden = fields.record(
    {
        "path": Field(
            scalar(coerce.matching(r"/[!-~]*", "a path that starts with '/', without spaces")), required=True
        ),
        "method": Field(scalar(coerce.matching(r"[A-Za-z]{1,20}", "a word such as POST"))),
        "headers": Field(headers, {}),
        "body": Field(value),
        "body_file": Field(scalar(coerce.to_str)),
        "status": Field(
            fields.list_of(scalar(coerce.within(coerce.to_int, 100, 599)), unique=True, empty=False), [200]
        ),
        "json": Field(values, {}),
        "json_tests": Field(
            fields.list_of(
                fields.record(
                    {
                        "path": Field(scalar(coerce.to_str), required=True),
                        "test": Field(scalar(coerce.choice(*TESTS)), required=True),
                        "value": Field(value),
                    }
                )
            ),
            [],
        ),
        "contains": Field(texts, []),
        "matches": Field(texts, []),
        "max_latency": Field(scalar(positive)),
        "timeout": Field(scalar(coerce.within(positive, 0, 3600)), 30),
        "attempts": Field(scalar(coerce.within(coerce.to_int, 1, 100)), 3),
    }
)


def check_golden(stack: Mapping[str, Any], problems: Problems) -> None:
    """A golden request has a port to ask at, one body, an expectation, and no secret written in it."""
    for name, service in stack["services"].items():
        request = service["health"]["golden"]
        where = f"stack.services.{name}.health.golden"
        if request is None:
            continue
        if service["port"] is None:
            problems.add(f"stack.services.{name}.port", "is required because health.golden is asked there.")
        if request["body"] is not None and request["body_file"] is not None:
            problems.add(where, "has both body and body_file; expected one of them.")
        if not any(request[key] for key in EXPECTATIONS):
            problems.add(
                where,
                f"expects nothing of the answer but its status, which a wrong answer has as well. Give one of "
                f"{', '.join(EXPECTATIONS)}.",
            )
        if not any(item is None for test in request["json_tests"] for item in (test["path"], test["test"])):
            for problem in answer_problems(request):
                key, _colon, meaning = problem.partition(": ")
                problems.add(f"{where}.{key}", f"{meaning}.")
        _check_headers(service, request["headers"], f"{where}.headers", problems)


def _check_headers(service: Mapping[str, Any], given: Mapping[str, str], where: str, problems: Problems) -> None:
    for header, content in given.items():
        named = _NAMED.findall(content)
        for secret in named:
            if secret not in service["secrets"]:
                problems.add(f"{where}.{header}", f"names '{secret}', which is none of the service's secrets.")
        if not named and (header.lower() in LOGIN or looks_secret(header.replace("-", "_"))):
            problems.add(
                f"{where}.{header}",
                "looks like a secret, and the request is written into the release's directory. Name a secret of the "
                'service where its value belongs, such as "Bearer {secret:api_token}".',
            )


def complete(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request as the model has it: with its method, without what was not written."""
    sends = request["body"] is not None or request["body_file"] is not None
    method = request["method"] or ("POST" if sends else "GET")
    return {key: item for key, item in {**request, "method": method.upper()}.items() if item is not None}


def golden_files(services: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The files of a release, as entries of its task: each service's request, and the body that comes from a file."""
    for name, service in sorted(services.items()):
        request = (service.get("health") or {}).get("golden")
        if request:
            told = {key: item for key, item in request.items() if key != "body_file"}
            content = json.dumps(coerce.to_plain(told), indent=2, sort_keys=True) + "\n"
            yield {"dest": request_file(name), "content": content}
            if request.get("body_file"):
                yield {"dest": body_file(name), "src": str(request["body_file"])}
