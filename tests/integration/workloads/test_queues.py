"""Who waits, per queue, while the observer goes on writing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from clusters.models import WorkloadState
from tests.factories.clusters import make_cluster, make_workload
from tests.factories.people import make_admin
from workloads.queues import list_waiting_queues


@pytest.mark.django_db
def test_work_that_comes_between_two_queries_waits_for_the_next_look():
    cluster, admin = make_cluster(), make_admin()
    make_workload(cluster, "first", namespace="alpha", state=WorkloadState.PENDING)
    late: list[str] = []

    def add_after_the_sums(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        answer = execute(sql, *rest)
        if "SUM(" in sql and not late:
            late.append("second")
            make_workload(cluster, "second", namespace="beta", state=WorkloadState.PENDING)
        return answer

    with connection.execute_wrapper(add_after_the_sums):
        assert [queue.head.namespace for queue in list_waiting_queues(viewer=admin, cluster=cluster)] == ["alpha"]
    seen = list_waiting_queues(viewer=admin, cluster=cluster)
    assert late
    assert sum(queue.workloads for queue in seen) == 2
