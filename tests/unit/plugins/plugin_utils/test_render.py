# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering with ansible-core's own engine, as the template module would."""

from __future__ import annotations

import datetime
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFileNotFound
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._render import RenderedFile, render_entries, template_name


class Action:
    """The parts of an action plugin that rendering uses, for a role in a directory."""

    def __init__(self, role: Path) -> None:
        self._role = role
        self._loader = DataLoader()
        self._loader.set_basedir(str(role))
        self._templar = Templar(loader=self._loader, variables={})

    def _find_needle(self, folder: str, name: str) -> str:
        path = self._role / folder / name
        if not path.is_file():
            raise AnsibleFileNotFound(f"no {name}", file_name=name)
        return str(path)


@pytest.fixture(name="role")
def _role(tmp_path: Path) -> Path:
    for folder in ("templates", "files"):
        (tmp_path / folder).mkdir()
    return tmp_path


def render(role: Path, *entries: dict[str, Any], extra: tuple[str, ...] = (), **variables: Any) -> list[RenderedFile]:
    return render_entries(Action(role), entries, variables, extra)


def template(role: Path, name: str, text: str) -> None:
    path = role / "templates" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_template_lies_at_the_path_of_its_destination_unless_named() -> None:
    assert template_name({"dest": "/etc/x/y.conf"}) == "etc/x/y.conf.j2"
    assert template_name({"dest": "base/compose.yaml"}) == "base/compose.yaml.j2"
    assert template_name({"dest": "/etc/x", "template": "other.j2"}) == "other.j2"


def test_blocks_are_trimmed_and_the_last_newline_stays_as_in_the_template_module(role: Path) -> None:
    template(role, "etc/a.j2", "{% for i in items_ %}\n{{ i }}\n{% endfor %}\nend\n")
    (file,) = render(role, {"dest": "/etc/a"}, items_=[1, 2])
    assert file.content == b"1\n2\nend\n"
    assert file.source.endswith("templates/etc/a.j2")


def test_vars_of_an_entry_win_and_do_not_leak_into_the_next(role: Path) -> None:
    template(role, "t.j2", "{{ who }}")
    files = render(
        role,
        {"dest": "/a", "template": "t.j2", "vars": {"who": "entry"}},
        {"dest": "/b", "template": "t.j2"},
        who="play",
    )
    assert [file.content for file in files] == [b"entry", b"play"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", b"{}"),
        ('{"a": 1}\n', b'{"a": 1}\n'),
        ("[1, 2]", b"[1, 2]"),
        ("{{ value }}", b"5"),
        ("yes", b"yes"),
        ("a\\n{{ value }}", b"a\\n5"),
        ("", b""),
        ("ä {{ value }}", "ä 5".encode()),
    ],
)
def test_output_that_looks_like_data_stays_text(role: Path, text: str, expected: bytes) -> None:
    template(role, "t.j2", text)
    (file,) = render(role, {"dest": "/a", "template": "t.j2"}, value=5)
    assert file.content == expected


def test_ansible_managed_and_the_template_variables_are_there(role: Path) -> None:
    template(role, "t.j2", "{{ ansible_managed }} {{ template_destpath }} {{ template_path }}")
    (file,) = render(role, {"dest": "/a", "template": "t.j2"})
    assert file.content == b"Ansible managed /a t.j2"
    (file,) = render(role, {"dest": "/a", "template": "t.j2"}, ansible_managed="ours")
    assert file.content.startswith(b"ours ")


def test_includes_are_found_beside_the_template_and_in_extra_directories(role: Path, tmp_path: Path) -> None:
    extra = tmp_path / "component"
    (extra / "templates").mkdir(parents=True)
    (extra / "templates" / "shared.j2").write_text("shared")
    (extra / "own.j2").write_text("{% include 'shared.j2' %} own")
    template(role, "deep/t.j2", "{% include 'beside.j2' %}")
    template(role, "deep/beside.j2", "beside")
    files = render(
        role, {"dest": "/a", "template": "deep/t.j2"}, {"dest": "/b", "template": "own.j2"}, extra=(str(extra),)
    )
    assert [file.content for file in files] == [b"beside", b"shared own"]


def test_content_is_taken_as_it_is_and_data_becomes_json(role: Path) -> None:
    files = render(
        role,
        {"dest": "/a", "content": "{{ not rendered again }}"},
        {"dest": "/b", "content": {"a": [1]}},
        {"dest": "/c", "content": ""},
    )
    assert [file.content for file in files] == [b"{{ not rendered again }}", b'{\n  "a": [\n    1\n  ]\n}\n', b""]


def test_a_date_in_data_is_written_as_yaml_has_it(role: Path) -> None:
    (file,) = render(role, {"dest": "/b", "content": {"since": datetime.date(2026, 1, 2)}})
    assert json.loads(file.content) == {"since": "2026-01-02"}


@pytest.mark.parametrize("value", [{1, 2}, b"x", float("nan")])
def test_data_that_has_no_json_is_named_with_its_destination(role: Path, value: object) -> None:
    with pytest.raises(DrydockError, match=r"/etc/b: .*JSON") as caught:
        render(role, {"dest": "/etc/b", "content": {"a": value}})
    assert caught.value.kind == "template_failed"


def test_a_binary_file_comes_through_byte_for_byte(role: Path) -> None:
    data = gzip.compress(bytes(range(256)))
    (role / "files" / "x.gz").write_bytes(data)
    (file,) = render(role, {"dest": "/a", "src": "x.gz"})
    assert file.content == data


@pytest.mark.parametrize("entry", [{"template": "gone.j2"}, {"src": "gone"}])
def test_a_missing_source_is_named_with_its_destination(role: Path, entry: dict[str, str]) -> None:
    with pytest.raises(DrydockError) as caught:
        render(role, {"dest": "/etc/a", **entry})
    assert caught.value.kind == "source_missing"
    assert "/etc/a: gone" in caught.value.message


def test_an_undefined_variable_is_named_with_template_and_destination(role: Path) -> None:
    template(role, "t.j2", "{{ nowhere_defined }}")
    with pytest.raises(DrydockError) as caught:
        render(role, {"dest": "/etc/a", "template": "t.j2"})
    assert caught.value.kind == "template_failed"
    assert "/etc/a" in caught.value.message
    assert "t.j2" in caught.value.message
    assert "nowhere_defined" in caught.value.message


def test_an_error_in_a_secret_template_does_not_say_what_it_was_about(role: Path) -> None:
    template(role, "t.j2", "{{ secret | int(base='hunter2') }}{{ ('hunter2' ~ secret).nothing }}")
    with pytest.raises(DrydockError) as caught:
        render(role, {"dest": "/etc/a", "template": "t.j2", "no_log": True}, secret="hunter2")
    assert "hunter2" not in caught.value.message
    assert "no_log" in caught.value.message


def test_a_template_that_is_not_text_is_refused(role: Path) -> None:
    (role / "templates" / "t.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(DrydockError) as caught:
        render(role, {"dest": "/etc/a", "template": "t.j2"})
    assert "Use src for a binary file" in caught.value.message


def test_the_plays_variables_are_not_touched(role: Path) -> None:
    template(role, "t.j2", "x")
    variables: dict[str, Any] = {"ansible_search_path": ["/somewhere"]}
    render_entries(Action(role), [{"dest": "/a", "template": "t.j2"}] * 2, variables, ())
    assert variables == {"ansible_search_path": ["/somewhere"]}
