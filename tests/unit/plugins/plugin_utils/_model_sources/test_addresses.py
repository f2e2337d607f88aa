# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as people and locks write them."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import addresses
from hypothesis import given
from hypothesis import strategies as st

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://models/ocr/det.onnx", ("models", "ocr/det.onnx", None)),
        ("s3://models/a%20b/%3Fc.onnx?versionId=x%2F1", ("models", "a b/?c.onnx", "x/1")),
        ("s3://models", ("models", "", None)),
        ("s3://models/ocr/", ("models", "ocr/", None)),
    ],
)
def test_s3_addresses_are_read(url: str, expected: tuple[str, str, str | None]) -> None:
    found = addresses.parse_s3(url)
    assert (found.bucket, found.key, found.version) == expected


@pytest.mark.parametrize(
    "url",
    [
        "s3:///x",
        "s3://M/x",
        "s3://user:c4n4ry@models/x",
        "s3://models/x?c4n4ry=1",
        "s3://models/x#c4n4ry",
        "https://a/b",
    ],
)
def test_other_s3_addresses_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected s3|something other") as caught:
        addresses.parse_s3(url)
    assert "c4n4ry" not in str(caught.value)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
)
def test_any_key_and_version_survive_being_written(key: str, version: str | None) -> None:
    address = addresses.S3Object("models", key, version)
    assert addresses.parse_s3(str(address)) == address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"oci://r.example.org/ocr@{DIGEST}", ("r.example.org", "ocr", "", DIGEST)),
        ("oci://r.example.org:5000/team/o_c-r:v4.0", ("r.example.org:5000", "team/o_c-r", "v4.0", "")),
        (f"oci://[::1]:5000/ocr:4@{DIGEST}", ("[::1]:5000", "ocr", "4", DIGEST)),
        ("oci://docker.io/ocr", ("docker.io", "ocr", "", "")),
    ],
)
def test_oci_addresses_are_read_and_written(url: str, expected: tuple[str, str, str, str]) -> None:
    found = addresses.parse_oci(url)
    assert (found.registry, found.repository, found.tag, found.digest) == expected
    assert str(found) == url


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "r",
        "r/",
        "r/OCR",
        "r/a/../b",
        "r/ocr@sha256:1",
        "r/ocr@sha512:1",
        "r/ocr:",
        "r/ocr@",
        "u:p@r/ocr",
        "r/ocr?a=b",
    ],
)
def test_other_oci_addresses_are_refused(rest: str) -> None:
    with pytest.raises(ValueError, match="expected oci://"):
        addresses.parse_oci(f"oci://{rest}")


def test_hub_files_are_read_and_written() -> None:
    found = addresses.parse_hub_file("hf://acme/ocr@v4.0/deep/a%20b%2525.json")
    assert (found.organisation, found.name, found.revision, found.path) == ("acme", "ocr", "v4.0", "deep/a b%25.json")
    assert str(found) == "hf://acme/ocr@v4.0/deep/a%20b%2525.json"


@pytest.mark.parametrize("rest", ["acme/ocr@1", "acme/ocr/x", "acme/ocr@/x", "acme@1/ocr/x", "a/b@1/x?y", "../b@1/x"])
def test_other_hub_addresses_are_refused(rest: str) -> None:
    with pytest.raises(ValueError, match="expected hf://"):
        addresses.parse_hub_file(f"hf://{rest}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"oci://r/ocr@{DIGEST}", None),
        ("oci://r/ocr:1", "names no blob"),
        (f"oci://r/ocr:1@{DIGEST}", "names no blob"),
        ("hf://a/b@1/x", None),
        ("hf://a/b@1", "expected hf://"),
        ("s3://models/x", None),
        ("s3://models/x/", "names no object"),
    ],
)
def test_an_address_of_one_file_is_told_from_one_of_a_set(url: str, said: str | None) -> None:
    found = addresses.file_problem(url)
    assert found is None if said is None else said in str(found)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://A.example.org/x?y", "https://a.example.org"),
        ("https://a.example.org:443", "https://a.example.org"),
        ("http://a:8080/", "http://a:8080"),
        ("https://[::1]:5000/v2/", "https://[::1]:5000"),
        ("https://a:x", ""),
    ],
)
def test_an_origin_is_written_in_one_way(url: str, origin: str) -> None:
    assert addresses.origin_of(url) == origin
