# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a part file takes of the host's disk, and leaves in its memory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import MIB
from ansible_collections.drydock.serving.plugins.module_utils._download.part import Part, StoppedError
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted

SIZE = 8 * MIB


@pytest.fixture
def part(tmp_path: Path) -> Part:
    item = Wanted(label="m", sha256="0" * 64, size=SIZE, sources=())
    return Part(PartFiles(data=tmp_path / "m.part", sidecar=tmp_path / "m.json"), item)


def refusing(number: int) -> Callable[[int, int, int], None]:
    def refuse(_descriptor: int, _offset: int, _length: int) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def is_cached(path: Path, offset: int) -> bool:
    """Whether a page is in memory: a read that may not wait for the disk gets it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("this file system cannot say what is in memory")
    finally:
        os.close(descriptor)


def test_what_is_hashed_and_on_the_disk_leaves_the_memory_to_what_serves(part: Part, tmp_path: Path) -> None:
    data = os.urandom(SIZE // 2)
    part.write(0, data)
    part.record(0, len(data))
    part.flush()
    assert is_cached(tmp_path / "m.part", 0), "what has still to be read for its hash would be read from the disk"
    part.hash_on()
    part.flush()
    assert not is_cached(tmp_path / "m.part", 0)
    part.close()
    assert (tmp_path / "m.part").read_bytes() == data


def test_the_room_of_a_stretch_is_taken_before_its_bytes_come(part: Part, tmp_path: Path) -> None:
    part.reserve(SIZE // 2, SIZE)
    found = (tmp_path / "m.part").stat()
    assert SIZE // 2 <= found.st_blocks * 512 < SIZE // 2 + MIB
    part.write(SIZE // 2, b"first")
    part.reserve(SIZE // 2, SIZE)
    assert (tmp_path / "m.part").read_bytes()[SIZE // 2 :].startswith(b"first")
    part.close()
    with pytest.raises(StoppedError):
        part.reserve(0, SIZE)


@pytest.mark.parametrize("cannot", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_cannot_take_room_beforehand_is_written_to_all_the_same(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cannot: int
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", refusing(cannot))
    part.reserve(0, SIZE)
    part.write(0, b"first")
    assert (tmp_path / "m.part").read_bytes() == b"first"


@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_is_told_before_the_bytes_come(
    part: Part, monkeypatch: pytest.MonkeyPatch, full: int
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", refusing(full))
    with pytest.raises(OSError, match=os.strerror(full)):
        part.reserve(0, SIZE)


def test_a_kernel_that_takes_no_advice_on_memory_is_no_reason_to_fail(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_asked: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    part.write(0, b"first")
    part.feed(0, b"first")
    part.record(0, 5)
    part.flush()
    part.close()
    assert (tmp_path / "m.part").read_bytes() == b"first"


def test_reading_back_what_an_earlier_run_left_is_told_as_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.drydock.serving.plugins.module_utils._download.part.FLUSH", SIZE // 4)
    files = PartFiles(data=tmp_path / "m.part", sidecar=tmp_path / "m.json")
    told: list[int] = []
    part = Part(
        files, Wanted(label="m", sha256="0" * 64, size=SIZE, sources=()), on_hashed=lambda: told.append(len(told))
    )
    part.write(0, bytes(SIZE))
    part.record(0, SIZE)
    assert not told
    assert part.hash_on() == SIZE
    assert len(told) == 4
    part.close()
