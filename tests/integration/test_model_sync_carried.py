# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files of a private hub model: they reach hosts, the token does not, and nothing of them stays behind."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._model_bundle import Wish, make
from ansible_collections.drydock.serving.tests.integration.model_host import weights
from ansible_collections.drydock.serving.tests.integration.test_model_sync_progress import CONTENT, SIZE, Site
from ansible_collections.drydock.serving.tests.slow_origin import serving_slowly

from lab.hub import Hub, serving

TOKEN = "hf_c4n4ryOfTheHub"
FILES = {
    "config.json": b'{"kind": "ocr"}',
    "deep/tokenizer config.json": b'{"size": 7}',
    "w.safetensors": weights(100_000),
}
SYSTEM_PYTHON = "/usr/bin/python3"


class Private(Site):
    """A site whose model lies on a private hub."""

    hub: Hub
    commit: str

    def files(self, **contents: bytes) -> list[dict[str, Any]]:
        found = {**FILES, **contents}
        self.commit = self.hub.commit("acme/ocr", found)
        self.hub.repositories["acme/ocr"].private = True
        return [
            {
                "path": path,
                "urls": [f"hf://acme/ocr@{self.commit}/{path.replace(' ', '%20')}"],
                "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
                "size": len(content),
            }
            for path, content in found.items()
        ]

    def models(self, *more: dict[str, Any], **contents: bytes) -> list[dict[str, Any]]:
        return [{"name": "ocr", "version": "1", "files": [*self.files(**contents), *more]}]

    def slow(self) -> dict[str, Any]:
        digest = hashlib.sha256(CONTENT).hexdigest()
        url = f"http://127.0.0.1:{self.origin.port}/m.txt"
        return {"path": "m.txt", "urls": [url], "checksum": f"sha256:{digest}", "size": SIZE}

    def carried(self) -> list[Path]:
        return list((self.root / "remote").rglob("drydock-carried-*"))

    def carried_in_the_end(self) -> list[Path]:
        """What is still there once the job had time to remove its directory, after its result."""
        for _attempt in range(100):
            if not self.carried():
                break
            time.sleep(0.1)
        return self.carried()

    def placed(self, place: Path | None = None) -> dict[str, bytes]:
        version = (place or self.root / "stores" / "one") / "sets" / "ocr" / "1"
        return {name: (version / name).read_bytes() for name in FILES}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Private]:
    with serving_slowly(CONTENT, rate=3_000_000) as origin, serving(Hub(token=TOKEN)) as hub:
        made = Private(tmp_path, origin)
        made.hub = hub
        made.environment = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN}
        yield made


def seen(site: Site) -> str:
    """Names and contents of all that lies on the host, as text."""
    return "\n".join(
        f"{path} {path.read_bytes().decode('latin-1')}"
        for name in ("stores", "jobs", "remote")
        for path in sorted((site.root / name).rglob("*"))
        if path.is_file()
    )


def test_they_come_by_way_of_the_controller_and_the_token_stays_there(site: Private) -> None:
    models = site.models(site.slow())
    process = site.start("-vvvv", "--diff", models=models)
    site.origin.wait_until_sent(SIZE / 2)
    processes = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    underway = seen(site)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, output + errors
    assert site.placed() == FILES
    for text in (output, errors, processes, underway, seen(site), json.dumps(site.result())):
        assert TOKEN not in text
    assert not any("Bearer" in str(request.headers) for request in site.hub.asked("cdn"))
    assert site.left() == []

    asked = len(site.hub.requests)
    again = site.play(models=models)
    assert (again.returncode, site.result()["changed"], len(site.hub.requests)) == (0, False, asked)


def test_only_what_a_host_lacks_is_read(site: Private) -> None:
    assert site.play(models=site.models()).returncode == 0
    site.hub.requests.clear()
    models = site.models(**{"vocab.json": b"[]"})
    models[0]["version"] = "2"
    done = site.play(models=models)
    assert done.returncode == 0, done.stdout
    read = [request.path for request in site.hub.asked("hub") if request.method == "GET"]
    assert read == [f"/acme/ocr/resolve/{site.commit}/vocab.json"]


def test_a_killed_controller_leaves_nothing_once_the_download_has_ended(site: Private) -> None:
    site.origin.rate = 1_500_000
    models = site.models(site.slow())
    process = site.start(models=models)
    site.origin.wait_until_sent(SIZE * 0.3)
    assert len(site.carried()) == 2
    process.kill()
    process.communicate(timeout=60)
    done = site.play(models=models)
    assert done.returncode == 0, done.stdout
    assert site.placed() == FILES
    assert site.carried_in_the_end() == []


