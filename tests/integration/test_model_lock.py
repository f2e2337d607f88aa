# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook lock through the real huggingface_hub, against the lab's stand-in hub."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.tests.integration.lock_site import (
    FILES,
    OCR,
    TOKEN,
    Run,
    Site,
    hub_fixture,  # noqa: F401 - used by name
    sha256,
    site_fixture,  # noqa: F401 - used by name
    tensors,
)

from lab.hub import Hub, Request


def test_a_set_of_a_hub_is_locked_at_its_commit_and_locking_again_changes_nothing(site: Site, hub: Hub) -> None:
    hub.page = 2  # lists come in pages
    commit = hub.commit("acme/ocr", FILES, tag="v4.0")
    site.want(
        ocr={**OCR, "exclude": ["*.md"], "require": {"mAP": ">0.7"}, "licenses": ["apache-2.0"], "card": "required"}
    )
    seen = site.run("--check", "--diff")
    assert (seen.rc, seen.changed, site.path.exists()) == (0, True, False)
    assert "+models_lock:" in seen.output

    done = site.run()
    assert (done.rc, done.changed) == (0, True)
    entry = site.lock["ocr"]
    exact = f"hf://acme/ocr@{commit}"
    assert (entry["source"], entry["requested"], entry["license"]) == (exact, OCR["source"], "apache-2.0")
    assert entry["metrics"] == {"mAP": 0.82, "accuracy": [0.6, 0.9]}
    assert entry["files"] == {
        path: {
            "checksum": sha256(FILES[path]),
            "size": len(FILES[path]),
            "format": kind,
            "urls": [f"{exact}/{path}"],
        }
        for path, kind in (("config.json", "json"), ("onnx/model.safetensors", "safetensors"))
    }
    before = site.path.read_bytes()
    again = site.run()
    assert (again.rc, again.changed, site.path.read_bytes()) == (0, False, before)
    assert sorted(os.listdir(site.vars)) == ["models.lock.yml", "models.yml"]  # noqa: PTH208 - hidden names as well


def test_large_files_come_from_another_host_which_never_sees_the_token(site: Site, hub: Hub) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    hub.repositories["acme/ocr"].private = True
    site.want(ocr=OCR)
    refused = site.run()
    assert refused.rc != 0
    assert "models.ocr.source" in refused.output
    assert "HF_TOKEN is not set" in refused.output
    assert not site.path.exists()

    assert site.run("-vvvv", environ={"HF_TOKEN": TOKEN}).rc == 0
    assert any(_authorized(request) for request in hub.asked("hub"))
    assert hub.asked("cdn")
    assert not any(_authorized(request) for request in hub.asked("cdn"))


def _authorized(request: Request) -> bool:
    return any(TOKEN in value for value in request.headers.values())


SYNC = """
- hosts: one.example.org
  connection: local
  gather_facts: false
  tasks:
    - drydock.serving.model_sync:
        root: "{{ root }}"
        models: "{{ wanted }}"
        owner: "{{ lookup('ansible.builtin.pipe', 'id -u') }}"
        group: "{{ lookup('ansible.builtin.pipe', 'id -g') }}"
        reserve: 0
        retries: 0
"""


def _sync(site: Site, root: Path) -> Run:
    """Bring what is locked into a store on this machine."""
    play = site.folder / "sync.yml"
    play.write_text(SYNC)
    wanted = [
        {
            "name": name,
            "version": entry["version"],
            "files": [
                {"path": path, **{key: file[key] for key in ("urls", "checksum", "size")}}
                for path, file in entry["files"].items()
            ],
        }
        for name, entry in site.lock.items()
    ]
    environ = {"HF_TOKEN": TOKEN}
    variables = {"root": str(root), "wanted": wanted, "ansible_python_interpreter": sys.executable}
    return site.run(playbook=str(play), environ=environ, **variables)


def test_what_is_locked_is_what_hosts_get(site: Site, hub: Hub, tmp_path: Path) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    hub.commit("acme/closed", FILES, tag="v1")
    hub.repositories["acme/closed"].private = True
    site.want(ocr=OCR, closed={"version": "1", "source": "hf://acme/closed@v1", "include": ["onnx/*"]})
    assert site.run(environ={"HF_TOKEN": TOKEN}).rc == 0
    hub.commit("acme/ocr", {"config.json": b"{}"}, tag="v4.0")  # what comes later does not matter
    done = _sync(site, tmp_path / "store")
    assert done.rc == 0, done.output
    sets = tmp_path / "store" / "sets"
    assert {path: (sets / "ocr" / "4.0" / path).read_bytes() for path in FILES} == FILES
    assert (sets / "closed" / "1" / "onnx" / "model.safetensors").read_bytes() == tensors(1)


