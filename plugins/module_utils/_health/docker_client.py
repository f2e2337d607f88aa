# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker SDK: one client for all targets, made when it is first needed."""

from __future__ import annotations

import importlib
import threading
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

# Seconds the engine may take for one answer. It is the client's and so the same for all; what an attempt may take comes
# with the attempt.
PATIENCE = 10


class DockerClient:
    """The engine that the environment names (``DOCKER_HOST``), else this machine's."""

    def __init__(self) -> None:
        self._api: Any = None
        self._lock = threading.Lock()

    def api(self) -> Any:
        """The SDK's low-level client.

        :raises DrydockError: ``missing_library``.
        """
        docker = load_docker()
        if self._api is None:
            # it asks the engine for its version: were it made under the lock, all would wait for it in turn
            made = docker.from_env(timeout=PATIENCE).api
            with self._lock:
                self._api = self._api or made
        return self._api


def load_docker() -> Any:
    """The Docker SDK.

    :raises DrydockError: ``missing_library``, with what to install.
    """
    try:
        return importlib.import_module("docker")
    except ImportError as error:
        raise DrydockError(
            "missing_library",
            "Container and command targets need the Docker SDK for Python, which this interpreter does not find. "
            "Install python3-docker from the distribution on the host, or docker with pip on the controller.",
            library="docker",
        ) from error
