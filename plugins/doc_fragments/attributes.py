# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes every module of the collection states about itself.

A module extends this fragment and gives ``support`` (and ``details`` where it is not ``full``) for each attribute.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and says exactly what it would do, without changing the host.
    support: full
  diff_mode:
    description: Says what changed, or would change, with the text before and after.
    support: full
  idempotent:
    description: A second run with the same input changes nothing and says so.
    support: full
  platform:
    description: The hosts it can act on.
    support: full
    platforms: debian
"""
