# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single files over https or http, and files that hosts read from their own file system (``file://``)."""

from __future__ import annotations

from functools import partial

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.remote import Remote
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    ResolvedFile,
    ResolvedSet,
    SetRequest,
)


def backend(context: Context) -> WebBackend:
    return WebBackend(Remote(context))


class WebBackend:
    """A web server says how long a file is and nothing about its bytes, so the lock reads it all."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def resolve(self, _request: SetRequest, /) -> ResolvedSet:
        """There is no listing that web servers agree on."""
        raise DrydockError(
            "invalid_input",
            "a web address cannot be listed; name each file with its 'urls' in 'files', or use hf://, oci://, s3:// "
            "or file:// as source.",
        )

    def look(self, path: str, url: str, /) -> ResolvedFile:
        size = self._remote.size(url)
        return ResolvedFile(path=path, size=size, sha256=None, urls=(url,), open=partial(self._remote.open, url, size))
