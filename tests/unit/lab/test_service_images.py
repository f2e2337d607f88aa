# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.checkout import Checkout
from lab.errors import LabError
from lab.service_images import Definition, names, reference, stage


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "lab" / "images" / "ocr"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (folder / "build.json").write_text(json.dumps({"copy": {"app/ocr": "examples/ocr"}}))
    source = tmp_path / "examples" / "ocr"
    (source / "tests").mkdir(parents=True)
    (source / "app.py").write_text("print()\n")
    (source / "tests" / "test_app.py").write_text("")
    return Checkout(tmp_path)


def test_a_build_sees_its_folder_and_what_it_asks_for_and_no_tests(checkout: Checkout) -> None:
    context = stage(checkout, Definition.load(checkout, "ocr"))
    found = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    assert found == {"Dockerfile", "build.json", "app/ocr/app.py"}


def test_a_changed_source_means_a_new_image(checkout: Checkout) -> None:
    before = Definition.load(checkout, "ocr").digest("base")
    (checkout.root / "examples" / "ocr" / "app.py").write_text("print(1)\n")
    assert Definition.load(checkout, "ocr").digest("base") != before


def test_the_labs_own_machines_are_not_deployed(checkout: Checkout) -> None:
    for name in ("base", "host"):
        (checkout.images_dir / name).mkdir()
        (checkout.images_dir / name / "Dockerfile").write_text("")
    assert names(checkout) == ["ocr"]


def test_an_image_on_demand_is_not_made_with_the_lab(checkout: Checkout) -> None:
    folder = checkout.images_dir / "echo"
    folder.mkdir()
    (folder / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    assert names(checkout) == ["echo", "ocr"]
    (folder / "build.json").write_text(json.dumps({"on_demand": True}))
    assert names(checkout) == ["ocr"]
    assert Definition.load(checkout, "echo").on_demand


def test_a_definition_that_is_not_there_is_named(checkout: Checkout) -> None:
    with pytest.raises(LabError, match="lab/images/none/Dockerfile"):
        Definition.load(checkout, "none")


def test_hosts_name_an_image_by_digest() -> None:
    assert reference("ocr", "sha256:00") == "registry.lab.drydock.test:5000/ocr@sha256:00"
