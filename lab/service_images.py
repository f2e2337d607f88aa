# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the services that are deployed in the lab: built here, pushed to the lab's registry, known by digest.

A definition is a folder ``lab/images/<name>`` with a Dockerfile whose ``ARG BASE`` is the Debian base, and, where it
needs more than its own files, a ``build.json``; lab/images/README.md describes both.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.build import build, tree_digest
from lab.checkout import DOMAIN, Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.images import base_image
from lab.pip import TARGET_PYTHON, package_tree
from lab.progress import say
from lab.services import REGISTRY, published_port, registry_has
from lab.state import State

OWN = frozenset({"base", "host", "host-engine", "services"})
IGNORE = shutil.ignore_patterns("__pycache__", "*.pyc", "tests")


@dataclass(frozen=True)
class Definition:
    """What one service image is made of.

    :param on_demand: built when somebody asks for it, not with the lab.
    """

    name: str
    folder: Path
    copies: Mapping[str, Path] = field(default_factory=dict)
    python: Mapping[str, Path] = field(default_factory=dict)
    on_demand: bool = False

    @classmethod
    def load(cls, checkout: Checkout, name: str) -> Definition:
        """Read a definition."""
        folder = checkout.images_dir / name
        if not (folder / "Dockerfile").is_file():
            raise LabError(f"There is no image definition {folder.relative_to(checkout.root)}/Dockerfile.")
        recipe = folder / "build.json"
        wanted = json.loads(recipe.read_text()) if recipe.is_file() else {}
        return cls(
            name=name,
            folder=folder,
            copies={key: checkout.root / path for key, path in wanted.get("copy", {}).items()},
            python={key: checkout.root / path for key, path in wanted.get("python", {}).items()},
            on_demand=bool(wanted.get("on_demand")),
        )

    def digest(self, base: str) -> str:
        """Stands for everything that goes into the image."""
        return tree_digest([self.folder, *self.copies.values(), *self.python.values()], base, TARGET_PYTHON)


def names(checkout: Checkout) -> list[str]:
    """Every image that is made with the lab: each definition that is neither one of its own machines nor on demand."""
    found = {path.parent.name for path in checkout.images_dir.glob("*/Dockerfile")} - OWN
    return sorted(name for name in found if not Definition.load(checkout, name).on_demand)


def prepare_packages(checkout: Checkout, definition: Definition) -> None:
    """Install the packages a definition asks for ahead of its build."""
    for lock in definition.python.values():
        package_tree(checkout, lock)


def reference(name: str, digest: str) -> str:
    """How a lab host names the image."""
    return f"{REGISTRY.name}.{DOMAIN}:{REGISTRY.port}/{name}@{digest}"


def local_image(checkout: Checkout, docker: Docker, name: str) -> str:
    """Make sure this machine's engine has the image as it is defined now; return its name there."""
    definition = Definition.load(checkout, name)
    base = base_image(checkout, docker)
    with checkout.lock(f"image-{name}"):
        return _built(checkout, docker, definition, base)


def _built(checkout: Checkout, docker: Docker, definition: Definition, base: str) -> str:
    tag = _tag(definition, base)
    if not docker.has_image(tag):
        context = stage(checkout, definition)
        what = f"the image '{definition.name}'"
        build(checkout, docker, tag=tag, context=context, arguments={"BASE": base}, what=what)
        shutil.rmtree(context)
    return tag


def _tag(definition: Definition, base: str) -> str:
    return f"drydock-lab/{definition.name}:{definition.digest(base)}"


def ensure_image(checkout: Checkout, docker: Docker, name: str) -> str:
    """Make sure the registry holds the image as it is defined now; return its reference for lab hosts."""
    definition = Definition.load(checkout, name)
    base = base_image(checkout, docker)
    tag = _tag(definition, base)
    with checkout.lock(f"image-{name}"):
        state = State(checkout)
        digest = state.image_digest(tag)
        if digest is None or not registry_has(checkout, docker, name, digest):
            _built(checkout, docker, definition, base)
            digest = push(checkout, docker, name, tag)
            state.record_image(name, tag=tag, digest=digest)
    return reference(name, digest)


def stage(checkout: Checkout, definition: Definition) -> Path:
    """Put together what the build sees."""
    context = checkout.path("build", definition.name)
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(definition.folder, context, ignore=IGNORE)
    for name, source in definition.copies.items():
        place = context / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=IGNORE)
        else:
            shutil.copy2(source, place)
    for name, lock in definition.python.items():
        shutil.copytree(package_tree(checkout, lock), context / name, copy_function=os.link)
    return context


def push(checkout: Checkout, docker: Docker, name: str, tag: str) -> str:
    """Push an image through the registry's loopback port and return its digest."""
    repository = f"127.0.0.1:{published_port(checkout, docker)}/{name}"
    target = f"{repository}:{tag.rpartition(':')[2]}"
    docker("tag", tag, target)
    try:
        docker("push", "--quiet", target, timeout=180, purpose=f"push the image '{name}' to the lab's registry")
        found = docker.inspect("image", [target])[0]["RepoDigests"]
        digest = next(str(each).partition("@")[2] for each in found if each.startswith(f"{repository}@"))
    finally:
        docker("rmi", "--no-prune", target, check=False)
    say(f"pushed {name} to {REGISTRY.fqdn}")
    return digest
