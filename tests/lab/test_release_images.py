# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images with a real engine and a real registry that wants a login: pulled, weighed, judged and removed."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import os
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.images import UNPACKED, Images, remembered
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import prune_images
from ansible_collections.drydock.serving.plugins.module_utils._release.registry_auth import Login
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed, SubprocessRunner

from lab.archive import File, pack
from lab.checkout import this_checkout
from lab.docker import Docker
from lab.engine import ensure_engine
from lab.images import services_image

pytestmark = pytest.mark.lab

USER, PASSWORD = "robot", "canary-Vq8wT2mZ"
AUTH = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
HASHED = "robot:$2b$04$KrnP6XcTgRHbhceblR3cdOuhEKO/L/WTkFrZDYMtNz6lbmZXg9XLi\n"  # of the password, by bcrypt
CONFIGURATION = """
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: /var/lib/registry}}
auth: {htpasswd: {realm: test, path: /etc/test/htpasswd}}
http: {addr: ":5000"}
"""
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SINGLE = "application/vnd.docker.distribution.manifest.v2+json"
MIB = 1024 * 1024


class Registry:
    """A registry on the loopback that gives nothing without a login."""

    def __init__(self, docker: Docker, name: str, login: Path) -> None:
        self.docker = docker
        self.name = name
        self._login = login
        self._session = requests.Session()
        self._session.auth = (USER, PASSWORD)

    def push(self, name: str, *, architecture: str = "amd64", size: int = 4096) -> str:
        """An image of one layer of random bytes, in the registry and not on the engine; its reference."""
        reference = f"{self.name}/{name}"
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            member = tarfile.TarInfo("content")
            member.size = size
            archive.addfile(member, io.BytesIO(os.urandom(size)))
        place = self._login / "layer.tar"
        place.write_bytes(layer.getvalue())
        self.docker("import", "--change", "CMD x", str(place), reference)
        self.docker("--config", str(self._login), "push", "--quiet", reference)
        self.docker("image", "rm", reference)
        self._call_it(architecture, *name.split(":"))
        return reference

    def _call_it(self, architecture: str, repository: str, tag: str) -> None:
        """Change what an image says it is for; an old engine cannot make one for another architecture."""
        manifest = self._get(repository, f"manifests/{tag}").json()
        config = {**self._get(repository, f"blobs/{manifest['config']['digest']}").json(), "architecture": architecture}
        body = json.dumps(config).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        begun = self._session.post(f"http://{self.name}/v2/{repository}/blobs/uploads/", timeout=10)
        self._put(f"{begun.headers['Location']}&digest={digest}", body, "application/octet-stream")
        manifest["config"].update(digest=digest, size=len(body))
        self._put(self._url(repository, f"manifests/{tag}"), json.dumps(manifest).encode(), SINGLE)

    def digest(self, reference: str) -> tuple[str, int]:
        """Digest and size of the manifest."""
        repository, _colon, tag = reference.removeprefix(f"{self.name}/").partition(":")
        answer = self._get(repository, f"manifests/{tag}")
        return answer.headers["Docker-Content-Digest"], len(answer.content)

    def push_list(self, name: str, *, kind: str = LIST, **references: str) -> str:
        """One name for the images of several architectures."""
        entries = []
        for architecture, reference in references.items():
            digest, size = self.digest(reference)
            platform = {"os": "linux", "architecture": architecture}
            entries.append({"mediaType": SINGLE, "digest": digest, "size": size, "platform": platform})
        repository, _colon, tag = name.partition(":")
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
        self._put(self._url(repository, f"manifests/{tag}"), body, kind)
        return f"{self.name}/{name}"

    def _url(self, repository: str, rest: str) -> str:
        return f"http://{self.name}/v2/{repository}/{rest}"

    def _get(self, repository: str, rest: str) -> requests.Response:
        answer = self._session.get(self._url(repository, rest), headers={"Accept": SINGLE}, timeout=10)
        answer.raise_for_status()
        return answer

    def _put(self, url: str, body: bytes, kind: str) -> None:
        self._session.put(url, data=body, headers={"Content-Type": kind}, timeout=10).raise_for_status()