def test_a_digest_that_the_hub_made_up_is_found_on_the_host(site: Site, hub: Hub, tmp_path: Path) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    hub.lies[("acme/ocr", "onnx/model.safetensors")] = {"sha256": "0" * 64}
    site.want(ocr=OCR)
    assert site.run().rc == 0
    refused = _sync(site, tmp_path / "store")
    assert refused.rc != 0
    assert "checksum_mismatch" in refused.output, refused.output
    assert not (tmp_path / "store" / "sets" / "ocr").exists()


def test_a_gated_model_says_what_to_do(site: Site, hub: Hub) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    hub.repositories["acme/ocr"].gated = True
    site.want(ocr=OCR)
    refused = site.run()
    assert refused.rc != 0
    assert "accept the model's terms on the hub" in refused.output


def test_everything_that_does_not_pass_is_told_at_once_and_nothing_is_written(site: Site, hub: Hub) -> None:
    files = {**FILES, "model.bin": pickle.dumps({"a": 1}), "empty.json": b""}
    hub.commit("acme/ocr", files, tag="v4.0")
    hub.commit("acme/good", FILES, tag="v1")
    site.want(
        good={"version": "1", "source": "hf://acme/good@v1"},
        gone={"version": "1", "source": "hf://acme/none@v1"},
        ocr={
            **OCR,
            "require": {"mAP": ">0.9", "accuracy": ">0.7", "wer": "<5"},
            "licenses": ["mit"],
            "exclude": ["*.gguf"],
            "files": [{"path": "config.json", "checksum": "sha256:" + "0" * 64}],
        },
        tag={"version": "1", "source": "hf://acme/ocr@nope", "card": "required"},
    )
    refused = site.run()
    assert refused.rc != 0
    assert not site.path.exists()
    for expected in (
        "models.gone.source: hf://acme/none@v1 at",
        "models.ocr.exclude[0]: '*.gguf' fits no file",
        "models.ocr.files.config.json.checksum: expected sha256:000",
        "models.ocr.files.empty.json: ",
        "models.ocr.files.model.bin: ",
        "models.ocr.require.mAP: expected >0.9, found 0.82.",
        "models.ocr.require.accuracy: expected >0.7, found 0.6, the worst of several values.",
        "models.ocr.require.wer: expected <5, but the model card has no such metric",
        "models.ocr.licenses: expected one of mit, found apache-2.0.",
        "models.tag.source: hf://acme/ocr@nope at",
    ):
        assert expected in refused.output
    assert "models.good" not in refused.output.split("not locked")[1]
    assert "models.tag.card" not in refused.output


def test_input_that_cannot_be_read_is_told_before_anybody_is_asked(site: Site, hub: Hub) -> None:
    site.want(
        ocr={"version": "current", "source": "hub://x", "require": {"mAP": 0.7}, "card": "yes", "licences": ["mit"]},
        two={"version": "1"},
    )
    refused = site.run(models_lock_only=["ocr"])
    assert refused.rc != 0
    for expected in (
        "models.ocr.version: ",
        "models.ocr.source: expected hf://",
        "models.ocr.require.mAP: expected a sign",
        "models.ocr.card: expected one of optional, required",
        "models.ocr.licences: is not a known key",
        "Did you mean 'licenses'?",
        "models.two: has neither a source nor files",
    ):
        assert expected in refused.output
    assert hub.requests == []


def test_a_tag_that_moved_is_told_and_other_bytes_in_the_same_commit_are_refused(site: Site, hub: Hub) -> None:
    first = hub.commit("acme/ocr", FILES, tag="v4.0")
    site.want(ocr=OCR)
    assert site.run().rc == 0
    before = site.path.read_bytes()

    hub.replace("acme/ocr", "onnx/model.safetensors", tensors(2))
    refused = site.run()
    assert refused.rc != 0
    assert site.path.read_bytes() == before
    for expected in (sha256(tensors(1)), sha256(tensors(2)), first, "Likely cause", "models_lock_allow_changed"):
        assert expected in refused.output
    assert "is not a model" in site.run(models_lock_allow_changed=["orc"]).output
    assert site.run(models_lock_allow_changed=["ocr"]).rc == 0
    assert site.lock["ocr"]["files"]["onnx/model.safetensors"]["checksum"] == sha256(tensors(2))

    second = hub.commit("acme/ocr", {**FILES, "new.json": b"{}", "onnx/model.safetensors": tensors(3)}, tag="v4.0")
    moved = site.run()
    assert moved.rc != 0
    for expected in (f"which was hf://acme/ocr@{first} and is hf://acme/ocr@{second}", "a tag was moved"):
        assert expected in " ".join(moved.output.split())
    site.want(ocr={**OCR, "version": "4.1"})
    done = site.run()
    assert (done.rc, done.changed) == (0, True)
    for expected in (
        f"version 4.0 -> 4.1, revision hf://acme/ocr@{first} -> hf://acme/ocr@{second}",
        "+ new.json (2 bytes",
        "~ onnx/model.safetensors",
    ):
        assert expected in done.output
    hub.commit("acme/ocr", {**FILES, "onnx/model.safetensors": tensors(3), "more.json": b"{}"}, tag="v4.0")
    assert "another revision than when it was locked" in " ".join(site.run().output.split())


