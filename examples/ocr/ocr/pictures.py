# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from strangers: recognised by their bytes, bounded before anything is unpacked."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

from PIL import Image, ImageOps, UnidentifiedImageError

from ocr.errors import ServiceError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MIN_SIDE = 4
# what Pillow raises on bytes that are not what they claim
DAMAGE = (OSError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError)


def open_picture(content: bytes, *, max_pixels: int) -> Image.Image:
    """Unpack a picture into RGB, upright, on white where it is transparent.

    :param max_pixels: a picture that claims more is refused from its header, before it is unpacked.
    """
    picture = open_header(content, max_pixels=max_pixels)
    try:
        picture.load()
        return upright_rgb(picture)
    except DAMAGE as exc:
        raise damaged() from exc


def open_header(content: bytes, *, max_pixels: int) -> Image.Image:
    """Recognise a picture and check what its header claims; its pixels are still packed."""
    if not content:
        raise ServiceError("picture_empty", "The request holds no picture: its body is empty.", status=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # max_pixels is the limit here
        try:
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
        except UnidentifiedImageError as exc:
            raise ServiceError(
                "picture_unsupported",
                f"This is not a picture that can be read. Send one of: {', '.join(FORMATS)}.",
                status=415,
                supported=list(FORMATS),
            ) from exc
        except Image.DecompressionBombError as exc:
            raise too_many_pixels(None, max_pixels) from exc
        except DAMAGE as exc:
            raise damaged() from exc
    width, height = picture.size
    if width * height > max_pixels:
        raise too_many_pixels((width, height), max_pixels)
    if min(width, height) < MIN_SIDE:
        raise ServiceError(
            "picture_too_small",
            f"The picture is {width} x {height} pixels; each side needs at least {MIN_SIDE}.",
            status=400,
        )
    return picture


def upright_rgb(picture: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says, transparency laid on white, in RGB."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":  # 16 bits and more for each pixel: bring to 8
        low, high = picture.getextrema()
        scale = 255.0 / (high - low) if high > low else 1.0  # type: ignore[operator]  # one band: plain numbers
        picture = picture.convert("F").point(lambda value: (value - low) * scale).convert("L")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        picture = Image.alpha_composite(white, layered)
    return picture.convert("RGB")


def too_many_pixels(size: tuple[int, int] | None, max_pixels: int) -> ServiceError:
    """The refusal of a picture that is too large once unpacked."""
    claimed = f"{size[0]} x {size[1]} = {size[0] * size[1]} pixels" if size else "far too many pixels"
    return ServiceError(
        "picture_too_large",
        f"The picture has {claimed}; at most {max_pixels} are allowed. Scale it down.",
        status=413,
        max_pixels=max_pixels,
    )


def damaged() -> ServiceError:
    """The refusal of a picture that cannot be unpacked."""
    return ServiceError("picture_damaged", "The picture is damaged or incomplete and cannot be unpacked.", status=400)
