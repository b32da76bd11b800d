"""Every PromQL text against the golden file: a change of a query shows up as a diff to be read."""

from __future__ import annotations

from monitoring import promql
from monitoring.promql import Query, Scheme
from tests.golden.comparing import assert_golden

HOSTS_ARE_PODS = Scheme(hosts_are_pods=True)


def list_queries() -> list[tuple[str, Query]]:
    """Every query, with examples of its arguments; one of them also for exporters that name their pod as the host."""
    some = ["team-a", "team-b.v2"]
    return [
        ("", promql.device_readings()),
        ("hosts are pods", promql.device_readings(HOSTS_ARE_PODS)),
        ("", promql.device_conditions()),
        ("", promql.device_holders()),
        ("two namespaces", promql.device_holders(namespaces=some)),
        ("", promql.device_recent_xids()),
        ("", promql.cluster_allocation()),
        ("", promql.cluster_history()),
        ("", promql.node_usage()),
        ("", promql.node_problems()),
        ("", promql.free_card_histogram()),
        ("node-a", promql.node_history("node-a")),
        ("node-a, hosts are pods", promql.node_history("node-a", HOSTS_ARE_PODS)),
        ("", promql.idle_evidence()),
        ("two namespaces", promql.idle_evidence(namespaces=some)),
        ("", promql.namespace_history()),
        ("two namespaces", promql.namespace_history(namespaces=some)),
        ("no namespace", promql.namespace_history(namespaces=[])),
        ("two pods", promql.pods_history("team-a", ["train-0", "train-1"])),
        ("two queues", promql.queue_history(["root-nlp", "root-vision"], "nvidia.com/gpu")),
        ("", promql.source_survey()),
    ]


def render() -> str:
    parts = [f"# {query.name}{f' ({remark})' if remark else ''}\n{query.text}\n" for remark, query in list_queries()]
    return "\n".join(parts)


def test_queries_are_those_of_the_golden_file() -> None:
    assert_golden("promql.txt", render())


def test_every_query_of_the_module_is_in_the_golden_file() -> None:
    names = {
        name
        for name, value in vars(promql).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__annotations__", {}).get("return") == "Query"
    }
    assert names == {query.name for _, query in list_queries()}
