# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json as a document: whatever is merged in or taken out, foreign keys keep value and place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _daemon_config_keys as keys
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.sampled_from(["debug", "log-opts", "runtimes", "dns", "a", "b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)


@pytest.mark.parametrize(
    ("config", "leaves"),
    [
        ({"debug": True}, {("debug",): True}),
        ({"log-opts.max-size": "1m"}, {("log-opts", "max-size"): "1m"}),
        ({"log-opts": {"max-size": "1m"}}, {("log-opts", "max-size"): "1m"}),
        ({"log-opts": {"com.docker.x": "1"}}, {("log-opts", "com.docker.x"): "1"}),
        ({"dns": ["1.1.1.1"]}, {("dns",): ["1.1.1.1"]}),
        ({"log-opts": {}}, {("log-opts",): {}}),
        ({}, {}),
    ],
)
def test_declared_keys_are_leaves(config: dict[str, Any], leaves: dict[keys.Key, Any]) -> None:
    assert keys.parse_declared(config) == leaves


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"log-opts.max-size": "1m", "log-opts": {"max-size": "2m"}}, "log-opts.max-size is declared twice"),
        ({"log-opts.": 1}, "empty part"),
        ({"": 1}, "empty part"),
        ({"a.b": 1, "a": 2}, "a is declared as a value and, by a.b, as a mapping"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(DrydockError) as caught:
        keys.parse_declared(config)
    assert caught.value.kind == "bad_input"
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{\n  "debug": true,\n}\n', "line 3, column 1"),
        (b'{"a": 1 "b": 2}', "line 1, column 9"),
        (b"[]", "no JSON object but list"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice"),
        (b'{"a": "\xff"}', "not UTF-8"),
    ],
)
def test_broken_json_is_refused_with_its_place(text: bytes, words: str) -> None:
    with pytest.raises(DrydockError) as caught:
        keys.parse_document(text, "/etc/docker/daemon.json")
    assert caught.value.kind == "invalid_json"
    assert words in caught.value.message
    assert "Nothing was written" in caught.value.message


@pytest.mark.parametrize("text", [b"", b" \n", b"{}", b"\xef\xbb\xbf{}"])
def test_an_empty_file_is_an_empty_document(text: bytes) -> None:
    assert keys.parse_document(text, "x") == {}


def test_foreign_keys_keep_value_and_place_and_new_ones_come_last() -> None:
    document = {"runtimes": {"nvidia": {"path": "x"}}, "debug": False, "log-opts": {"labels": "l"}}
    merged = keys.merge(document, {("debug",): True, ("log-opts", "max-size"): "1m", ("dns",): ["1.1.1.1"]}, [])
    assert list(merged) == ["runtimes", "debug", "log-opts", "dns"]
    assert merged["runtimes"] == document["runtimes"]
    assert merged["log-opts"] == {"labels": "l", "max-size": "1m"}
    assert document["debug"] is False


def test_a_key_no_longer_declared_goes_with_the_mapping_it_leaves_empty() -> None:
    document = {"log-opts": {"max-size": "1m"}, "runtimes": {"nvidia": {}}, "features": {"cdi": True, "x": False}}
    owned = [("log-opts", "max-size"), ("features", "cdi"), ("never", "there")]
    assert keys.merge(document, {}, owned) == {"runtimes": {"nvidia": {}}, "features": {"x": False}}


@pytest.mark.parametrize(
    ("document", "declared"),
    [
        ({"log-opts": "text"}, {("log-opts", "max-size"): "1m"}),
        ({"log-opts": {"labels": "l"}}, {("log-opts",): "text"}),
    ],
)
def test_a_foreign_value_in_the_way_is_not_overwritten(document: dict[str, Any], declared: dict[keys.Key, Any]) -> None:
    with pytest.raises(DrydockError) as caught:
        keys.merge(document, declared, [])
    assert caught.value.kind == "conflict"


@given(document=DOCUMENTS, config=DOCUMENTS)
def test_a_merge_is_complete_stable_and_leaves_foreign_leaves_alone(
    document: dict[str, Any], config: dict[str, Any]
) -> None:
    declared = keys.parse_declared(config)
    try:
        merged = keys.merge(document, declared, [])
    except DrydockError:  # a conflict; which ones are is in the table above
        return
    assert keys.merge(merged, declared, list(declared)) == merged
    assert keys.changes(merged, keys.merge(merged, declared, list(declared))) == []
    for change in keys.changes(document, merged):
        ours = any(change.key[: len(key)] == key or key[: len(change.key)] == change.key for key in declared)
        assert ours, f"{change} is foreign"
    assert [name for name in merged if name in document] == list(document)


@given(document=DOCUMENTS, name=NAMES, value=st.integers())
def test_giving_a_key_back_leaves_no_trace_of_it(document: dict[str, Any], name: str, value: int) -> None:
    key = ("x-" + name, "inner")
    merged = keys.merge(document, {key: value}, [])
    assert json.dumps(keys.merge(merged, {}, [key])) == json.dumps(document)


@pytest.mark.parametrize(
    ("before", "after", "impact"),
    [
        ({}, {}, "none"),
        ({}, {"debug": True}, "reload"),
        ({"debug": 1}, {"debug": True}, "reload"),
        ({"runtimes": {"nvidia": {"path": "a"}}}, {"runtimes": {"nvidia": {"path": "b"}}}, "reload"),
        ({"registry-mirrors": ["a"]}, {}, "reload"),
        ({}, {"log-opts": {"max-size": "1m"}}, "restart"),
        ({"data-root": "/a"}, {}, "restart"),
        ({}, {"debug": True, "ipv6": True}, "restart"),
        ({}, {"features": {"buildkit": True}}, "reload"),
        ({}, {"features": {"containerd-snapshotter": True}}, "restart"),
    ],
)
def test_the_changed_keys_decide_what_the_engine_needs(
    before: dict[str, Any], after: dict[str, Any], impact: str
) -> None:
    found = keys.changes(before, after)
    assert keys.impact(found) == impact
    assert all(change.as_dict()["reason"] for change in found)


@pytest.mark.parametrize(("text", "width"), [(b"", 2), (b"{}", 2), (b'{\n    "a": 1\n}', 4), (b'{\n\n  "a": 1\n}', 2)])
def test_the_files_own_indentation_is_kept(text: bytes, width: int) -> None:
    assert keys.indent_of(text) == width
