# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of a run, and who seeds whom."""

from __future__ import annotations

import ssl
import stat
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.module_utils.basic import heuristic_log_sanitize
from ansible_collections.drydock.serving.plugins.filter.seed_peers import seed_peers
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._seed.client import SERVER_NAME
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import parse_seed
from ansible_collections.drydock.serving.plugins.plugin_utils import _model_seed
from ansible_collections.drydock.serving.plugins.plugin_utils._model_seed import session
from cryptography import x509

GIVEN: dict[str, Any] = {
    "listen": 18480,
    "name": "one",
    "peers": [{"name": "one", "address": "192.0.2.1"}, {"name": "two", "address": "192.0.2.2"}],
}


def test_all_hosts_of_a_group_get_the_same_secrets_from_whoever_is_first(tmp_path: Path) -> None:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(session({**GIVEN, "name": "x"}, local_tmp=str(tmp_path))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(made == found[0] for made in found)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o600]


def test_what_is_made_is_what_the_module_takes(tmp_path: Path) -> None:
    made = session(GIVEN, local_tmp=str(tmp_path))
    assert made is not None
    config = parse_seed(made)
    assert (config.name, config.listen, len(config.token)) == ("one", 18480, 64)
    ssl.PEM_cert_to_DER_cert(config.certificate)


def test_another_group_of_the_run_and_another_run_have_other_secrets(tmp_path: Path) -> None:
    others = {**GIVEN, "peers": [*GIVEN["peers"], {"name": "three", "address": "192.0.2.3"}]}
    (tmp_path / "next").mkdir()
    made = [session(GIVEN, local_tmp=str(tmp_path)), session(others, local_tmp=str(tmp_path))]
    made.append(session(GIVEN, local_tmp=str(tmp_path / "next")))
    assert len({(each or {})["token"] for each in made}) == 3
    assert len({(each or {})["key"] for each in made}) == 3


def test_the_certificate_holds_for_days_and_for_one_name_that_exists_nowhere(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, tzinfo=timezone.utc)
    made = session(GIVEN, local_tmp=str(tmp_path), now=lambda: now)
    certificate = x509.load_pem_x509_certificate((made or {})["certificate"].encode())
    assert certificate.not_valid_before_utc < now
    assert timedelta(days=1) < certificate.not_valid_after_utc - now < timedelta(days=30)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [SERVER_NAME] == [_model_seed.SERVER_NAME]


def test_ansible_knows_the_secrets_again_wherever_it_writes_arguments_down(tmp_path: Path) -> None:
    made = session(GIVEN, local_tmp=str(tmp_path)) or {}
    hidden = {made["token"], made["key"]}
    written = heuristic_log_sanitize(str({"seed": made}), hidden)
    assert not any(secret in written for secret in hidden)
    assert not any(made["key"][at : at + 20] in written for at in range(0, len(made["key"]) - 20, 20))


def test_a_group_of_one_has_nobody_to_seed(tmp_path: Path) -> None:
    assert session({**GIVEN, "peers": GIVEN["peers"][:1]}, local_tmp=str(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", ["yes", {}, {"peers": "one"}])
def test_what_is_no_group_is_refused(seed: Any, tmp_path: Path) -> None:
    with pytest.raises(DrydockError, match="expected a dictionary"):
        session(seed, local_tmp=str(tmp_path))


HOSTVARS = {
    "one": {"model_store_seed": True, "ansible_host": "192.0.2.1"},
    "two": {"model_store_seed": "yes", "ansible_host": "two.example.org", "model_store_seed_address": "192.0.2.2"},
    "three": {"ansible_host": "192.0.2.3"},
    "four": {"model_store_seed": "false", "ansible_host": "192.0.2.4"},
    "five": {"model_store_seed": True},
}


def test_peers_are_the_hosts_that_seed_in_the_order_given() -> None:
    assert seed_peers(list(HOSTVARS), HOSTVARS) == [
        {"name": "one", "address": "192.0.2.1"},
        {"name": "two", "address": "192.0.2.2"},
        {"name": "five", "address": "five"},
    ]
    assert [peer["name"] for peer in seed_peers(list(HOSTVARS), HOSTVARS, without="two")] == ["one", "five"]


def test_a_name_that_a_firewall_cannot_use_is_refused_with_a_next_step() -> None:
    assert seed_peers(["one", "two"], HOSTVARS, numeric=True)
    with pytest.raises(AnsibleFilterError, match="Next step: set model_store_seed_address of five"):
        seed_peers(list(HOSTVARS), HOSTVARS, numeric=True)
