# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that is right in every respect, for tests to spoil."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._stack.components import load_components
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.model import build_model
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import StackError

DIGEST = "sha256:" + "ab" * 32
IMAGE = f"registry.example.org/ocr@{DIGEST}"

STACK: dict[str, Any] = {
    "name": "ocr",
    "environment": "production",
    "domain": "ocr.example.org",
    "services": {
        "api": {
            "image": IMAGE,
            "port": 8000,
            "routes": ["/"],
            "environment": {"LOG_LEVEL": "info"},
            "secrets": ["postgres_password", "redis_password"],
            "models": ["ocr"],
            "depends_on": ["postgres", "redis"],
            "resources": {"cpus": "1", "memory": "768m"},
            "health": {"path": "/health/ready"},
        },
        "worker": {"image": IMAGE, "command": ["worker"], "secrets": ["redis_password"], "models": ["ocr"]},
    },
    "components": {
        "postgres": {"image": f"postgres@{DIGEST}", "database": "ocr", "user": "ocr"},
        "redis": {"image": f"redis@{DIGEST}"},
    },
}
MODELS: dict[str, Any] = {
    "ocr": {
        "version": "4.0",
        "files": [
            {
                "path": "det.onnx",
                "urls": ["https://models.example.org/ocr/4.0/det.onnx"],
                "checksum": "sha256:" + "CD" * 32,
                "size": "4745517",
            }
        ],
    }
}


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set ``a.b.0.c`` in a tree; a value of ``...`` takes it out."""
    parts: list[Any] = [int(part) if part.isdecimal() else part for part in path.split(".")]
    *parents, last = parts
    node: Any = tree
    for part in parents:
        node = node[part] if isinstance(node, list) else node.setdefault(part, {})
    if value is ...:
        del node[last]
    else:
        node[last] = value


def build(changes: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    """The model of the stack with changes such as ``{"stack.services.api.port": 9000}``."""
    tree = copy.deepcopy({"stack": STACK, "models": MODELS})
    for path, value in (changes or {}).items():
        put(tree, path, value)
    return build_model(tree["stack"], models=tree["models"], components=load_components(), **arguments)


def violations(changes: dict[str, Any] | None = None, **arguments: Any) -> list[str]:
    """Every violation, or none."""
    try:
        build(changes, **arguments)
    except StackError as error:
        return error.violations
    return []
