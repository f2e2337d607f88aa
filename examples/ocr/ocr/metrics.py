# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus may ask."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One service's numbers, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "ocr_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "ocr_http_request_seconds", "Time to answer.", ["route"], buckets=SECONDS, registry=self.registry
        )
        self.inference_seconds = Histogram(
            "ocr_inference_seconds", "Time to read one picture.", buckets=SECONDS, registry=self.registry
        )
        self.lines = Counter("ocr_lines", "Lines of text read.", registry=self.registry)
        self.refused = Counter("ocr_refused", "Requests not served, by kind.", ["kind"], registry=self.registry)
        self.waiting = Gauge("ocr_waiting", "Pictures in reading or waiting for it.", registry=self.registry)
        self.ready = Gauge("ocr_ready", "1 while the service is ready.", registry=self.registry)
        self.queue_length = Gauge(
            "ocr_queue_length", "Jobs waiting for a worker; absent values are -1.", registry=self.registry
        )
        self.model = Gauge("ocr_model_info", "The model that reads.", ["name", "version"], registry=self.registry)

    def text(self) -> bytes:
        """The numbers in Prometheus' text format."""
        return generate_latest(self.registry)
