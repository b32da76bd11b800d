"""Who holds GPUs without using them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitoring.domain.gpus import IdleClass, PodRef
from monitoring.domain.idle import DeviceEvidence, HolderFacts, judge_idle
from monitoring.domain.thresholds import Thresholds

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MIB = 1048576
POD = PodRef(namespace="team-b", pod="notebook-0")
EVIDENCE = DeviceEvidence(
    pod=POD, node="node-b", uuid="GPU-b0", mig_instance="", peak_percent=0.0, samples=60, memory_used_bytes=10000 * MIB
)
HOLDER = HolderFacts(pod=POD, node="node-b", gpus=1, started_at=NOW - timedelta(hours=3))


@pytest.mark.parametrize(
    ("change", "is_idle"),
    [
        ({}, True),
        ({"peak_percent": 0.99}, True),
        ({"peak_percent": 1.0}, False),
        ({"samples": 54}, True),
        ({"samples": 53}, False),
        ({"peak_percent": None}, False),
    ],
)
def test_a_gpu_is_idle_when_its_peak_is_low_and_its_samples_are_there(change: dict[str, object], is_idle: bool) -> None:
    report = judge_idle([replace(EVIDENCE, **change)], holders={POD: HOLDER}, now=NOW)  # type: ignore[arg-type]  # by field name
    assert bool(report.pods) == is_idle


@pytest.mark.parametrize(
    ("mib", "idle_class"), [(499, IdleClass.IDLE_EMPTY), (500, IdleClass.IDLE_HELD), (None, IdleClass.IDLE_EMPTY)]
)
def test_kept_memory_tells_held_from_empty(mib: int | None, idle_class: IdleClass) -> None:
    evidence = replace(EVIDENCE, memory_used_bytes=None if mib is None else mib * MIB)
    (pod,) = judge_idle([evidence], holders={POD: HOLDER}, now=NOW).pods
    assert pod.idle_class == idle_class


def test_a_pod_younger_than_the_window_is_not_judged() -> None:
    young = replace(HOLDER, started_at=NOW - timedelta(minutes=60))
    assert judge_idle([EVIDENCE], holders={POD: young}, now=NOW).pods == ()


def test_a_pod_that_is_gone_is_not_reported() -> None:
    report = judge_idle([EVIDENCE], holders={}, now=NOW)
    assert (report.pods, report.devices) == ((), frozenset())


def test_a_pod_without_series_has_no_telemetry_and_is_not_idle() -> None:
    (pod,) = judge_idle([], holders={POD: replace(HOLDER, gpus=4)}, now=NOW).pods
    assert (pod.idle_class, pod.idle_gpus, pod.gpus, pod.is_wholly_idle) == (IdleClass.NO_TELEMETRY, 0, 4, False)
    assert pod.peak_ratio is None


def test_k_of_n_idle_is_reported_and_the_pod_is_not_wholly_idle() -> None:
    busy = replace(EVIDENCE, uuid="GPU-b1", peak_percent=90.0)
    report = judge_idle([EVIDENCE, busy], holders={POD: replace(HOLDER, gpus=2)}, now=NOW)
    (pod,) = report.pods
    assert (pod.idle_gpus, pod.gpus, pod.is_wholly_idle, pod.peak_ratio) == (1, 2, False, 0.9)
    assert report.devices == {("GPU-b0", "")}


def test_the_needed_samples_scale_with_the_step() -> None:
    assert Thresholds().idle_samples == 54
    assert Thresholds(idle_step_seconds=30).idle_samples == 108
