"""Metrics as Prometheus reads them."""

from __future__ import annotations

import re

from esm_emulator.report.metrics import Metrics
from esm_emulator.report.prometheus import to_prometheus
from tests.report.history import History, T

SAMPLE = re.compile(r'esm_(queue|function|mapping)_[a-z0-9_]+\{\1="(\\.|[^"\\])*"\} -?[0-9.e+-]+')


def page(history, at=0):
    metrics = Metrics.of(history)
    metrics.advance(T + at)
    return to_prometheus(metrics)


def test_sums_are_counters_and_counts_are_gauges():
    text = page(History().sent(0, "a").sent(0, "b"))
    assert "# TYPE esm_queue_number_of_messages_sent_total counter\n" in text
    assert 'esm_queue_number_of_messages_sent_total{queue="Orders"} 2\n' in text
    assert "# TYPE esm_queue_messages gauge\n" in text
    assert 'esm_queue_messages{queue="Orders"} 2\n' in text


def test_of_what_varies_there_is_the_value_of_now_and_the_maximum():
    text = page(History().pollers(0, 9).pollers(1, 4).invoked(1, 1, "a").invoked(2, 2, "b").ended(3, 1, "a"))
    assert 'esm_mapping_pollers{mapping="Trigger"} 4\n' in text
    assert 'esm_mapping_pollers_max{mapping="Trigger"} 9\n' in text
    assert 'esm_function_concurrent_executions{function="Worker"} 1\n' in text
    assert 'esm_function_concurrent_executions_max{function="Worker"} 2\n' in text


def test_the_age_of_the_oldest_is_in_seconds():
    text = page(History().sent(0, "a"), at=2_500)
    assert 'esm_queue_approximate_age_of_oldest_message{queue="Orders"} 2.5\n' in text


def test_every_line_is_in_the_format():
    lines = page(
        History().sent(0, "a").pollers(0, 3).invoked(0, 1, "a").ended(5, 1, "a", duration_ms=1e-7)
    ).splitlines()
    for line in lines:
        assert line.startswith(("# HELP esm_", "# TYPE esm_")) or SAMPLE.fullmatch(line), line
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_labels_are_escaped():
    text = page(History().sent(0, "a", queue='odd"\\name\n'))
    assert 'esm_queue_messages{queue="odd\\"\\\\name\\n"} 1' in text
