# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_poll's own HTTP/2 against the servers of grpcio, in the clear and in TLS."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.integration.health_targets import NAME, Certificate, free_port, health_poll, make_certificate

Status = health_pb2.HealthCheckResponse.ServingStatus


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), days=10.5)


@pytest.fixture(scope="module")
def ports(certificate: Certificate) -> Iterator[dict[str, int]]:
    """A server with the health service, in the clear and in TLS, and one without it."""
    service = health.HealthServicer()
    for name, status in (("", Status.SERVING), ("llm", Status.SERVING), ("cold", Status.NOT_SERVING)):
        service.set(name, status)
    full = grpc.server(futures.ThreadPoolExecutor(4))
    health_pb2_grpc.add_HealthServicer_to_server(service, full)
    keys = grpc.ssl_server_credentials([(certificate.key.read_bytes(), certificate.certificate.read_bytes())])
    bare = grpc.server(futures.ThreadPoolExecutor(1))
    found = {
        "plain": full.add_insecure_port("127.0.0.1:0"),
        "tls": full.add_secure_port("127.0.0.1:0", keys),
        "bare": bare.add_insecure_port("127.0.0.1:0"),
    }
    full.start()
    bare.start()
    yield found
    full.stop(None)
    bare.stop(None)


def ask(port: int, **more: Any) -> dict[str, Any]:
    """The last observation of one target."""
    result = health_poll({"name": "api", "type": "grpc", "port": port, **more}, timeout=0.5)
    return dict(result["targets"][0]["last"])


@pytest.mark.parametrize(
    ("service", "ok", "words"),
    [
        (None, True, "SERVING"),
        ("llm", True, "SERVING"),
        ("cold", False, "NOT_SERVING"),
        ("absent", False, "NOT_FOUND: it does not know this service"),
    ],
)
def test_serving_not_serving_and_unknown_are_told_apart(
    ports: dict[str, int], service: str | None, ok: bool, words: str
) -> None:
    seen = ask(ports["plain"], service=service)
    assert (seen["ok"], seen["summary"]) == (ok, f"127.0.0.1:{ports['plain']}: {words}")


def test_a_server_without_the_health_service_is_told_as_one(ports: dict[str, int]) -> None:
    seen = ask(ports["bare"])
    assert seen["summary"].endswith("UNIMPLEMENTED: it has no grpc.health.v1.Health")
    assert seen["grpc_status"] == "UNIMPLEMENTED"


def test_in_tls_the_certificate_is_verified_and_its_days_are_told(
    ports: dict[str, int], certificate: Certificate
) -> None:
    seen = ask(ports["tls"], tls=True, ca_path=str(certificate.certificate), server_name=NAME, service="llm")
    assert (seen["ok"], seen["certificate_days"]) == (True, 10)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"server_name": NAME, "certificate_days": 11}, "the certificate is good for 10 more days"),
        ({"server_name": "other.drydock.test"}, "TLS certificate refused: Hostname mismatch"),
        ({"server_name": NAME, "ca_path": None}, "TLS certificate refused"),
    ],
)
def test_a_certificate_that_is_not_as_wanted_is_refused(
    ports: dict[str, int], certificate: Certificate, more: dict[str, Any], words: str
) -> None:
    seen = ask(ports["tls"], **{"tls": True, "ca_path": str(certificate.certificate), **more})
    assert not seen["ok"]
    assert words in seen["summary"]


def test_a_port_for_something_else_is_told(ports: dict[str, int], tmp_path: Path) -> None:
    assert "TLS failed" in ask(ports["plain"], tls=True)["summary"]
    assert not ask(ports["tls"])["ok"]
    assert "connection refused" in ask(free_port())["summary"]
