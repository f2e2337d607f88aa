# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of every scenario can use."""

from __future__ import annotations

import pytest
from testinfra.host import Host


@pytest.fixture
def address(host: Host) -> str:
    """The host's address as the outside sees it."""
    return str(host.backend.ansible_runner.get_variables(host.backend.host)["ansible_host"])
