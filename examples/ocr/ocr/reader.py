# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading text: detection, direction and recognition with ONNX models, on the processor.

Pre- and post-processing follow what the PP-OCR models were trained with (PaddleOCR's published configuration): pictures
in BGR, scaled to -1..1; detection sides multiples of 32; text lines 48 pixels high; connectionist temporal
classification decoded greedily.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image, ImageDraw, ImageFont

from ocr.boxes import Floats, find_boxes
from ocr.errors import CannotStartError
from ocr.model_set import ModelSet, load_verified
from ocr.ports import Line, Reading

DETECTION_MIN_SIDE = 736
DETECTION_STEP = 32
LINE_HEIGHT = 48
DIRECTION_WIDTH = 192
DIRECTION_CERTAIN = 0.9
MIN_BATCH_WIDTH = 320
MAX_LINE_WIDTH = 3200
# widths of one batch together: bounds the memory of its probabilities (6,625 classes each 8 pixels)
MAX_BATCH_PIXELS = 2560
MIN_SCORE = 0.5
SAME_LINE = 10  # pixels between the tops of boxes that stand on one line
WARM_UP_TEXT = "READY 2468"


class Reader:
    """The three models, loaded. ``read`` may be called from several threads."""

    def __init__(self, model_set: ModelSet, *, threads: int, detection_side: int) -> None:
        self.name = model_set.name
        self.version = model_set.version
        self._detection_side = detection_side
        self._detect = self._session(model_set, "det.onnx", threads)
        self._direct = self._session(model_set, "cls.onnx", threads)
        self._recognise = self._session(model_set, "rec.onnx", threads)
        listed = self._recognise.get_modelmeta().custom_metadata_map.get("character", "")
        if not listed:
            raise CannotStartError("The model rec.onnx carries no list of characters ('character' in its metadata).")
        self._characters = ["", *listed.splitlines(), " "]  # the first class means: no character here

    @staticmethod
    def _session(model_set: ModelSet, path: str, threads: int) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # an arena keeps the largest picture's memory for ever
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(
                load_verified(model_set, path), options, providers=["CPUExecutionProvider"]
            )
        except CannotStartError:
            raise
        except Exception as exc:  # onnxruntime's own exceptions share no base class
            raise CannotStartError(f"The model {path} of {model_set.name} cannot be loaded: {exc}") from exc

    def read(self, picture: Image.Image) -> Reading:
        """Read the text in an RGB picture."""
        started = time.perf_counter()
        corners = self._boxes(picture)
        texts = self._best_texts([upright_crop(picture, box) for box in corners])
        lines = [
            Line(text=text, score=round(score, 4), box=box.round().astype(int).tolist())
            for box, (text, score) in zip(corners, texts)
            if text and score >= MIN_SCORE
        ]
        return Reading(lines=lines, width=picture.width, height=picture.height, seconds=time.perf_counter() - started)

    def _boxes(self, picture: Image.Image) -> list[Floats]:
        """The lines of text in reading order, as corners in pixels of the picture."""
        framed, left, top = framed_for_detection(picture)
        scaled = framed.resize(detection_size(framed.size, self._detection_side), Image.Resampling.BILINEAR)
        batch = normalised(scaled)[None]
        probabilities = self._detect.run(None, {self._detect.get_inputs()[0].name: batch})[0][0, 0]
        ratio = np.array([framed.width / scaled.width, framed.height / scaled.height], dtype=np.float32)
        limits = np.array([picture.width - 1, picture.height - 1], dtype=np.float32)
        boxes = [
            np.clip(corners * ratio - np.array([left, top], dtype=np.float32), 0, limits)
            for corners, _ in find_boxes(probabilities)
        ]
        return in_reading_order([box for box in boxes if min(sides(box)) > 3])

    def _best_texts(self, crops: Sequence[Image.Image]) -> list[tuple[str, float]]:
        """The text of each line. Where the direction model sees a line on its head, both ways are read and the better
        one counts: on long lines that model errs."""
        doubtful = [index for index, crop in enumerate(crops) if self._on_its_head(crop)]
        turned = [crops[index].transpose(Image.Transpose.ROTATE_180) for index in doubtful]
        texts = self._texts([*crops, *turned])
        for index, text in zip(doubtful, texts[len(crops) :]):
            texts[index] = max(texts[index], text, key=lambda found: found[1])
        return texts[: len(crops)]

    def _on_its_head(self, crop: Image.Image) -> bool:
        """What the direction model says of a line."""
        width = min(DIRECTION_WIDTH, math.ceil(LINE_HEIGHT * crop.width / crop.height))
        batch = np.zeros((1, 3, LINE_HEIGHT, DIRECTION_WIDTH), dtype=np.float32)
        batch[0, :, :, :width] = normalised(crop.resize((width, LINE_HEIGHT), Image.Resampling.BILINEAR))
        _, upside_down = self._direct.run(None, {self._direct.get_inputs()[0].name: batch})[0][0]
        return bool(upside_down > DIRECTION_CERTAIN)

    def _texts(self, crops: Sequence[Image.Image]) -> list[tuple[str, float]]:
        """The text of each line with its score; lines of like width go through the model together."""
        widths = [max(1, min(MAX_LINE_WIDTH, math.ceil(LINE_HEIGHT * crop.width / crop.height))) for crop in crops]
        texts: list[tuple[str, float]] = [("", 0.0)] * len(crops)
        name = self._recognise.get_inputs()[0].name
        for members in batches(widths):
            batch_width = max(MIN_BATCH_WIDTH, widths[members[-1]])  # sorted: the last is the widest
            batch = np.zeros((len(members), 3, LINE_HEIGHT, batch_width), dtype=np.float32)
            for row, index in enumerate(members):
                line = crops[index].resize((widths[index], LINE_HEIGHT), Image.Resampling.BILINEAR)
                batch[row, :, :, : widths[index]] = normalised(line)
            for index, probabilities in zip(members, self._recognise.run(None, {name: batch})[0]):
                texts[index] = decoded(probabilities, self._characters)
        return texts

    def warm_up(self) -> float:
        """Read a known picture and return the seconds; raise CannotStartError when its text is not read right."""
        reading = self.read(rendered(WARM_UP_TEXT))
        if reading.text.replace(" ", "") != WARM_UP_TEXT.replace(" ", ""):
            raise CannotStartError(
                f"The warm-up picture says {WARM_UP_TEXT!r} but {self.name} {self.version} read {reading.text!r}. "
                "The models do not fit this service; deliver the set that it was made for."
            )
        return reading.seconds


def rendered(text: str, *, size: int = 40) -> Image.Image:
    """A picture of black text on white."""
    font = ImageFont.load_default(size=size)
    _, _, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font=font)
    picture = Image.new("RGB", (int(right) + 2 * size, int(bottom) + 2 * size), "white")
    ImageDraw.Draw(picture).multiline_text((size, size), text, font=font, fill="black")
    return picture


