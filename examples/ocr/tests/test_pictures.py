# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from strangers."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from ocr.errors import ServiceError
from ocr.pictures import open_header, open_picture
from PIL import Image

LIMIT = 1_000_000


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its few bytes of data do not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_each_supported_format_is_read(form: str) -> None:
    picture = open_picture(encoded(Image.new("RGB", (40, 20), "white"), form), max_pixels=LIMIT)
    assert (picture.size, picture.mode) == ((40, 20), "RGB")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_each_pixel_format_becomes_rgb(mode: str) -> None:
    assert open_picture(encoded(Image.new(mode, (40, 20))), max_pixels=LIMIT).mode == "RGB"


def test_transparency_is_laid_on_white() -> None:
    picture = open_picture(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0))), max_pixels=LIMIT)
    assert picture.getpixel((4, 4)) == (255, 255, 255)


def test_a_photograph_is_turned_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = open_picture(encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif), max_pixels=LIMIT)
    assert picture.size == (20, 40)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "picture_empty", 400),
        (b"%PDF-1.7 not a picture", "picture_unsupported", 415),
        (encoded(Image.effect_noise((200, 200), 50))[:900], "picture_damaged", 400),
        (encoded(Image.new("RGB", (2, 200))), "picture_too_small", 400),
        (encoded(Image.new("RGB", (1001, 1000))), "picture_too_large", 413),
        (png_that_claims(50_000, 50_000), "picture_too_large", 413),
        (png_that_claims(2_000_000_000, 2_000_000_000), "picture_too_large", 413),
    ],
)
def test_what_is_not_a_usable_picture_is_refused_with_its_reason(content: bytes, kind: str, status: int) -> None:
    with pytest.raises(ServiceError) as caught:
        open_picture(content, max_pixels=LIMIT)
    assert (caught.value.kind, caught.value.status) == (kind, status)


def test_the_claimed_size_is_refused_before_anything_is_unpacked() -> None:
    with pytest.raises(ServiceError, match="5000 x 5000 = 25000000 pixels"):
        open_header(png_that_claims(5000, 5000), max_pixels=LIMIT)
