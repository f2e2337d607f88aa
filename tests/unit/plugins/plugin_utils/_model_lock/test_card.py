# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model cards: what is read out of them, and what they cannot do to their reader."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.card import read_card


def _card(front: str) -> str:
    return f"---\n{front}\n---\n# A model\n"


METRICS = """
license: Apache-2.0
model-index:
- name: ocr
  results:
  - task: {type: object-detection}
    dataset: {type: coco, name: COCO}
    metrics:
    - {type: map, name: mAP, value: 0.82}
    - {type: accuracy, value: '0.9'}
  - metrics:
    - {type: accuracy, value: 0.7}
    - {type: wer, name: Test WER, value: 5}
"""


def test_licence_and_metrics_come_from_the_block_at_the_top() -> None:
    facts = read_card(_card(METRICS))
    assert facts.license == "apache-2.0"
    assert facts.metrics == {"mAP": 0.82, "accuracy": [0.7, 0.9], "Test WER": 5, "wer": 5}
    again = "  - metrics: [{type: map, name: mAP, value: 0.82}, {type: accuracy, value: 0.8}]\n"
    assert read_card(_card(METRICS + again)).metrics == facts.metrics  # the least and the greatest say it all
    assert facts.problem is None


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_line_ends_and_byte_order_marks_do_not_matter(change: Any) -> None:
    assert read_card(change(_card(METRICS))) == read_card(_card(METRICS))


@pytest.mark.parametrize(
    "text", ["", "# only words", "---\n---\n", "words\n---\nlicense: mit\n---\n", "---\nlicense: mit"]
)
def test_a_card_without_a_block_says_nothing(text: str) -> None:
    facts = read_card(text)
    assert (facts.license, facts.metrics, facts.problem) == (None, {}, None)


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("license: mit", "mit"),
        ("license: [MIT, apache-2.0]", "apache-2.0 AND mit"),
        ("license: other\nlicense_name: Llama4", "other:llama4"),
        ("license: other", "other"),
        ("license_name: mit", None),
        ("license:", None),
        ("license: ''", None),
        ("license: {mit: true}", "unreadable"),
        (f"license: 0x{'f' * 5000}", "unreadable"),
        ('license: "\\ud800"', None),
        ('license: "mit\\u2028\\u202e"', "mit"),
    ],
)
def test_licences_in_all_their_shapes(front: str, expected: str | None) -> None:
    assert read_card(_card(front)).license == expected


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("license: [mit", "not YAML at line"),
        ("- a\n- b", "no keys and values"),
        ("just words", "no keys and values"),
        ("a: !!python/object/apply:os.system [id]", "not YAML"),
        ("a: " + "[" * 4000, "not YAML"),
        ("a: " + "[" * 1_000_000, "not YAML"),
        ("a: " + "- " * 100_000, "not YAML"),
        ("a: !!bool perhaps", "not YAML"),
        ("a: !!timestamp perhaps", "not YAML"),
        ("a: 1:" + "9:" * 2000 + "0.5", "not YAML"),
    ],
)
def test_a_block_that_cannot_be_read_is_told(front: str, expected: str) -> None:
    facts = read_card(_card(front))
    assert expected in (facts.problem or "")
    assert facts.metrics == {}


@pytest.mark.parametrize("value", [".nan", ".inf", "high", "[1]", "{a: 1}", "true", "", "'0x10'", "9" * 400, "'1e999'"])
def test_what_is_no_finite_number_is_no_metric(value: str) -> None:
    facts = read_card(_card(f"model-index:\n- results:\n  - metrics:\n    - {{type: f1, value: {value}}}"))
    assert facts.metrics == {}
    assert facts.unreadable == ("f1",)


@pytest.mark.parametrize(
    "index", ["5", "words", "[1, 2]", "[{results: 5}]", "[{results: [{metrics: {a: 1}}]}]", "[{results: [null]}]"]
)
def test_an_index_of_another_shape_has_no_metrics(index: str) -> None:
    facts = read_card(_card(f"model-index: {index}"))
    assert facts.metrics == {}
    assert facts.problem is None


def _nested(entry: str, last: str, *, deep: int = 12) -> str:
    """Twelve lines that stand for a thousand billion values: every one names the one before ten times."""
    lines = [f"a0: &a0 {last}"]
    lines += [
        f"a{level}: &a{level} {entry.replace('ALL', ', '.join([f'*a{level - 1}'] * 10))}" for level in range(1, deep)
    ]
    return "\n".join(lines)


def test_a_card_that_multiplies_itself_ends_soon() -> None:
    many = ", ".join
    front = (
        f"c: &c {{type: f1, value: 1}}\nb: &b {{metrics: [{many(['*c'] * 1000)}]}}\n"
        f"a: &a {{results: [{many(['*b'] * 1000)}]}}\nmodel-index: [{many(['*a'] * 1000)}]"
    )
    facts = read_card(_card(front))
    assert facts.metrics == {"f1": 1}
    assert "more than 100000 entries" in (facts.problem or "")


@pytest.mark.parametrize(
    ("front", "license_"),
    [
        ("license: *a11", "unreadable"),
        ("license: [mit, *a11]", "mit AND unreadable"),
        ("license: other\nlicense_name: *a11", "other:unreadable"),
        ("license: mit\nmodel-index: [{results: [{metrics: [{name: *a11, type: *a11, value: *a11}]}]}]", "mit"),
    ],
)
def test_values_that_multiply_are_never_written_out(front: str, license_: str) -> None:
    facts = read_card(_card(f"{_nested('[ALL]', '[x]')}\n{front}"))
    assert (facts.license, facts.metrics) == (license_, {})


def test_keys_that_multiply_are_never_merged() -> None:
    assert "has a merge key at line 3" in (read_card(_card(_nested("{<<: [ALL]}", "{k: v}"))).problem or "")


def test_ways_through_nothing_end_soon() -> None:
    many = ", ".join
    front = (
        f"b: &b {{metrics: [{many(['1'] * 1000)}]}}\na: &a {{results: [{many(['*b'] * 1000)}]}}\n"
        f"model-index: [{many(['*a'] * 1000)}]"
    )
    assert "more than 100000 entries" in (read_card(_card(front)).problem or "")


def test_a_key_that_says_two_things_is_told() -> None:
    """People and other readers may take the first, or none."""
    facts = read_card(_card("license: proprietary\nlicense: mit"))
    assert facts.license is None
    assert "has a key given twice at line 3" in (facts.problem or "")


@pytest.mark.parametrize("name", ["\\x1b[31mred", "\\x9b31mred", "a\\nb", "x" * 500])
def test_names_cannot_move_the_cursor_nor_fill_the_screen(name: str) -> None:
    facts = read_card(_card(f'model-index:\n- results:\n  - metrics:\n    - {{type: "{name}", value: 1}}'))
    [found] = facts.metrics
    assert len(found) <= 100
    assert found.isprintable()
