# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a release: weighed and judged before the first byte where the registry tells, pulled, judged again, and
remembered, so that the stack later removes what it brought and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import room
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.registry_auth import Logins, lent, registry_of

SCHEMA = 1
# What a layer takes on disk, as a multiple of its size in the registry: unpacked 2.5 to 3.2 in the lab's images, and
# the download lies beside it meanwhile.
UNPACKED = 4
ALSO_RUN = {"linux/amd64": frozenset({"linux/386"})}  # what an engine runs besides its own kind


@dataclass(frozen=True)
class Described:
    """What a registry says of an image. ``platforms``: what a list offers, by digest; ``layers``: bytes by digest."""

    platforms: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, int] = field(default_factory=dict)


def parse_manifest(raw: Mapping[str, Any]) -> Described:
    """Read an image manifest or a list of them, Docker's or OCI's. What does not look like one says nothing."""
    platforms, layers = {}, {}
    for item in _dicts(raw.get("manifests")):
        platform = item.get("platform")
        told = f"{platform.get('os')}/{platform.get('architecture')}" if isinstance(platform, dict) else ""
        if isinstance(item.get("digest"), str) and told and "unknown" not in told:  # attestations are no platform
            platforms[item["digest"]] = told
    for item in _dicts(raw.get("layers")):
        if isinstance(item.get("digest"), str) and isinstance(item.get("size"), int):
            layers[item["digest"]] = max(0, item["size"])
    return Described(platforms=platforms, layers=layers)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def repository(reference: str) -> str:
    """An image reference without its tag and digest."""
    name = reference.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


class Images:
    """The images of one run."""

    def __init__(self, engine: Engine, layout: Layout, logins: Logins) -> None:
        self._engine = engine
        self._layout = layout
        self._logins = logins
        self._layers: dict[str, Mapping[str, int]] = {}

    def foresee(self, pulls: Iterable[str], *, reserve: int) -> None:
        """Before anything is pulled: are the images for this host, and is there room for them?

        A registry that does not tell is not an error here: then there has to be room for the reserve, and the pull says
        what is wrong.

        :param reserve: bytes that have to stay free.
        :raises DrydockError: ``image_architecture``, ``no_space``.
        """
        wanted = self._engine.platform()
        wrong: dict[str, str] = {}
        silent: set[str] = set()
        pulls = list(pulls)
        with lent(self._layout.registry_auth, self._logins, pulls) as configs:
            for reference in pulls:
                described = self._look(reference, configs[reference], silent)
                offered = described.platforms
                if offered and wanted:
                    digest = next((item for item, platform in offered.items() if platform == wanted), None)
                    if digest is None:
                        wrong[reference] = ", ".join(sorted(set(offered.values())))
                        continue
                    described = self._look(f"{repository(reference)}@{digest}", configs[reference], silent)
                self._layers[reference] = described.layers
        if wrong:
            raise _for_others(wrong, wanted)
        size = self._to_pull()
        what = "the engine's images"
        if size:
            what += (
                f" (layers of {size // room.MIB} MiB are to be pulled, which unpacked may take {UNPACKED} times that)"
            )
        room.require(Path(self._engine.data_root()), reserve + UNPACKED * size, what=what)

    def bring(self, pulls: Iterable[str], wanted: Iterable[str], *, timeout: float) -> None:
        """Pull what is missing and see that every wanted image is for this host. One that was pulled and is not, goes.

        :param timeout: seconds for each pull.
        :raises DrydockError: see ``Engine.pull``.
        """
        pulls = list(pulls)
        with lent(self._layout.registry_auth, self._logins, pulls) as configs:
            for reference in pulls:
                remember(self._layout, reference, self._layers.get(reference, {}))
                self._engine.pull(reference, timeout=timeout, config=configs[reference])
        ours = self._engine.platform()
        fitting = {ours, *ALSO_RUN.get(ours, ())}
        found = {reference: str(item["platform"]) for reference, item in self._engine.images(wanted).items()}
        wrong = {item: told for item, told in found.items() if all(told.partition("/")) and told not in fitting}
        if not wrong or not ours:
            return
        for reference in set(wrong) & set(pulls):
            if self._engine.remove_image(reference):
                forget(self._layout, [reference])
        raise _for_others(wrong, ours)

    def _look(self, reference: str, config: Path | None, silent: set[str]) -> Described:
        """``silent``: registries that have not answered in time; they are not asked again."""
        registry = registry_of(reference)
        if registry in silent:
            return Described()
        try:
            return parse_manifest(self._engine.manifest(reference, config=config) or {})
        except DrydockError as error:
            if error.kind != "timed_out":
                raise
            silent.add(registry)
            return Described()

    def _to_pull(self) -> int:
        """The bytes of the layers that are not on the host, as far as they are known."""
        layers = {digest: size for found in self._layers.values() for digest, size in found.items()}
        if not layers:
            return 0
        known = remembered(self._layout)
        here = {digest for reference in self._engine.images(known) for digest in known[reference]}
        return sum(size for digest, size in layers.items() if digest not in here)


def _for_others(wrong: Mapping[str, str], expected: str) -> DrydockError:
    listed = "; ".join(f"{reference} is for {found}" for reference, found in sorted(wrong.items()))
    return DrydockError(
        "image_architecture",
        f"Images of the stack are for other machines than this host, whose engine runs {expected}: {listed}. What runs "
        f"now was not touched. Build them for this host as well (`docker buildx build --platform {expected}`), or "
        "correct the digest or tag in the stack, then run again. An image that was on the host before goes with "
        "`docker image rm`.",
        expected=expected,
        found=dict(wrong),
    )


# -- what the stack's releases have brought to the host ----------------------------------------------------------------


def remembered(layout: Layout) -> dict[str, dict[str, int]]:
    """The images that releases of this stack have pulled: reference -> bytes of its layers by digest, where they were
    known. A file that cannot be read names none: then nothing is removed.
    """
    try:
        raw = json.loads(layout.pulled.read_text(encoding="utf-8"))
        return {str(name): dict(item["layers"]) for name, item in raw["images"].items() if raw["schema"] == SCHEMA}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def remember(layout: Layout, reference: str, layers: Mapping[str, int]) -> None:
    """Written before the pull, so that what a killed run has pulled is known."""
    _write(layout, {**remembered(layout), reference: dict(layers)})


def forget(layout: Layout, references: Iterable[str]) -> None:
    """These are not on the host any more."""
    gone = set(references)
    known = remembered(layout)
    if gone & set(known):
        _write(layout, {name: layers for name, layers in known.items() if name not in gone})


def _write(layout: Layout, images: Mapping[str, Mapping[str, int]]) -> None:
    write_json(layout.pulled, {"schema": SCHEMA, "images": {name: {"layers": item} for name, item in images.items()}})
