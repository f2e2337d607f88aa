# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading, with the real models: pictures rendered here, with text that nobody wrote down before."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
from ocr.errors import CannotStartError
from ocr.reader import Reader, batches, detection_size, framed_for_detection, rendered
from ocr_doubles import random_text, unspaced
from PIL import Image, ImageOps


@pytest.mark.parametrize("size", [24, 40, 64])
def test_random_lines_are_read_in_order(reader: Reader, size: int) -> None:
    lines = [random_text(), random_text(2), random_text()]
    reading = reader.read(rendered("\n".join(lines), size=size))
    assert [unspaced(line.text) for line in reading.lines] == [unspaced(line) for line in lines]


@pytest.mark.parametrize("angle", [-8, 5, 90, 180])
def test_turned_text_is_read(reader: Reader, angle: int) -> None:
    text = random_text()
    turned = rendered(text).rotate(angle, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    assert unspaced(reader.read(turned).text) == text


def test_a_long_line_that_the_direction_model_misjudges_is_not_lost(reader: Reader) -> None:
    text = "UNITED 4864 UNITED 4864 UNITED 4864"
    assert unspaced(reader.read(rendered(text, size=20)).text) == unspaced(text)


def test_white_on_black_is_read(reader: Reader) -> None:
    text = random_text()
    assert unspaced(reader.read(ImageOps.invert(rendered(text))).text) == text


def test_a_narrow_strip_is_read(reader: Reader) -> None:
    text = random_text(4)
    picture = rendered(text, size=20)
    strip = picture.crop((15, 17, picture.width - 15, 42))
    assert unspaced(reader.read(strip).text) == unspaced(text)


def test_boxes_lie_around_the_text(reader: Reader) -> None:
    picture = rendered(random_text(), size=40)
    (line,) = reader.read(picture).lines
    (left, top), (right, _), (_, bottom), _ = line.box
    assert [left, top] == pytest.approx([40, 48], abs=16)
    assert [right, bottom] == pytest.approx([picture.width - 40, picture.height - 40], abs=16)
    assert 0.5 <= line.score <= 1.0


def test_an_empty_page_has_no_text(reader: Reader) -> None:
    assert reader.read(Image.new("RGB", (300, 200), "white")).lines == []


def test_the_warm_up_reads_what_it_rendered(reader: Reader) -> None:
    assert reader.warm_up() > 0


def test_models_that_read_wrong_are_refused(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocr.reader.rendered", lambda _text: Image.new("RGB", (300, 200), "white"))
    with pytest.raises(CannotStartError, match="The warm-up picture says"):
        reader.warm_up()


@pytest.mark.parametrize(
    ("size", "limit", "expected"),
    [
        ((420, 167), 960, (960, 384)),
        ((2000, 1000), 960, (960, 480)),
        ((800, 800), 960, (800, 800)),
        ((9, 900), 960, (32, 960)),
    ],
)
def test_detection_works_on_bounded_multiples_of_32(
    size: tuple[int, int], limit: int, expected: tuple[int, int]
) -> None:
    assert detection_size(size, limit) == expected


def test_lines_are_grouped_so_that_memory_stays_bounded() -> None:
    groups = batches([100, 3000, 320, 330, 2000])
    assert sorted(index for group in groups for index in group) == [0, 1, 2, 3, 4]
    assert [1] in groups
    assert [4] in groups


def test_only_narrow_pictures_get_a_margin() -> None:
    assert framed_for_detection(Image.new("RGB", (300, 100)))[1:] == (0, 0)
    framed, left, top = framed_for_detection(Image.new("RGB", (300, 20), "red"))
    assert framed.size == (300 + 2 * left, 20 + 2 * top)
    assert framed.getpixel((0, 0)) == (255, 0, 0)


def test_the_inference_library_reports_to_nobody() -> None:
    libraries = list((Path(onnxruntime.__file__).parent / "capi").glob("*.so*"))
    assert libraries
    assert not [library.name for library in libraries if b"events.data.microsoft.com" in library.read_bytes()]


def test_the_sample_of_the_readme_is_read(reader: Reader) -> None:
    sample = Image.open(Path(__file__).resolve().parents[1] / "sample.png").convert("RGB")
    assert reader.read(sample).lines[0].text == "drydock.serving"