@pytest.fixture(scope="module", name="registry")
def _registry(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    checkout = this_checkout()
    docker = ensure_engine(checkout)
    options = ["--publish=127.0.0.1::5000", "--tmpfs=/var/lib/registry", f"--label={checkout.label}"]
    image = services_image(checkout, docker)
    created = docker("create", *options, image, "docker-registry", "serve", "/etc/test/registry.yml").stdout.strip()
    try:
        docker.copy_in(
            created,
            pack(
                File(path="etc/test/registry.yml", content=CONFIGURATION.encode()),
                File(path="etc/test/htpasswd", content=HASHED.encode()),
            ),
        )
        docker("start", created)
        name = f"127.0.0.1:{docker.lines('port', created, '5000/tcp')[0].rpartition(':')[2]}"
        wait_for(name)
        login = tmp_path_factory.mktemp("login")
        (login / "config.json").write_text(json.dumps({"auths": {name: {"auth": AUTH}}}))
        yield Registry(docker, name, login)
        for reference in docker.lines("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{name}/*"):
            docker("image", "rm", "--force", reference, check=False)
    finally:
        docker("rm", "--force", created, check=False)


def wait_for(name: str) -> None:
    """Until the registry asks for a login."""
    for _look in range(100):
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"http://{name}/v2/", timeout=2).status_code == 401:
                return
        time.sleep(0.1)  # a real program is starting
    raise AssertionError(f"the registry {name} did not start")


class Watched:
    """Runs programs for real and remembers what they were called with."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.modes: list[str] = []

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.calls.append(list(argv))
        if "--config" in argv:
            folder = Path(argv[argv.index("--config") + 1])
            self.modes += [oct(path.stat().st_mode & 0o777) for path in (folder, folder / "config.json")]
        return SubprocessRunner().run(argv, timeout=timeout)

    def pulled(self) -> list[str]:
        return [call[-1] for call in self.calls if "pull" in call]


class Place:
    """A stack's directory and what a release does with images."""

    def __init__(self, root: Path, registry: Registry) -> None:
        self.layout = Layout(root=root / "opt" / "demo", secrets=root / "secrets")
        self.layout.make()
        self.watched = Watched()
        self.engine = Engine(self.watched, sleep=lambda _seconds: None)
        self.docker = registry.docker
        self.logins = {registry.name: Login(USER, PASSWORD)}

    def bring(self, *references: str, reserve: int = 1) -> None:
        images = Images(self.engine, self.layout, self.logins)
        images.foresee(references, reserve=reserve)
        images.bring(references, references, timeout=60.0)

    def refused(self, *references: str, **options: Any) -> DrydockError:
        with pytest.raises(DrydockError) as failure:
            self.bring(*references, **options)
        assert not self.layout.registry_auth.exists()
        assert PASSWORD not in json.dumps(failure.value.as_result())
        return failure.value

    def record(self, identity: str, reference: str) -> None:
        folder = self.layout.release(identity)
        folder.mkdir()
        image = {"reference": reference, **self.engine.images([reference])[reference]}
        record: dict[str, Any] = {"schema": 1, "id": identity, "hash": "", "created": "", "images": {"api": image}}
        (folder / "release.json").write_text(
            json.dumps({**record, "models": {}, "files": {}, "containers": {}, "config": {}})
        )