def test_what_a_power_cut_left_goes_with_the_next_download_and_what_is_in_use_stays(site: Private) -> None:
    places = {name: site.root / "remote" / f"ansible-tmp-1-2-{name}" for name in ("old", "new", "used")}
    for name, place in places.items():
        place.mkdir(parents=True)
        file = place / "drydock-carried-x"
        file.write_bytes(b"{}")
        if name != "new":
            os.utime(file, (time.time() - 7200,) * 2)
    with subprocess.Popen(["sh", "-c", "read line; : $0", str(places["used"])], stdin=subprocess.PIPE) as user:
        done = site.play(models=site.models())
        assert user.stdin is not None
        user.stdin.close()
    assert done.returncode == 0, done.stdout
    assert [name for name, place in places.items() if place.exists()] == ["new", "used"]


def test_with_async_they_come_as_well(site: Private) -> None:
    done = site.play(models=site.models(), background=60)
    assert done.returncode == 0, done.stdout
    assert site.placed() == FILES
    assert site.carried_in_the_end() == []


def test_bytes_that_are_not_the_wanted_ones_never_leave_the_controller(site: Private) -> None:
    models = site.models()
    site.hub.replace("acme/ocr", "config.json", b'{"kind": "OCR"}')
    done = site.play("-vvvv", models=models)
    assert done.returncode == 2
    assert "ocr 1, config.json: " in done.stdout
    assert "lock again and compare" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert site.carried() == []


@pytest.fixture
def place_of_nobody() -> Iterator[Path]:
    """A directory of its own that the user nobody can reach and write to."""
    if os.getuid() or not Path(SYSTEM_PYTHON).exists() or not shutil.which("su"):
        pytest.skip("needs root, su and a Python that every user may run")
    with tempfile.TemporaryDirectory(prefix="drydock-nobody-") as folder:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        yield Path(folder)


@pytest.mark.parametrize("home", [True, False])
def test_they_come_over_become_to_a_user_without_privileges(site: Private, place_of_nobody: Path, home: bool) -> None:
    user = pwd.getpwnam("nobody")
    models = site.models()
    models[0]["files"] = [file for file in models[0]["files"] if not file["path"].startswith("w.")]
    site.environment["ANSIBLE_SYSTEM_TMPDIRS"] = str(place_of_nobody)
    done = site.play(
        "-vvv",
        models=models,
        root=str(place_of_nobody / "stores"),
        owner=str(user.pw_uid),
        group=str(user.pw_gid),
        kept=None,
        ansible_become=True,
        ansible_become_user="nobody",
        ansible_become_method="ansible.builtin.su",
        ansible_become_flags="-s /bin/sh",
        ansible_python_interpreter=SYSTEM_PYTHON,
        ansible_async_dir=str(place_of_nobody / "jobs") if home else None,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("set ansible_async_dir to a directory of that user" in done.stdout) is not home
    version = place_of_nobody / "stores" / "one" / "sets" / "ocr" / "1"
    assert (version / "config.json").read_bytes() == FILES["config.json"]
    assert (version / "config.json").stat().st_uid == user.pw_uid
    assert TOKEN not in done.stdout + done.stderr
    assert list(place_of_nobody.rglob("drydock-carried-*")) == []
    assert list(place_of_nobody.glob("ansible-tmp-*")) == []


def test_a_task_may_be_delegated(site: Private) -> None:
    site.hosts = ("one", "two")
    done = site.play("--limit", "one", models=site.models(site.slow()), other="two")
    assert done.returncode == 0, done.stdout
    assert site.placed() == FILES
    assert "progress: [one -> two] " in done.stdout
    assert site.left() == []


def test_a_bundle_holds_them_and_a_host_without_the_hub_takes_them_from_it(
    site: Private, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = site.models()
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    bundle = site.root / "models.tar"
    wish = Wish(models=models, lock={}, path=bundle, cache=site.root / "cache", headers={})
    told: list[str] = []
    assert make(wish, check=False, tell=told.append, warn=told.append).blobs == len(FILES)
    assert TOKEN not in bundle.read_bytes().decode("latin-1") + "".join(told)
    site.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    done = site.play(models=models, bundle=str(bundle))
    assert done.returncode == 0, done.stdout
    assert site.placed() == FILES
