# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: the lab, one deploy with site.yml, and a picture read by the deployed model through TLS."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.checkout import Checkout
from lab.errors import LabError
from lab.outside import ask

PICTURE = Path("examples") / "ocr" / "sample.png"


@dataclass(frozen=True)
class Deployed:
    """Where the deployed service answers."""

    host: str
    address: str
    domain: str
    ca: Path


def deploy(checkout: Checkout) -> None:
    """Run the operator's own command against the lab's inventory, its output as it is."""
    playbook = Path(sys.executable).with_name("ansible-playbook")
    code = subprocess.run(
        [str(playbook), "site.yml", "-i", "inventories/lab"], cwd=checkout.root, check=False
    ).returncode
    if code != 0:
        raise LabError(
            f"site.yml ended with exit status {code}; the last failed task above says why. Mend it, then: make demo"
        )


def read_picture(checkout: Checkout, deployed: Deployed) -> dict[str, Any]:
    """Post the sample picture and return the service's answer."""
    picture = (checkout.root / PICTURE).read_bytes()
    try:
        answer = ask(
            deployed.domain,
            "/v1/read",
            address=deployed.address,
            ca=deployed.ca,
            body=picture,
            content_type="image/png",
        )
    except OSError as exc:
        raise LabError(f"https://{deployed.domain}/v1/read on {deployed.address} did not answer: {exc}.") from exc
    if answer.status != 200:
        raise LabError(
            f"POST /v1/read answered {answer.status} instead of 200: {answer.body[:500].decode(errors='replace')}"
        )
    result: dict[str, Any] = json.loads(answer.body)
    return result


def show(deployed: Deployed, answer: dict[str, Any], phases: dict[str, float]) -> None:
    """Print what was read, where to look, and where the time went."""
    url = f"https://{deployed.domain}"
    curl = f"curl --cacert {deployed.ca} --resolve {deployed.domain}:443:{deployed.address}"
    model = answer.get("model", {})
    lines = [
        "",
        f"The model {model.get('name')} {model.get('version')} read {PICTURE} through {url} (TLS verified):",
        "",
        *(f"    {line}" for line in str(answer["text"]).splitlines()),
        "",
        "Look around:",
        f"    {curl} {url}/health",
        f"    {curl} --data-binary @{PICTURE} -H 'Content-Type: image/png' {url}/v1/read",
        f"    ssh: .venv/bin/python -m lab ssh {deployed.host}",
        "    again: make demo          away: make demo-down",
        "",
        *(f"    {name:<28}{seconds:6.0f} s" for name, seconds in phases.items()),
        f"    {'in all':<28}{sum(phases.values()):6.0f} s",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def demo(checkout: Checkout, *, bring_up: Callable[[], Deployed], setup_seconds: float) -> None:
    """The whole demonstration.

    :param bring_up: makes sure the lab is up and says where its host answers.
    :param setup_seconds: how long making the Python environment took, for the table.
    """
    phases = {"Python environment": setup_seconds}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        started = time.monotonic()
        result = work()
        phases[name] = time.monotonic() - started
        return result

    deployed: Deployed = timed("engine, lab, images", bring_up)
    timed("site.yml", lambda: deploy(checkout))
    answer = timed("picture read through TLS", lambda: read_picture(checkout, deployed))
    show(deployed, answer, phases)
