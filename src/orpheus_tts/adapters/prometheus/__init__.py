"""Metrics for Prometheus: what the server, its workers and its engine do, and what its processes take."""

from orpheus_tts.adapters.prometheus.decoder import measure_batches
from orpheus_tts.adapters.prometheus.engine import measured_generator
from orpheus_tts.adapters.prometheus.server import PrometheusMetrics
from orpheus_tts.adapters.prometheus.speech import PrometheusObserver

__all__ = ["PrometheusMetrics", "PrometheusObserver", "measure_batches", "measured_generator"]
