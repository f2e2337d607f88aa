# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets that cannot be asked are refused or told, without what was to be sent."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.http import probe_http
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, parse_target

RAW = {"name": "api", "type": "http", "url": "http://127.0.0.1:1/", "method": "GET", "status": [200], "timeout": 1.0}


@pytest.mark.parametrize("change", [{"successes": 0}, {"url": "http://[::1"}, {"url": "http://h:99999/"}])
def test_a_target_that_could_be_healthy_without_an_answer_or_never_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DrydockError) as failure:
        parse_target({**RAW, **change}, interval=1.0, successes=1)
    assert failure.value.kind == "invalid_target"


@pytest.mark.parametrize("value", ["Bearer canary-value\n", " canary-value", "canary-value-\u2603"])
def test_a_header_that_cannot_be_sent_is_told_without_its_value(value: str) -> None:
    seen = probe_http(HttpSpec(url="http://127.0.0.1:1/", headers={"Authorization": value}), 1.0)
    assert not seen.ok
    assert "canary" not in str(seen.as_dict())
