# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering on the controller: many templates in one go, as the ``template`` module would render each.

Used by the action plugins ``config_tree`` and ``release``. Runs on the controller only (ansible-core 2.18 and newer).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.template import generate_ansible_template_vars
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

try:  # ansible-core 2.19 and newer render only what is marked as written by the operator
    from ansible.template import trust_as_template
except ImportError:  # ansible-core 2.18 renders every string

    def trust_as_template(value: Any) -> Any:
        return value


if TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

SOURCES = ("template", "content", "src")
_OVERRIDES = {"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"}


@dataclass(frozen=True)
class RenderedFile:
    """One file, ready to ship.

    :param dest: the entry's ``dest``, untouched (absolute for config_tree, relative for release).
    :param content: the exact bytes; never text, so that nothing re-encodes them on the way.
    :param source: where they came from, for messages: a path on the controller, or ``content``.
    :param entry: the entry as the operator gave it (mode, owner, wakes and so on are read from here).
    """

    dest: str
    content: bytes
    source: str
    entry: Mapping[str, Any]


def render_entries(
    action: ActionBase,
    entries: Sequence[Mapping[str, Any]],
    task_vars: Mapping[str, Any],
    searchpath_extra: Sequence[str] = (),
) -> list[RenderedFile]:
    """Render or read every entry, in order.

    Each entry has ``dest`` and at most one of ``template`` (found like the template module finds it), ``content`` (a
    string, or data that becomes JSON) and ``src`` (a controller file, copied verbatim); without any of them the
    template is ``dest`` without its leading slash plus ``.j2``. ``vars`` are further variables for that template,
    ``no_log`` keeps values out of the error message.

    :param searchpath_extra: directories searched for templates before the role's own, also by ``include`` in them.
    :raises DrydockError: ``template_failed`` or ``source_missing``, naming the entry and its file.
    """
    renderer = _Renderer(action, task_vars, searchpath_extra)
    return [renderer.render(entry) for entry in entries]


def template_name(entry: Mapping[str, Any]) -> str:
    """The template an entry names, or the one at its destination's path."""
    return str(entry.get("template") or str(entry["dest"]).lstrip("/") + ".j2")


class _Renderer:
    """What all entries of one task share."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any], extra: Sequence[str]) -> None:
        self._action = action
        self._task_vars = task_vars
        self._extra = extra

    def render(self, entry: Mapping[str, Any]) -> RenderedFile:
        dest = str(entry["dest"])
        if entry.get("content") is not None:
            return RenderedFile(
                dest=dest, content=_content_bytes(dest, entry["content"]), source="content", entry=entry
            )
        if entry.get("src") is not None:
            path = self._find("files", str(entry["src"]), dest)
            return RenderedFile(dest=dest, content=self._read(path), source=path, entry=entry)
        path = self._find("templates", template_name(entry), dest)
        try:
            rendered = self._text(self._read(path).decode("utf-8"), path, entry)
        except UnicodeDecodeError as error:
            raise DrydockError(
                "template_failed",
                f"{dest}: the template {path} is not UTF-8 text. Use src for a binary file.",
                dest=dest,
            ) from error
        except AnsibleError as error:
            reason = "the reason is not shown because the entry has no_log" if entry.get("no_log") else str(error)
            raise DrydockError(
                "template_failed", f"{dest}: the template {path} could not be rendered: {reason}", dest=dest
            ) from error
        return RenderedFile(dest=dest, content=rendered.encode("utf-8"), source=path, entry=entry)

    def _find(self, folder: str, name: str, dest: str) -> str:
        if folder == "templates":
            for directory in self._extra:
                if (Path(directory) / name).is_file():
                    return str(Path(directory) / name)
        try:
            return str(self._action._find_needle(folder, name))
        except AnsibleError as error:
            raise DrydockError(
                "source_missing",
                f"{dest}: {name} was not found in {folder}/ of the role or beside the playbook: {error}",
                dest=dest,
            ) from error

    def _read(self, path: str) -> bytes:
        real = self._action._loader.get_real_file(path)  # a vault-encrypted source arrives decrypted
        try:
            return Path(real).read_bytes()
        finally:
            self._action._loader.cleanup_tmp_file(real)

    def _text(self, text: str, path: str, entry: Mapping[str, Any]) -> str:
        templar = self._action._templar.copy_with_new_env(
            searchpath=self._searchpath(path),
            available_variables={**self._task_vars, **self._template_vars(entry, path), **(entry.get("vars") or {})},
        )
        source = trust_as_template(text)
        if hasattr(templar, "evaluate_expression"):  # ansible-core 2.19 and newer
            result = templar.template(source, escape_backslashes=False, overrides=_OVERRIDES)
        else:  # 2.18 would turn output that looks like JSON into data
            result = templar.template(source, escape_backslashes=False, overrides=_OVERRIDES, convert_data=False)
        return "" if result is None else str(result)

    def _template_vars(self, entry: Mapping[str, Any], path: str) -> dict[str, Any]:
        dest = str(entry["dest"])
        values = dict(generate_ansible_template_vars(path=template_name(entry), fullpath=path, dest_path=dest))
        if "ansible_managed" in self._task_vars:  # the operator's own text wins
            values.pop("ansible_managed", None)
        return values

    def _searchpath(self, path: str) -> list[str]:
        base = self._action._loader.get_basedir()
        roots = [*self._extra, *self._task_vars.get("ansible_search_path", []), base, str(Path(path).parent)]
        return [place for root in roots for place in (str(Path(root) / "templates"), root)]


def _content_bytes(dest: str, content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode("utf-8")
    try:
        text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False, default=_date)
    except (TypeError, ValueError) as error:
        raise DrydockError("template_failed", f"{dest}: the content has no form in JSON: {error}", dest=dest) from error
    return text.encode("utf-8") + b"\n"


def _date(value: Any) -> str:
    """YAML reads an unquoted date as one."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"it holds a value of type {type(value).__name__}")
