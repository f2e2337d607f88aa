# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole lab, up and down."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from lab.checkout import LABEL, Checkout
from lab.docker import Docker
from lab.engine import ensure_engine, ensure_ssh_client, owner_file, stop_if_ours
from lab.errors import LabError
from lab.hosts import Host, host_up
from lab.images import base_image
from lab.inventory import SITE_HOST, write_facts
from lab.models import ensure_models
from lab.network import ensure_network
from lab.progress import say
from lab.service_images import Definition, ensure_image, names, prepare_packages
from lab.services import ORIGIN, REGISTRY, ensure_service

WORKERS = 4
# What the lab names its images, for the engine and for its registry's loopback port; or no name at all.
OWN_IMAGE = re.compile(r"drydock-lab/|127\.0\.0\.1:\d+/[a-z0-9-]+:[0-9a-f]{12}$|sha256:")


def up(checkout: Checkout) -> Host:
    """Make sure everything of the lab runs; return the site's host.

    Downloads need no engine and builds need no package index, so they run beside each other.
    """
    with checkout.lock("up"), ThreadPoolExecutor(WORKERS) as pool:
        downloads = [pool.submit(ensure_models, checkout)]
        downloads += [
            pool.submit(prepare_packages, checkout, Definition.load(checkout, name)) for name in names(checkout)
        ]
        try:
            docker = ensure_engine(checkout)
            ensure_ssh_client()
            ensure_network(checkout, docker)
            base_image(checkout, docker)
            for download in downloads:
                if download.done():
                    download.result()  # a package index that does not answer is told at once, not after the builds
            host: Future[Host] = pool.submit(host_up, checkout, docker, SITE_HOST)
            ensure_service(checkout, docker, REGISTRY)
            images = {name: pool.submit(ensure_image, checkout, docker, name) for name in names(checkout)}
            ensure_service(checkout, docker, ORIGIN)
            write_facts(checkout, {name: future.result() for name, future in images.items()})
            for download in downloads:
                download.result()
            return host.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def down(checkout: Checkout) -> None:
    """Remove everything this checkout made, and stop the engine if it was started for the lab."""
    docker = Docker.find()
    if docker is None and not checkout.state_dir.exists():
        say("nothing to remove: no Docker engine answers, and this checkout has made no lab")
        return
    if docker is None and owner_file(checkout).exists():
        say("the engine that was started for the lab has ended: starting it again, to remove what the lab made in it")
        docker = ensure_engine(checkout)
    if docker is None and (checkout.state_dir / "last-address").exists():
        raise LabError(
            "No Docker engine answers, and the lab's containers lie in the one that did. "
            "Start it (or join the group 'docker'), then try again: make demo-down"
        )
    if docker is not None:
        remove_containers(checkout, docker)
        remove_all(docker, "network", "ls", checkout)
        remove_all(docker, "volume", "ls", checkout)
        remove_images(checkout, docker)
    stop_if_ours(checkout, docker)
    shutil.rmtree(checkout.state_dir)
    say("the lab is gone")


def remove_containers(checkout: Checkout, docker: Docker) -> None:
    """Remove the lab's hosts and services with their volumes.

    Images hand their labels down to containers, also to those that somebody else makes of them; what the lab itself has
    made says what kind it is.
    """
    ids = docker.lines("ps", "-aq", f"--filter=label={checkout.label}", f"--filter=label={LABEL}.kind")
    if ids:
        docker("rm", "--force", "--volumes", *ids, purpose="remove the lab's containers")
        say(f"removed {len(ids)} container(s)")


def remove_all(docker: Docker, kind: str, listing: str, checkout: Checkout) -> None:
    """Remove the lab's networks or volumes."""
    names = docker.lines(kind, listing, "-q", f"--filter=label={checkout.label}")
    if names:
        docker(kind, "rm", *names, purpose=f"remove the lab's {kind}s")
        say(f"removed {len(names)} {kind}(s)")


def remove_images(checkout: Checkout, docker: Docker) -> None:
    """Remove the images this checkout built, newest first, as later ones stand on earlier ones.

    What somebody else builds on one of them has inherited its label, and stays: the names tell.
    """
    kept = []
    found = docker.inspect(
        "image", sorted(set(docker.lines("images", "-q", "--no-trunc", f"--filter=label={checkout.label}")))
    )
    for image in sorted(found, key=created, reverse=True):
        for reference in filter(OWN_IMAGE.match, image["RepoTags"] or [image["Id"]]):
            result = docker("rmi", reference, check=False)
            if result.returncode != 0 and "No such image" not in result.stderr:
                kept.append(reference)
    say(f"removed the images of this lab{f', except {kept}: they are in use' if kept else ''}")


def created(image: dict[str, Any]) -> str:
    """When an image was made, in a form that sorts."""
    return str(image["Created"])
