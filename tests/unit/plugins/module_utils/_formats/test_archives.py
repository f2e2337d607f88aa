# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives: members stay inside, are plain files, and inflate within measure."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib

import pytest

from tests.unit.plugins.module_utils._formats.samples import JSON, TEXT, gzipped, judged, onnx, tarred, zipped

OUTSIDE = [
    "/etc/passwd",
    "../up.json",
    "a/../../up.json",
    "a//b.json",
    "./a.json",
    "a\\b.json",
    "a\u202e.json",
    "ﬁ.json",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_member_that_could_leave_its_directory_is_refused(name: str) -> None:
    for kind, content in (("zip", zipped({name: JSON})), ("tar", tarred({name: JSON}))):
        assert "a member that does not stay inside" in judged(content, f"set.{kind}"), kind


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_all_common_kinds_of_tar_are_read(form: int) -> None:
    deep = "/".join(["d" * 60] * 3) + ".json"
    assert judged(tarred({"a.json": JSON, deep: JSON}, form), "set.tar") == "tar"


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_links_devices_and_pipes_are_refused(kind: bytes) -> None:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        member = tarfile.TarInfo("a")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    assert "an archive with a link or device" in judged(whole.getvalue(), "set.tar")


def test_a_link_in_a_zip_is_refused() -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        link = zipfile.ZipInfo("a")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert "an archive with a link or device" in judged(whole.getvalue(), "set.zip")


def test_directories_and_empty_members_are_let_in() -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.mkdir("a") if hasattr(archive, "mkdir") else archive.writestr("a/", b"")
        archive.writestr("a/empty.txt", b"")
        archive.writestr("a/config.json", JSON)
    assert judged(whole.getvalue(), "set.zip") == "zip"


def test_an_archive_of_nothing_is_a_placeholder() -> None:
    for name, content in (
        ("set.zip", zipped({})),
        ("set.zip", zipped({"a.txt": b""})),
        ("set.tar", tarred({"a.txt": b""})),
        ("a.txt.gz", gzipped(b"")),
    ):
        assert "an empty archive" in judged(content, name)


def test_a_zip_written_as_a_stream_is_read() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError

        def seek(self, *_where: int) -> int:
            raise OSError

    whole = Pipe()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", JSON)
        with archive.open("large.txt", "w", force_zip64=True) as member:
            member.write(TEXT)
    assert judged(whole.getvalue(), "set.zip") == "zip"


def test_a_zip_of_the_large_kind_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)
    content = zipped({"a.txt": TEXT * 10, "b.json": JSON, "c.onnx": onnx()}, zipfile.ZIP_STORED)
    assert b"PK\6\6" in content
    assert judged(content, "set.zip") == "zip"


def test_two_members_of_one_name_are_refused() -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a.json", JSON)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.json", JSON)
    assert "two members of one name" in judged(whole.getvalue(), "set.zip")
    one = tarred({"a.json": JSON})[:1024]
    assert "two members of one name" in judged(one + tarred({"a.json": JSON}), "set.tar")


def test_archives_are_looked_through_to_a_bounded_depth() -> None:
    content, name = JSON, "config.json"
    for _level in range(4):
        content, name = zipped({name: content}), "a.zip"
    assert judged(content, name) == "zip"
    assert "archives in archives" in judged(zipped({name: content}), name)


def test_what_inflates_without_measure_is_refused() -> None:
    spaces = zlib.compress(b" " * 10_000_000, 9)
    assert len(spaces) < 20_000
    bomb = zipped({f"{index}.txt": b" " * 30_000_000 for index in range(4)})
    assert "an archive that inflates without measure" in judged(bomb, "set.zip")
    assert "an archive that inflates without measure" in judged(gzipped(gzipped(b" " * 120_000_000)), "a.txt.gz.gz")


def test_a_gzip_of_several_streams_is_refused() -> None:
    assert "something follows the compressed data" in judged(gzipped(TEXT) + gzipped(TEXT), "README.md.gz")


def test_a_tar_with_something_behind_its_end_is_refused() -> None:
    content = tarred({"a.json": JSON})
    assert "something follows its end" in judged(content + tarred({"b.json": JSON}), "set.tar")
    assert "goes on behind its end" in judged(content + bytes(2_000_000), "set.tar")


def test_a_tar_that_lies_about_a_size_is_refused() -> None:
    content = bytearray(tarred({"a.json": JSON}))
    content[124:136] = b"\x80" + struct.pack(">Q", 1 << 62).rjust(11, b"\0")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    assert "and 9728 are left" in judged(bytes(content), "set.tar")


@pytest.mark.parametrize("record", [b"x", b"5 a\n", b"99 path=a\n", b"9 GNU.sparse.major=1\n", b"0 \n", b"-1 path=b\n"])
def test_a_damaged_extra_header_is_refused(record: bytes) -> None:
    header = tarfile.TarInfo("extra")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    content = header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + tarred({"a.json": JSON})
    assert "a damaged or ambiguous tar archive" in judged(content, "set.tar")
