# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the database to what this version needs, and end. May run again and again, and beside the version before."""

from __future__ import annotations

import logging

from ocr import logs
from ocr.errors import StoreUnavailableError
from ocr.settings import Settings, read_secret
from ocr.store import PostgresStore

LOG = logging.getLogger(__name__)


def main(settings: Settings) -> int:
    """Create the tables; 1 when the database does not answer."""
    logs.set_up("migrate", settings.log_level, [read_secret(settings.database_password_file)])
    store = PostgresStore(settings, connections=1)
    try:
        store.prepare()
    except StoreUnavailableError as exc:
        LOG.error("the database could not be prepared", extra={"reason": exc.reason})
        return 1
    finally:
        store.close()
    LOG.info("the database is as this version needs it")
    return 0
