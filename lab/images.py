# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of the lab's own machines: the Debian base, and the host that the roles are tried on."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.build import build, tree_digest
from lab.checkout import Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.mirror import Mirror, machine_mirror
from lab.proc import last_lines, root_prefix, run
from lab.progress import elapsed, say

RELEASES = {"trixie": "debian:13", "bookworm": "debian:12"}
DEFAULT_RELEASE = "trixie"
REGISTRY_PATIENCE = 8.0
SEED_VERSION = "1"
SEED_OPTIONS = (
    "--variant=minbase",
    "--include=ca-certificates",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)


def base_image(checkout: Checkout, docker: Docker, release: str = DEFAULT_RELEASE) -> str:
    """Make sure the bare Debian image of a release exists and return its name."""
    if release not in RELEASES:
        raise LabError(f"The lab has no Debian release '{release}'. Use one of: {', '.join(sorted(RELEASES))}.")
    context = checkout.images_dir / "base"
    mirror = machine_mirror()
    sources = mirror.sources(release) if mirror else ""
    tag = f"drydock-lab/base:{release}-{tree_digest([context], SEED_VERSION, sources, *SEED_OPTIONS)}"
    with checkout.lock(f"image-base-{release}"):
        if docker.has_image(tag):
            return tag
        return build(
            checkout,
            docker,
            tag=tag,
            context=context,
            arguments={"SEED": seed_image(checkout, docker, release, mirror), "SOURCES": sources},
            what=f"the base image of Debian {release}",
        )


def seed_image(checkout: Checkout, docker: Docker, release: str, mirror: Mirror | None) -> str:
    """An image of plain Debian: from a registry where one answers, else made from the machine's package mirror."""
    official = RELEASES[release]
    own = f"drydock-lab/seed:{release}-{tree_digest([], SEED_VERSION, *SEED_OPTIONS)}"
    for name in (own, official):
        if docker.has_image(name):
            return name
    if registry_has(docker, official):
        say(f"pulling {official}")
        docker("pull", "--quiet", official, purpose=f"pull {official}")
        return official
    if mirror is None:
        raise LabError(
            f"No image registry answers for {official}, and this machine's apt names no Debian mirror to make it from. "
            f"Pull or load {official} by hand ('docker load'), then try again."
        )
    archive = checkout.path("cache", f"{release}.tar")
    started = elapsed()
    say(f"no image registry answers: making Debian {release} from the machine's package mirror")
    bootstrap(release, mirror, archive)
    docker("import", f"--change=LABEL {checkout.label}", str(archive), own, purpose=f"import Debian {release}")
    archive.unlink()
    say(f"made Debian {release} in {elapsed() - started:.1f} s")
    return own


def registry_has(docker: Docker, reference: str) -> bool:
    """Whether the engine's default registry answers quickly and has the image."""
    try:
        return docker("manifest", "inspect", reference, check=False, timeout=REGISTRY_PATIENCE).returncode == 0
    except LabError:
        return False


def bootstrap(release: str, mirror: Mirror, archive: Path) -> None:
    """Write a minimal Debian as a tar archive."""
    if shutil.which("mmdebstrap") is None:
        prefix = root_prefix()
        if prefix is None:
            raise LabError(
                "The program mmdebstrap is missing and this user cannot become root. Install the package mmdebstrap."
            )
        say("installing mmdebstrap")
        apt = [*prefix, "apt-get", "-o", "DPkg::Lock::Timeout=120", "-q"]
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        if run([*apt, "install", "-y", "mmdebstrap"], check=False, env=env).returncode != 0:
            run([*apt, "update"], check=False, env=env, timeout=180)
            run([*apt, "install", "-y", "mmdebstrap"], env=env, purpose="install mmdebstrap")
    result = run(["mmdebstrap", *SEED_OPTIONS, release, str(archive), mirror.archive], check=False, timeout=300)
    if result.returncode != 0:
        archive.unlink(missing_ok=True)
        raise LabError(
            f"Debian {release} could not be made from {mirror.archive}: {last_lines(result, 3)}. "
            "Check that the package mirror answers ('apt-get update')."
        )


def layered_image(checkout: Checkout, docker: Docker, release: str, names: tuple[str, ...]) -> str:
    """Build definitions on one another, the first on the base image; return the last one's name."""
    image = base_image(checkout, docker, release)
    for name in names:
        context = checkout.images_dir / name
        tag = f"drydock-lab/{name}:{release}-{tree_digest([context], image)}"
        with checkout.lock(f"image-{name}-{release}"):
            image = build(
                checkout,
                docker,
                tag=tag,
                context=context,
                arguments={"BASE": image},
                what=f"the image '{name}' of Debian {release}",
            )
    return image


def host_image(checkout: Checkout, docker: Docker, release: str = DEFAULT_RELEASE, *, with_engine: bool = False) -> str:
    """Make sure the image of a lab host exists and return its name.

    :param with_engine: the variant on which the distribution's Docker engine is installed already.
    """
    return layered_image(checkout, docker, release, ("host", "host-engine") if with_engine else ("host",))


def services_image(checkout: Checkout, docker: Docker) -> str:
    """Make sure the image of the lab's services exists and return its name."""
    return layered_image(checkout, docker, DEFAULT_RELEASE, ("services",))
