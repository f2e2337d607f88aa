# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab remembers between commands: which image has which digest in the registry."""

from __future__ import annotations

import json
from typing import Any

from lab.checkout import Checkout


class State:
    """``.lab/state.json``; the containers themselves are asked of the engine, never remembered."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._path = checkout.path("state.json")

    def load(self) -> dict[str, Any]:
        """Everything remembered; empty when there is nothing, or nothing legible."""
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def image_digest(self, tag: str) -> str | None:
        """The digest of the image with this content-addressed tag; None when it was not pushed yet."""
        for image in self.load().get("images", {}).values():
            if image["tag"] == tag:
                return str(image["digest"])
        return None

    def record_image(self, name: str, *, tag: str, digest: str) -> None:
        """Remember a pushed image."""
        with self._checkout.lock("state"):
            value = self.load()
            value.setdefault("images", {})[name] = {"tag": tag, "digest": digest}
            staged = self._path.with_suffix(".new")
            staged.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
            staged.replace(self._path)
