# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the files of a release reach the host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.action.release import FILE_LIMIT, shipped
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import parse_desired
from ansible_collections.drydock.serving.plugins.plugin_utils._render import RenderedFile

PICTURE = b"\x89PNG\r\n\x1a\n\x00\xff"
STACK: dict[str, Any] = {"name": "demo", "paths": {"root": "/opt/demo", "secrets": "/etc/demo/secrets"}}


def rendered(content: bytes) -> RenderedFile:
    return RenderedFile(dest="golden/api.body", content=content, source="page.png", entry={})


@pytest.mark.parametrize("content", [PICTURE, "ümläut\n".encode(), b""])
def test_any_file_arrives_as_it_was(content: bytes) -> None:
    assert parse_desired(STACK, [shipped(rendered(content))]).files == {"golden/api.body": content}


def test_text_travels_as_text() -> None:
    assert shipped(rendered(b"a: b\n")) == {"dest": "golden/api.body", "content": "a: b\n"}


def test_a_file_that_is_too_large_to_travel_with_each_run_is_refused() -> None:
    with pytest.raises(DrydockError) as failure:
        shipped(rendered(b"x" * (FILE_LIMIT + 1)))
    assert failure.value.kind == "invalid_stack"
    assert "page.png" in failure.value.message


def test_what_is_no_base64_is_refused_by_the_host() -> None:
    with pytest.raises(DrydockError) as failure:
        parse_desired(STACK, [{"dest": "a", "content": "*", "encoding": "base64"}])
    assert failure.value.kind == "invalid_stack"
