# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._model_store.mounts import mounted_under

SELF = """\
22 1 0:20 / / rw - overlay overlay rw
30 22 8:1 / /var rw - ext4 /dev/sda1 rw
31 22 0:21 / /proc rw - proc proc rw
"""


def proc(tmp_path: Path, *containers: str, own: str = SELF) -> Path:
    place = tmp_path / "proc"
    for name, content in [("self", own), *((str(index + 100), text) for index, text in enumerate(containers))]:
        (place / name / "ns").mkdir(parents=True)
        (place / name / "mountinfo").write_text(content)
        (place / name / "ns" / "mnt").symlink_to(f"mnt:[{name}]")
    (place / "uptime").write_text("1")
    (place / "4242").mkdir()  # a process that ended while we looked
    return place


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("50 40 8:1 /lib/drydock/models/sets/ocr/4.0 /models/ocr ro - ext4 /dev/sda1 rw", {"sets/ocr/4.0"}),
        ("50 40 8:1 /lib/drydock/models/sets/ocr/4.0/det.onnx /m ro - ext4 /dev/sda1 rw", {"sets/ocr/4.0/det.onnx"}),
        ("50 40 8:1 /lib/drydock/models/sets/o\\040cr/1 /m ro - ext4 /dev/sda1 rw", {"sets/o cr/1"}),
        ("50 40 8:2 /lib/drydock/models/sets/ocr/4.0 /m ro - ext4 /dev/sdb1 rw", set()),  # another disk
        ("50 40 8:1 /lib/drydock/models-old/sets/ocr/4.0 /m ro - ext4 /dev/sda1 rw", set()),
        ("50 40 8:1 /lib/drydock/models /m ro - ext4 /dev/sda1 rw", set()),  # the whole store: keep decides
        ("50 40 8:1", set()),
        ("", set()),
    ],
)
def test_directories_mounted_by_any_process_are_found(tmp_path: Path, line: str, found: set[str]) -> None:
    root = Path("/var/lib/drydock/models")
    assert mounted_under(root, proc=proc(tmp_path, SELF, line)) == {root / path for path in found}


def test_a_store_on_a_bind_mount_is_recognised_by_its_place_in_the_file_system(tmp_path: Path) -> None:
    own = "22 1 8:1 / / rw - ext4 x rw\n30 22 8:9 /data/m /srv/models rw - ext4 y rw\n"
    container = "9 8 8:9 /data/m/sets/ocr/1 /models rw - ext4 y rw\n"
    found = mounted_under(Path("/srv/models"), proc=proc(tmp_path, container, own=own))
    assert found == {Path("/srv/models/sets/ocr/1")}


def test_a_process_whose_namespace_may_not_be_seen_is_looked_at_all_the_same(tmp_path: Path) -> None:
    line = "50 40 8:1 /lib/drydock/models/sets/ocr/4.0 /models/ocr ro - ext4 /dev/sda1 rw"
    place = proc(tmp_path, SELF, line)
    (place / "101" / "ns" / "mnt").unlink()  # for an ordinary user the kernel refuses to read that link
    assert mounted_under(Path("/var/lib/drydock/models"), proc=place) == {Path("/var/lib/drydock/models/sets/ocr/4.0")}


def test_without_proc_nothing_is_known_to_be_mounted(tmp_path: Path) -> None:
    assert mounted_under(Path("/srv"), proc=tmp_path / "none") == frozenset()
