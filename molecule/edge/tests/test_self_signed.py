# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate that the host makes for itself: when it is made anew, and what stays when it is."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from testinfra.host import Host

CERTIFICATE = "/etc/drydock/edge/self-signed.crt"
KEY = "/etc/drydock/edge/self-signed.key"

# The same certificate in everything but its end, so that nothing else can be the reason to renew.
SHORTEN = """
import datetime
import sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

certificate, key, days = sys.argv[1:]
old = x509.load_pem_x509_certificate(open(certificate, "rb").read())
private = serialization.load_pem_private_key(open(key, "rb").read(), password=None)
new = x509.CertificateBuilder().subject_name(old.subject).issuer_name(old.issuer).public_key(old.public_key())
new = new.serial_number(old.serial_number).not_valid_before(old.not_valid_before)
new = new.not_valid_after(datetime.datetime.utcnow() + datetime.timedelta(days=int(days)))
for extension in old.extensions:
    new = new.add_extension(extension.value, critical=extension.critical)
open(certificate, "wb").write(new.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
"""


def converge() -> None:
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"--inventory={inventory}"]
    result = subprocess.run(
        [*command, str(scenario / "converge.yml")], check=False, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("days", "renewed"), [(31, False), (29, True)])
def test_it_is_made_anew_in_its_last_thirty_days_and_keeps_its_key(host: Host, days: int, renewed: bool) -> None:
    host.check_output(f"python3 -W ignore -c {shlex.quote(SHORTEN)} {CERTIFICATE} {KEY} {days}")
    certificate, key = host.file(CERTIFICATE).content_string, host.file(KEY).content_string
    converge()
    assert (host.file(CERTIFICATE).content_string != certificate) is renewed
    assert host.file(KEY).content_string == key


@pytest.mark.parametrize("path", [CERTIFICATE, KEY])
def test_a_broken_file_of_the_pair_is_replaced_and_the_pair_fits_again(host: Host, path: str) -> None:
    host.check_output(f"echo broken > {path}")
    converge()
    host.check_output("nginx -t")
    assert host.file(KEY).mode == 0o600
