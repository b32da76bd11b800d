"""The life cycle that KWOK plays: no chance in it, and nothing ends that does not say so."""

from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from sandbox import kwok

OWN = {path.stem: yaml.safe_load(path.read_text()) for path in kwok.OWN_STAGES.glob("*.yaml")}

PUBLISHED_READY: dict[str, Any] = {  # raw Kubernetes JSON
    "metadata": {"name": "pod-ready"},
    "spec": {
        "selector": {"matchExpressions": [{"key": ".status.phase", "operator": "In", "values": ["Pending"]}]},
        "delay": {
            "durationMilliseconds": 1000,
            "durationFrom": {"expressionFrom": '.metadata.annotations["pod-ready.stage.kwok.x-k8s.io/delay"]'},
            "jitterDurationMilliseconds": 5000,
            "jitterDurationFrom": {"expressionFrom": "any"},
        },
        "next": {"statusTemplate": "phase: Running"},
    },
}


def test_a_step_takes_exactly_its_time_unless_the_pod_says_otherwise():
    stage = kwok.adapt_stage(PUBLISHED_READY)
    assert stage["spec"]["delay"] == {
        "durationMilliseconds": kwok.STEP_MILLISECONDS["pod-ready"],
        "durationFrom": {"expressionFrom": f'.metadata.annotations["{kwok.READY_AFTER}"]'},
    }
    assert stage["spec"]["next"] == PUBLISHED_READY["spec"]["next"]


def test_a_stuck_pod_never_becomes_ready():
    conditions = kwok.adapt_stage(PUBLISHED_READY)["spec"]["selector"]["matchExpressions"]
    assert {"key": f'.metadata.annotations["{kwok.STUCK_REASON}"]', "operator": "DoesNotExist"} in conditions


def test_adapting_does_not_change_the_published_stage():
    kwok.adapt_stage(PUBLISHED_READY)
    assert len(PUBLISHED_READY["spec"]["selector"]["matchExpressions"]) == 1


@pytest.mark.parametrize(("name", "annotation"), [("pod-complete", kwok.COMPLETE_AFTER), ("pod-fail", kwok.FAIL_AFTER)])
def test_pods_end_by_annotation_only_and_on_time(name, annotation):
    stage = OWN[name]
    key = f'.metadata.annotations["{annotation}"]'
    assert {"key": key, "operator": "Exists"} in stage["spec"]["selector"]["matchExpressions"]
    delay = stage["spec"]["delay"]
    assert delay["durationFrom"] == {"expressionFrom": key}
    assert not [field for field in delay if "jitter" in field.lower()]


def test_a_pod_with_both_annotations_fails():
    assert OWN["pod-fail"]["spec"]["weight"] > 1000 * OWN["pod-complete"]["spec"]["weight"]


def test_the_file_of_a_stage_has_its_name():
    assert {name: stage["metadata"]["name"] for name, stage in OWN.items()} == {name: name for name in OWN}


def test_the_configuration_holds_every_stage_and_the_logs(tmp_path):
    text = kwok.build_configuration(stages=OWN.values(), log_file=tmp_path / "container.log")
    documents = list(yaml.safe_load_all(text))
    assert [item["kind"] for item in documents] == ["Stage"] * len(OWN) + ["ClusterLogs"]
    assert documents[-1]["spec"]["logs"][0]["logsFile"] == str(tmp_path / "container.log")


def test_the_training_log_is_in_cri_form_and_ends_now():
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
    lines = kwok.build_training_log(now=now).splitlines()
    first, last = lines[0].split(" ", 3), lines[-1].split(" ", 3)
    assert first[1:] == ["stdout", "F", "loading checkpoint"]
    assert first[0] < last[0] == "2026-11-22T11:59:50.000000000Z"
    assert any("loss" in line for line in lines)
