# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's services: the image registry and the model origin."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.archive import File, pack
from lab.ca import ensure_ca, ensure_certificate
from lab.checkout import DOMAIN, LABEL, Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.images import services_image
from lab.network import address_of, reserved_address
from lab.proc import last_lines
from lab.progress import say

READY_TIMEOUT = 60.0


@dataclass(frozen=True)
class Service:
    """One service: what it runs, and where it is reached."""

    name: str
    command: tuple[str, ...]
    configuration: str
    destination: str
    port: int
    published: bool = False
    volume: str = ""
    tree: str = ""

    @property
    def fqdn(self) -> str:
        """The name by which lab hosts reach it."""
        return f"{self.name}.{DOMAIN}"


REGISTRY = Service(
    name="registry",
    command=("docker-registry", "serve", "/etc/lab/registry.yml"),
    configuration="registry.yml",
    destination="etc/lab/registry.yml",
    port=5000,
    published=True,
    volume="/var/lib/registry",
)
ORIGIN = Service(
    name="origin",
    command=("nginx", "-c", "/etc/lab/origin.conf", "-g", "daemon off;"),
    configuration="origin.conf",
    destination="etc/lab/origin.conf",
    port=443,
    tree="/srv/origin",
)
SERVICES = {service.name: service for service in (REGISTRY, ORIGIN)}


def ensure_service(checkout: Checkout, docker: Docker, service: Service) -> None:
    """Make sure the service runs, answers, and is what its definition says."""
    files = service_files(checkout, service)
    image = services_image(checkout, docker)
    wanted = hashlib.sha256(files + image.encode() + repr(service).encode()).hexdigest()[:12]
    found = find(checkout, docker, service)
    # One that was created and never started may lack its files: the command that made it was ended half-way.
    if found is not None and (
        found["Config"]["Labels"].get(f"{LABEL}.definition") != wanted or found["State"].get("Status") == "created"
    ):
        docker("rm", "--force", found["Id"], purpose=f"replace the lab's {service.name}")
        found = None
    if found is None:
        create(checkout, docker, service, image=image, definition=wanted, files=files)
    if found is None or not found["State"]["Running"]:
        docker("start", checkout.container(service.name), purpose=f"start the lab's {service.name}")
        wait_until_ready(checkout, docker, service)
        say(f"{service.name}: up as {service.fqdn}")


def create(checkout: Checkout, docker: Docker, service: Service, *, image: str, definition: str, files: bytes) -> None:
    """Create the container of a service, its configuration and certificate in it."""
    container = checkout.container(service.name)
    options = []
    if service.published:
        options.append(f"--publish=127.0.0.1::{service.port}")
    if service.volume:
        mount = f"type=volume,source={container},destination={service.volume},volume-label={checkout.label}"
        options.append(f"--mount={mount}")
    if service.tree:
        tree = origin_tree(checkout)
        options.append(f"--mount=type=bind,source={tree},destination={service.tree},readonly")
    with reserved_address(checkout, docker) as address:
        docker(
            "create",
            f"--name={container}",
            f"--hostname={service.name}",
            f"--network={checkout.network}",
            f"--network-alias={service.fqdn}",
            f"--ip={address}",
            f"--label={checkout.label}",
            f"--label={LABEL}.kind=service",
            f"--label={LABEL}.name={service.name}",
            f"--label={LABEL}.definition={definition}",
            *options,
            image,
            *service.command,
            purpose=f"create the lab's {service.name}",
        )
    docker.copy_in(container, files)


def service_files(checkout: Checkout, service: Service) -> bytes:
    """Configuration, certificate and key of a service, as a tar archive."""
    pair = ensure_certificate(checkout, service.name, (service.fqdn,))
    configuration = checkout.root / "lab" / "services" / service.configuration
    return pack(
        File(path=service.destination, content=configuration.read_bytes()),
        File(path="etc/lab/tls.crt", content=pair.certificate.read_bytes()),
        File(path="etc/lab/tls.key", content=pair.key.read_bytes(), mode=0o600),
    )


def find(checkout: Checkout, docker: Docker, service: Service) -> dict[str, Any] | None:
    """What the engine knows of the service's container; None when there is none."""
    found = docker.inspect("container", [checkout.container(service.name)])
    return found[0] if found else None


def wait_until_ready(checkout: Checkout, docker: Docker, service: Service) -> None:
    """Wait until the service accepts connections."""
    deadline = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < deadline:
        found = find(checkout, docker, service)
        if found is None or not found["State"]["Running"]:
            break
        try:
            socket.create_connection((address_of(found, checkout.network), service.port), timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    log = last_lines(docker("logs", "--tail=4", checkout.container(service.name), check=False), 4)
    raise LabError(f"The lab's {service.name} did not start: {log}")


def stop_service(checkout: Checkout, docker: Docker, service: Service) -> None:
    """Stop the service, as a test of failure; ``start`` or ``up`` bring it back with what it holds."""
    if find(checkout, docker, service) is not None:
        docker("stop", "--time=2", checkout.container(service.name), purpose=f"stop the lab's {service.name}")


def tls_context(checkout: Checkout) -> ssl.SSLContext:
    """A TLS context that trusts the lab's authority and nobody else."""
    return ssl.create_default_context(cafile=str(ensure_ca(checkout).certificate))


def published_port(checkout: Checkout, docker: Docker) -> int:
    """The loopback port by which this machine reaches the registry."""
    lines = docker.lines("port", checkout.container(REGISTRY.name), f"{REGISTRY.port}/tcp")
    return int(lines[0].rpartition(":")[2])


class RegistryConnection(http.client.HTTPSConnection):
    """HTTPS to the registry through its loopback port, verified under the name that hosts use."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", port, timeout=15, context=context)
        self.tls = context

    def connect(self) -> None:
        """Connect to the loopback port and check the certificate against the registry's name."""
        plain = socket.create_connection((self.host, self.port), timeout=15)
        self.sock = self.tls.wrap_socket(plain, server_hostname=REGISTRY.fqdn)


def registry_has(checkout: Checkout, docker: Docker, name: str, digest: str) -> bool:
    """Whether the registry holds this image."""
    connection = RegistryConnection(published_port(checkout, docker), tls_context(checkout))
    accept = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
    try:
        connection.request("HEAD", f"/v2/{name}/manifests/{digest}", headers={"Accept": accept})
        return connection.getresponse().status == 200
    finally:
        connection.close()


def origin_tree(checkout: Checkout) -> Path:
    """The directory whose content the origin serves."""
    folder = checkout.path(ORIGIN.name)
    folder.mkdir(exist_ok=True)
    return folder
