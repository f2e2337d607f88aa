# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack role's Compose templates: whatever an operator writes arrives in the container as written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core 2.18

    def trust_as_template(value: Any) -> Any:
        return value


TEMPLATES = Path(__file__).parents[4] / "roles" / "stack" / "templates"
VALUES = [
    "plain",
    "",
    "a$b ${HOME} $$",
    'it\'s "quoted" \\ and: # not a comment',
    "two\nlines\n",
    "{{ not_a_template }}",
    "- ]}, &x *y !z %",
    "long " * 60,
    "umlaut ü, snowman \u2603, emoji \U0001f600",
    "odd \t\x7f\u0085\u2028\ufeff",
]


def rendered(value: str, **changes: Any) -> str:
    service = {
        "image": "api:1",
        "user": "1:1",
        "command": ["run", value],
        "environment": {"VALUE": value},
        "secrets": [],
        "models": [],
        "host_ports": None,
        "publish": [],
        "depends_on": [],
        "resources": {"cpus": 1.0, "memory": 1},
        "health": {"command": ["check", value]},
        **changes,
    }
    model = {"name": "demo", "services": {"api": service}, "components": {}, "paths": {"secrets": "/etc/demo/secrets"}}
    templar = Templar(loader=DataLoader(), variables={"stack_model": model})
    templar = templar.copy_with_new_env(searchpath=[str(TEMPLATES)], available_variables={"stack_model": model})
    text = (TEMPLATES / "services" / "compose.yaml.j2").read_text(encoding="utf-8")
    return str(templar.template(trust_as_template(text), escape_backslashes=False))


@pytest.mark.parametrize("value", VALUES)
def test_a_value_arrives_as_it_was_written(value: str) -> None:
    text = rendered(value)
    assert not re.search(r"\\u[dD][89a-fA-F]", text), "a YAML reader such as Compose's refuses surrogates"
    service = yaml.safe_load(text)["services"]["api"]
    wanted = value.replace("$", "$$")  # Compose makes one of two
    assert service["environment"] == {"VALUE": wanted}
    assert service["command"] == ["run", wanted]
    assert service["healthcheck"]["test"] == ["CMD", "check", wanted]


def test_every_replica_that_there_may_be_has_a_block_with_its_own_port_and_the_service_s_name() -> None:
    ports = [{"blue": 1, "green": 2}, {"blue": 3, "green": 4}]
    text = rendered(
        "x",
        port=8000,
        host_ports={"blue": 5, "green": 6},
        secrets=["key"],
        replicas={"count": 1, "max": 3, "ports": ports},
    )
    services = yaml.safe_load(text)["services"]
    assert list(services) == ["api", "api-2", "api-3"]
    published = [service["ports"][0]["published"] for service in services.values()]
    assert published == ["${PORT_API:?}", "${PORT_API_2:?}", "${PORT_API_3:?}"]
    assert services["api"]["networks"] == ["default"]
    assert services["api-2"]["networks"] == {"default": {"aliases": ["api"]}}
    own = {"ports", "networks"}
    first, *others = [{key: item for key, item in service.items() if key not in own} for service in services.values()]
    assert others == [first, first]
    assert first["labels"]["drydock.unit"] == "api"