@pytest.fixture(name="place")
def _place(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # where the docker command has its own configuration
    (tmp_path / "home").mkdir()
    return Place(tmp_path, registry)


def test_an_image_is_pulled_with_a_login_that_is_nowhere_afterwards(
    place: Place, registry: Registry, tmp_path: Path
) -> None:
    image = registry.push("login:1")
    place.bring(image)
    assert image in place.engine.images([image])
    assert place.watched.modes
    assert set(place.watched.modes) == {"0o700", "0o600"}
    assert not any(text in word for call in place.watched.calls for word in call for text in (PASSWORD, AUTH))
    texts = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(text in found for found in texts for text in (PASSWORD, AUTH))
    assert list((tmp_path / "home").rglob("config.json")) == []


def test_without_a_login_and_with_a_wrong_one_the_registry_s_refusal_is_told(place: Place, registry: Registry) -> None:
    image = registry.push("denied:1")
    place.logins = {}
    error = place.refused(image)
    assert error.kind == "registry_denied"
    assert "without a login from stack_registries" in error.message
    place.logins = {registry.name: Login(USER, "wrong" + PASSWORD)}
    error = place.refused(image)
    assert error.kind == "registry_denied"
    assert "to the account that was given" in error.message


def test_an_image_for_another_architecture_is_pulled_refused_and_removed(place: Place, registry: Registry) -> None:
    image = registry.push("single:1", architecture="s390x")
    error = place.refused(image)
    assert error.kind == "image_architecture"
    assert error.details["found"] == {image: "linux/s390x"}
    assert place.watched.pulled() == [image]
    assert place.engine.images([image]) == {}


@pytest.mark.parametrize("kind", [LIST, INDEX])
def test_a_list_without_this_architecture_is_refused_before_the_first_byte(
    place: Place, registry: Registry, kind: str
) -> None:
    image = registry.push_list("foreign:1", kind=kind, s390x=registry.push("foreign:s390x", architecture="s390x"))
    error = place.refused(image)
    assert error.kind == "image_architecture"
    assert error.details["found"] == {image: "linux/s390x"}
    assert place.watched.pulled() == []


def test_of_a_list_the_image_for_this_host_is_weighed_and_pulled(place: Place, registry: Registry) -> None:
    own = place.engine.platform().partition("/")[2]
    references = {
        own: registry.push("both:own", architecture=own, size=2 * MIB),
        "s390x": registry.push("both:s390x", architecture="s390x", size=9 * MIB),
    }
    image = registry.push_list("both:1", **references)
    place.bring(image)
    (layers,) = remembered(place.layout).values()
    assert 2 * MIB <= sum(layers.values()) < 3 * MIB
    assert place.engine.images([image])[image]["platform"] == f"linux/{own}"


def test_an_image_that_is_larger_than_the_disk_has_room_for_is_not_pulled(place: Place, registry: Registry) -> None:
    image = registry.push("large:1", size=3 * MIB)
    status = os.statvfs(place.engine.data_root())
    free = status.f_bavail * status.f_frsize
    error = place.refused(image, reserve=free)
    assert error.kind == "no_space"
    assert "layers of 3 MiB" in error.message
    assert error.details["needed"] >= free + UNPACKED * 3 * MIB
    assert place.watched.pulled() == []


def test_only_what_the_stack_brought_and_nothing_needs_is_removed(place: Place, registry: Registry) -> None:
    old, kept, used, foreign = (registry.push(f"prune-{name}:1") for name in ("old", "kept", "used", "foreign"))
    digest, _size = registry.digest(old)
    by_digest = f"{registry.name}/prune-old@{digest}"
    place.bring(by_digest, kept, used)
    other = Place(place.layout.root.parents[1] / "elsewhere", registry)
    other.bring(foreign)
    place.record("r002", kept)
    container = place.docker("create", used, "x").stdout.strip()
    try:
        assert prune_images(place.layout, place.engine) == [by_digest]
    finally:
        place.docker("rm", container)
    assert set(place.engine.images([by_digest, kept, used, foreign])) == {kept, used, foreign}
    assert prune_images(place.layout, place.engine) == [used]
    assert set(remembered(place.layout)) == {kept}
