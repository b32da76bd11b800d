"""What the survey of a source is taken to mean."""

from __future__ import annotations

from monitoring.domain.sources import Exporter, PodLabels, judge_survey, read_detected

DCGM = {
    "dcgm": 400,
    "host_old": 400,
    "pods_honoured": 300,
    "util": 400,
    "xid": 400,
    "pod_requests": 9,
    "kueue": 4,
    "kueue_resources": 4,
}


def test_a_whole_source_has_no_gaps() -> None:
    detected = judge_survey(DCGM, version="3.16.0")
    assert (detected.exporter, detected.host_label, detected.pod_labels) == (
        Exporter.DCGM,
        "Hostname",
        PodLabels.HONOURED,
    )
    assert detected.gaps == ()


def test_two_exporters_of_different_age_are_both_understood() -> None:
    detected = judge_survey({**DCGM, "host_new": 8, "pods_exported": 8}, version="")
    assert (detected.host_label, detected.pod_labels) == ("Hostname, hostname", PodLabels.MIXED)


def test_every_missing_part_is_named_with_its_cost() -> None:
    bare = judge_survey({}, version="2.42.0")
    assert bare.exporter == Exporter.NONE
    assert [gap.split(":")[0] for gap in bare.gaps] == [
        "No GPU exporter",
        "No kube-state-metrics",
        "No metrics of Kueue",
    ]
    poor = judge_survey({"dcgm": 1, "pod_requests": 1, "kueue": 1}, version="")
    assert len(poor.gaps) == 4


def test_another_exporter_is_named() -> None:
    assert judge_survey({"hami": 3}, version="").exporter == Exporter.HAMI
    assert judge_survey({"ack": 3}, version="").exporter == Exporter.ACK


def test_what_is_stored_is_read_back_and_unknown_fields_are_left_out() -> None:
    detected = judge_survey(DCGM, version="3.16.0")
    assert read_detected({**detected.to_json(), "from_the_future": 1}) == detected
    assert read_detected({}) is None