@pytest.mark.parametrize(
    ("lie", "expected"),
    [
        ({"size": 5}, "expected 5 bytes, found"),
        ({"size": 500_000_000_000}, "expected 500000000000 bytes, found"),
        ({"sha256": "x"}, "the hub contradicts itself"),
    ],
)
def test_a_hub_that_lies_about_a_file_is_refused(site: Site, hub: Hub, lie: dict[str, object], expected: str) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    hub.lies[("acme/ocr", "onnx/model.safetensors")] = lie
    site.want(ocr=OCR)
    refused = site.run()
    assert refused.rc != 0
    assert expected in refused.output
    assert not site.path.exists()


def test_a_small_file_that_is_not_what_was_committed_is_refused(site: Site, hub: Hub) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    hub.lies[("acme/ocr", "config.json")] = {"content": b'{"hidden_size": 5}'}
    site.want(ocr=OCR)
    refused = site.run()
    assert refused.rc != 0
    assert "is not what was committed" in refused.output


def test_what_a_card_or_a_path_says_is_never_run_as_a_template(site: Site, hub: Hub, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = f"{{{{ lookup('ansible.builtin.pipe', 'touch {canary}') }}}}"
    card = f'---\nlicense: "{evil}"\nmodel-index: [{{results: [{{metrics: [{{type: "{evil}", value: 1}}]}}]}}]\n---\n'
    hub.commit("acme/ocr", {**FILES, "README.md": card.encode()}, tag="v4.0")
    site.want(ocr=OCR)
    assert site.run().rc == 0
    assert site.run().rc == 0  # Ansible has read the lock now
    hub.commit("acme/ocr", {**FILES, f"{evil.replace('/', ':')}.json": b"{}"}, tag="v4.0")
    assert "takes for a template" in site.run().output
    assert not canary.exists()


def test_an_outage_is_waited_out(site: Site, hub: Hub) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    hub.outages = 1
    site.want(ocr=OCR)
    assert site.run().rc == 0


def test_without_the_library_the_message_names_the_file_that_brings_it(site: Site, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "hidden" / "huggingface_hub").mkdir(parents=True)
    (tmp_path / "hidden" / "huggingface_hub" / "__init__.py").write_text("raise ImportError\n")
    site.want(ocr=OCR)
    refused = site.run(environ={"PYTHONPATH": str(tmp_path / "hidden")})
    assert refused.rc != 0
    assert "requirements/models.txt" in refused.output


def test_two_runs_at_once_end_in_one_whole_lock_with_both(site: Site, hub: Hub) -> None:
    models = {f"m{number}": {"version": "1", "source": f"hf://acme/m{number}@v1"} for number in range(2)}
    for name in models:
        hub.commit(f"acme/{name}", FILES, tag="v1")
    site.want(**models)
    running = [site.start(models_lock_only=[name]) for name in models]
    for process in running:
        output, _nothing = process.communicate(timeout=120)
        assert process.returncode == 0, output
    assert set(site.lock) == set(models)


def test_only_leaves_the_entries_of_others_and_a_model_that_is_gone_leaves_the_lock(site: Site, hub: Hub) -> None:
    for name in ("one", "two"):
        hub.commit(f"acme/{name}", FILES, tag="v1")
    want = {name: {"version": "1", "source": f"hf://acme/{name}@v1"} for name in ("one", "two")}
    site.want(**want)
    assert site.run().rc == 0
    before = site.lock["two"]
    hub.commit("acme/one", {**FILES, "config.json": b"{}"}, tag="v2")
    hub.commit("acme/two", {**FILES, "config.json": b"{}"}, tag="v1")
    site.want(one={"version": "2", "source": "hf://acme/one@v2"}, two=want["two"])
    assert site.run(models_lock_only=["one"]).rc == 0
    assert site.lock["two"] == before
    assert site.lock["one"]["version"] == "2"
    site.want(two=want["two"])
    done = site.run(models_lock_allow_changed=["two"])
    assert "one: removed (was 2)" in done.output
    assert set(site.lock) == {"two"}
