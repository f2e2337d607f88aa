# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX models and SentencePiece tokenizers, both protocol buffers without a magic.

After https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (IR version 14) and
https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto.
"""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import Blob, Cursor, Refusal
from ansible_collections.drydock.serving.plugins.module_utils._formats.protobuf import (
    BYTES,
    FIXED32,
    VARINT,
    Fields,
    Message,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import check_path

_MODEL_FIELDS = {
    **dict.fromkeys((1, 5), frozenset({VARINT})),
    **dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), frozenset({BYTES})),
}
_PIECES_FIELDS = dict.fromkeys((1, 2, 3, 4, 5), frozenset({BYTES}))
_PIECE_FIELDS = {1: frozenset({BYTES}), 2: frozenset({FIXED32}), 3: frozenset({VARINT})}
_GRAPH = 7


class _External:
    """The references of one model to files beside it."""

    def __init__(self) -> None:
        self._entry: dict[int, bytes] = {}

    def leaf(self, number: int, value: bytes) -> None:
        self._entry[number] = value

    def whole(self) -> None:
        entry, self._entry = self._entry, {}
        if entry.get(1) != b"location":
            return
        path = entry.get(2, b"").decode("utf-8", "replace")
        wrong = check_path(path.removeprefix("./"))
        if wrong:
            raise Refusal(
                "an ONNX model with data elsewhere", f"its external data {path[:200]!r} {wrong}; it could read any file"
            )


def _model(external: _External) -> Message:
    """Where tensors can be in a model: they, and they alone, refer to other files."""
    entry = Message(keep=frozenset({1, 2}), leaf=external.leaf, whole=external.whole)
    tensor = Message(inside={13: entry})
    sparse = Message(inside={1: tensor, 2: tensor})
    attribute, node, graph = Message(), Message(), Message()
    attribute.inside = {5: tensor, 6: graph, 10: tensor, 11: graph, 22: sparse, 23: sparse}
    node.inside = {5: attribute}
    graph.inside = {1: node, 5: tensor, 15: sparse}
    training = Message(inside={1: graph, 2: graph})
    function = Message(inside={7: node, 11: attribute})
    return Message(fields=_MODEL_FIELDS, inside={_GRAPH: graph, 20: training, 25: function})


def check_onnx(blob: Blob) -> None:
    """:raises Refusal: it is no sound ONNX model, or one that would read files outside its directory."""
    cursor = Cursor(blob, "ONNX")
    found: set[int] = set()
    Fields(cursor).walk(_model(_External()), lambda number, _kind: found.add(number))
    missing = [name for number, name in ((1, "ir_version"), (_GRAPH, "graph")) if number not in found]
    if missing:
        raise cursor.fail(f"it has no {' and no '.join(missing)}")


def check_sentencepiece(blob: Blob) -> None:
    """:raises Refusal: it is no sound SentencePiece model."""
    cursor = Cursor(blob, "SentencePiece")
    found: set[int] = set()
    pieces = Message(fields=_PIECES_FIELDS, inside={1: Message(fields=_PIECE_FIELDS)})
    Fields(cursor).walk(pieces, lambda number, _kind: found.add(number))
    if not {1, 2} <= found:
        raise cursor.fail("it has no pieces or no trainer_spec")
