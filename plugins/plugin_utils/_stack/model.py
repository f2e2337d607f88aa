# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the operator's input to the stack model, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._stack import around, policy, replicas, rules, schema
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.capacity import Host, capacity_problems, totals
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import to_plain
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.components import Component
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.derive import assign_host_ports, derive
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.golden import check_golden
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.models import (
    Trusted,
    check_lock_names,
    resolve_models,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems, StackError


def build_model(
    stack: Any,
    *,
    models: Any = None,
    lock: Any = None,
    secrets: Iterable[str] = (),
    host: Host | None = None,
    trusted: Trusted | None = None,
    components: Mapping[str, Component],
) -> dict[str, Any]:
    """Read, check and complete a stack. Pure, but for the day and ``trusted``.

    :param secrets: names (never values) of the secrets the operator gives.
    :param host: what the host has; without it, whether the stack fits is not judged.
    :param trusted: whom the settings of a signature believe now; without it, whether that changed is not judged.
    :param components: the components that exist.
    :raises StackError: with every violation.
    """
    problems = Problems()
    if stack is None:
        raise StackError(
            ["stack: is not set for this host. Describe it in the inventory; inventories/prod has an example."]
        )
    read = schema.stack(components)(to_plain(stack), "stack", problems)
    read_models = schema.models(to_plain(models or {}), "models", problems)
    read_lock = schema.lock(to_plain(lock or {}), "models_lock", problems)
    names = [str(to_plain(name)) for name in secrets]
    assigned = assign_host_ports(read)

    rules.check_services(read, problems)
    rules.check_references(read, read_models, names, components, problems)
    rules.check_secrets(read, names, components, problems)
    rules.check_cycles(read, problems)
    rules.check_routes(read, problems)
    rules.check_ports(read, assigned, problems)
    rules.check_publish(read, problems)
    replicas.check(read, problems)
    rules.check_tls(read, problems)
    check_golden(read, problems)
    around.check_around(read, problems)
    policy.check_environment(read, problems)
    policy.check_users(read, problems)
    policy.check_images(read, problems)
    check_lock_names(read_models, read_lock, problems)
    resolved = resolve_models(read_models, read_lock, problems, trusted=trusted)
    if host is not None:
        units = {**read["services"], **read["components"]}
        for path, message in capacity_problems(totals(units), read["capacity"], host):
            problems.add(path, message)
    if problems:
        raise StackError(problems.lines())
    return derive(read, resolved, components, assigned)