def normalised(picture: Image.Image) -> Floats:
    """A picture as the models want it: channels first, blue first, -1..1."""
    pixels = np.asarray(picture, dtype=np.float32)[:, :, ::-1]
    return np.ascontiguousarray((pixels / 127.5 - 1.0).transpose(2, 0, 1))


def framed_for_detection(picture: Image.Image) -> tuple[Image.Image, int, int]:
    """A narrow strip gets a margin in its corner's colour, which detection needs; the picture, and how far it moved."""
    width, height = picture.size
    if height > 32 and width <= 8 * height:
        return picture, 0, 0
    margin = max(16, width // 16)
    framed = Image.new("RGB", (width + 32, height + 2 * margin), picture.getpixel((0, 0)))
    framed.paste(picture, (16, margin))
    return framed, 16, margin


def detection_size(size: tuple[int, int], limit: int) -> tuple[int, int]:
    """Width and height for detection: the shorter side 736, the longer at most ``limit``, both multiples of 32."""
    ratio = max(1.0, DETECTION_MIN_SIDE / min(size))
    ratio = min(ratio, limit / max(size))
    width, height = (max(DETECTION_STEP, round(side * ratio / DETECTION_STEP) * DETECTION_STEP) for side in size)
    return width, height


def sides(box: Floats) -> tuple[float, float]:
    """Width and height of a box given by its corners."""
    return float(np.linalg.norm(box[0] - box[1])), float(np.linalg.norm(box[0] - box[3]))


def in_reading_order(boxes: list[Floats]) -> list[Floats]:
    """From top to bottom; boxes whose tops are near each other stand on one line, from left to right."""
    ordered: list[Floats] = []
    row: list[Floats] = []
    for box in sorted(boxes, key=lambda item: (float(item[0][1]), float(item[0][0]))):
        if row and abs(float(box[0][1]) - float(row[-1][0][1])) >= SAME_LINE:
            ordered.extend(sorted(row, key=lambda item: float(item[0][0])))
            row = []
        row.append(box)
    return ordered + sorted(row, key=lambda item: float(item[0][0]))


def upright_crop(picture: Image.Image, box: Floats) -> Image.Image:
    """The part of a picture inside a box, straightened; text that runs from top to bottom is laid down."""
    width, height = (max(1, int(side)) for side in sides(box))
    top_left, top_right, bottom_right, bottom_left = box.tolist()
    crop = picture.transform(
        (width, height),
        Image.Transform.QUAD,
        (*top_left, *bottom_left, *bottom_right, *top_right),
        resample=Image.Resampling.BICUBIC,
    )
    return crop.transpose(Image.Transpose.ROTATE_90) if height >= 1.5 * width else crop


def batches(widths: Sequence[int]) -> list[list[int]]:
    """Indices grouped by like width, each group within MAX_BATCH_PIXELS (or one line alone)."""
    groups: list[list[int]] = []
    for index in sorted(range(len(widths)), key=lambda item: widths[item]):
        padded = max(MIN_BATCH_WIDTH, widths[index])
        if groups and padded * (len(groups[-1]) + 1) <= MAX_BATCH_PIXELS:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def decoded(probabilities: npt.NDArray[np.float32], characters: Sequence[str]) -> tuple[str, float]:
    """Text and mean probability of its characters: repeated classes count once, class 0 separates."""
    best = probabilities.argmax(axis=1)
    chosen = best != 0
    chosen[1:] &= best[1:] != best[:-1]
    if not chosen.any():
        return "", 0.0
    text = "".join(characters[index] for index in best[chosen])
    return text, float(probabilities.max(axis=1)[chosen].mean())
