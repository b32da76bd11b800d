"""Who sees which work, how it is narrowed and ordered, and what stands next to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster, ObservedWorkload, WorkloadState
from quotas.models import QuotaNode
from tests.factories.clusters import make_cluster, make_node, make_pod, make_queue, make_workload
from tests.factories.people import make_admin, make_group, make_user
from tests.factories.quotas import get_root, make_quota, make_tree
from workloads import selectors
from workloads.domain.explain import Cause
from workloads.domain.views import Step
from workloads.errors import WorkloadMissingError, WorkloadQueryError

pytestmark = pytest.mark.django_db

GPU = "nvidia.com/gpu"


class Organisation:
    """Two teams under research, each with a namespace; rita is in vision, nina in nlp, otto in neither."""

    def __init__(self) -> None:
        self.admin, self.rita, self.nina, self.otto = (
            make_admin(),
            make_user("rita"),
            make_user("nina"),
            make_user("otto"),
        )
        self.cluster: Cluster = make_cluster(schedulable_capacity={GPU: 40})
        root = get_root(make_tree(self.cluster, "root", gpus=40))
        self.research = make_quota(root, "research", min_gpus=16, max_gpus=40)
        self.vision = self._leaf("vision", self.rita, min_gpus=8, max_gpus=16)
        self.nlp = self._leaf("nlp", self.nina, min_gpus=8, max_gpus=None)

    def _leaf(self, name: str, member: User, *, min_gpus: int, max_gpus: int | None) -> QuotaNode:
        group = make_group(f"{name}-team", members=(member,))
        return make_quota(
            self.research, name, min_gpus=min_gpus, max_gpus=max_gpus, group=group, namespaces=(f"{name}-train",)
        )

    def use(self, leaf: QuotaNode, gpus: int) -> None:
        make_queue(self.cluster, leaf.queue_name, usage={GPU: gpus}, reserved={GPU: gpus})

    def work(self, name: str, namespace: str = "vision-train", **fields: object) -> ObservedWorkload:
        return make_workload(self.cluster, name, namespace=namespace, **fields)  # type: ignore[arg-type]  # by field name


@pytest.fixture
def organisation() -> Organisation:
    return Organisation()


def names(viewer: User, **filters: object) -> list[str]:
    return [row.owner_name for row in selectors.list_workloads(viewer=viewer, ordering="name", **filters)]  # type: ignore[arg-type]  # by name


# --- who sees what -----------------------------------------------------------------------------------------------------------


def test_a_researcher_sees_the_namespaces_of_their_groups_only(organisation: Organisation) -> None:
    organisation.work("mine")
    organisation.work("theirs", "nlp-train")
    organisation.work("nobodys", "kube-system")
    other = make_cluster("prod-b")
    make_workload(other, "elsewhere", namespace="vision-train")
    assert names(organisation.admin) == ["elsewhere", "mine", "nobodys", "theirs"]
    assert names(organisation.rita) == ["mine"], "a namespace of the same name on another cluster is another namespace"
    assert names(organisation.otto) == []


def test_what_one_may_not_see_does_not_exist(organisation: Organisation) -> None:
    theirs = organisation.work("theirs", "nlp-train")
    with pytest.raises(WorkloadMissingError):
        selectors.get_workload(viewer=organisation.rita, uid=theirs.uid)
    assert selectors.get_workload(viewer=organisation.nina, uid=theirs.uid).row.name == "theirs"


def test_counts_are_those_of_the_viewer_and_name_every_state(organisation: Organisation) -> None:
    organisation.work("a", state=WorkloadState.PENDING)
    organisation.work("b", state=WorkloadState.PENDING)
    organisation.work("c", "nlp-train", state=WorkloadState.FAILED)
    counts = selectors.count_by_state(viewer=organisation.rita, cluster=organisation.cluster)
    assert counts[WorkloadState.PENDING] == 2
    assert counts[WorkloadState.FAILED] == 0
    assert set(counts) == set(WorkloadState)


# --- narrowing and order -----------------------------------------------------------------------------------------------------


def test_work_is_narrowed_by_what_is_given(organisation: Organisation) -> None:
    organisation.work("bert", state=WorkloadState.PENDING, gpus=8, submitted_by="rita")
    organisation.work("resnet", gpus=0)
    organisation.work("gpt", "nlp-train", gpus=4)
    admin = organisation.admin
    assert names(admin, state="pending") == ["bert"]
    assert names(admin, state=["pending", "admitted"]) == ["bert", "gpt", "resnet"]
    assert names(admin, namespace="nlp-train") == ["gpt"]
    assert names(admin, user="rita") == ["bert"]
    assert names(admin, has_gpu=False) == ["resnet"]
    assert names(admin, search="RES") == ["resnet"]
    assert names(admin, search="nlp") == ["gpt"]
    assert names(admin, cluster=make_cluster("empty")) == []


def test_an_inner_queue_stands_for_all_its_leaves(organisation: Organisation) -> None:
    organisation.work("bert", cluster_queue="")
    organisation.work("gpt", "nlp-train", cluster_queue="")
    organisation.work("other", "kube-system", cluster_queue="")
    assert names(organisation.admin, queue=organisation.research.queue_name) == ["bert", "gpt"]
    assert names(organisation.admin, queue=organisation.vision.queue_name) == ["bert"]
    assert names(organisation.rita, queue=organisation.research.queue_name) == ["bert"]
    assert names(organisation.admin, queue="no-such-queue") == []


@pytest.mark.parametrize(
    "call",
    [
        lambda viewer: selectors.list_workloads(viewer=viewer, state="dreaming"),
        lambda viewer: selectors.list_workloads(viewer=viewer, ordering="password"),
        lambda viewer: selectors.list_workloads(viewer=viewer, ordering="--name"),
    ],
)
def test_unknown_states_and_orderings_are_refused_with_the_choices(
    organisation: Organisation, call: Callable[[User], object]
) -> None:
    with pytest.raises(WorkloadQueryError, match="choose from"):
        call(organisation.admin)


def test_work_is_ordered_both_ways(organisation: Organisation) -> None:
    organisation.work("small", gpus=1)
    organisation.work("large", gpus=8)
    ordered = [
        [row.owner_name for row in selectors.list_workloads(viewer=organisation.admin, ordering=ordering)]
        for ordering in ("gpu_request", "-gpu_request")
    ]
    assert ordered == [["small", "large"], ["large", "small"]]


# --- rows --------------------------------------------------------------------------------------------------------------------


def test_a_row_joins_its_pods_its_leaf_and_its_place(organisation: Organisation) -> None:
    work = organisation.work("bert")
    make_pod(organisation.cluster, "bert-0", namespace="vision-train", node="node-1", owner_uid=work.owner_uid)
    make_pod(organisation.cluster, "bert-1", namespace="vision-train", node="node-2", owner_uid=work.owner_uid)
    make_pod(
        organisation.cluster, "bert-2", namespace="vision-train", node="", phase="Pending", owner_uid=work.owner_uid
    )
    make_pod(organisation.cluster, "other-0", namespace="vision-train", node="node-3", owner_uid="another")
    (row,) = selectors.build_rows(selectors.list_workloads(viewer=organisation.admin))
    assert (row.name, row.kind, row.pods.running, row.pods.pending, row.nodes) == (
        "bert",
        "Job",
        2,
        1,
        ("node-1", "node-2"),
    )
    assert row.leaf is not None
    assert row.leaf.path == "root.research.vision"
    assert row.position is None
    assert row.wait_seconds == pytest.approx(300)


def test_the_workload_of_a_bare_pod_counts_that_pod(organisation: Organisation) -> None:
    pod = make_pod(organisation.cluster, "notebook", namespace="vision-train", owner_kind="", owner_name="")
    organisation.work("notebook", owner_kind="Pod", owner_uid=pod.uid)
    (row,) = selectors.build_rows(selectors.list_workloads(viewer=organisation.admin))
    assert row.pods.running == 1


def test_places_follow_priority_and_then_time_within_one_leaf(organisation: Organisation) -> None:
    waiting = {"state": WorkloadState.PENDING}
    organisation.work("early", since=timedelta(minutes=30), **waiting)
    organisation.work("late", since=timedelta(minutes=5), **waiting)
    organisation.work("urgent", since=timedelta(minutes=1), priority=100, **waiting)
    organisation.work("again", since=timedelta(minutes=20), state=WorkloadState.EVICTED)
    organisation.work("elsewhere", "nlp-train", since=timedelta(hours=3), **waiting)
    rows = selectors.build_rows(selectors.list_workloads(viewer=organisation.admin))
    assert {row.name: row.position for row in rows} == {"urgent": 1, "early": 2, "again": 3, "late": 4, "elsewhere": 1}


def test_the_place_counts_work_beyond_the_page(organisation: Organisation) -> None:
    for index in range(4):
        organisation.work(f"job-{index}", since=timedelta(minutes=10 - index), state=WorkloadState.PENDING)
    page = selectors.list_workloads(viewer=organisation.admin, ordering="name")[3:]
    assert [row.position for row in selectors.build_rows(page)] == [4]


@pytest.mark.parametrize("function", ["rows", "explanations"])
def test_the_number_of_queries_does_not_grow_with_the_page(organisation: Organisation, function: str) -> None:
    def count(size: int) -> int:
        page = list(selectors.list_workloads(viewer=organisation.admin)[:size])
        with CaptureQueriesContext(connection) as captured:
            if function == "rows":
                selectors.build_rows(page)
            else:
                selectors.explain_workloads(page, viewer=organisation.admin)
        return len(captured)

    for index in range(30):
        namespace = ("vision-train", "nlp-train")[index % 2]
        work = organisation.work(f"job-{index}", namespace, state=WorkloadState.PENDING)
        make_pod(organisation.cluster, f"job-{index}-0", namespace=namespace, owner_uid=work.owner_uid)
    assert count(30) <= count(2) <= 15


# --- why it waits ------------------------------------------------------------------------------------------------------------


def explain(organisation: Organisation, viewer: User, work: ObservedWorkload) -> str:
    return selectors.explain_workloads([work], viewer=viewer)[work.uid].sentence


def test_a_full_leaf_is_explained_with_its_numbers(organisation: Organisation) -> None:
    organisation.use(organisation.vision, 13)
    work = organisation.work("bert", state=WorkloadState.PENDING, gpus=8)
    assert explain(organisation, organisation.rita, work) == "needs 8 GPUs; vision has 3 of its Max 16 left"


def test_who_borrows_is_named_to_admins_only(organisation: Organisation) -> None:
    organisation.use(organisation.vision, 4)
    organisation.use(organisation.nlp, 34)
    work = organisation.work("bert", state=WorkloadState.PENDING, gpus=8)
    assert explain(organisation, organisation.admin, work).endswith("vision can get 2 right now, while nlp borrows 26")
    told = explain(organisation, organisation.rita, work)
    assert "nlp" not in told
    assert told.endswith("vision can get 2 right now, while others borrow 26")


def test_more_than_the_cluster_has_is_permanent(organisation: Organisation) -> None:
    work = organisation.work("huge", "nlp-train", state=WorkloadState.PENDING, gpus=64)
    explanation = selectors.explain_workloads([work], viewer=organisation.admin)[work.uid]
    assert (explanation.cause, explanation.is_permanent) == (Cause.EXCEEDS_MAX, True)
    assert explanation.sentence == "needs 64 GPUs; nlp can never get more than 40 GPUs"


def test_evicted_work_is_explained_by_what_it_waits_for_now(organisation: Organisation) -> None:
    organisation.use(organisation.vision, 13)
    told = "Preempted to accommodate a workload (UID: 7, JobUID: 8) due to reclamation within the cohort"
    work = organisation.work(
        "bert",
        state=WorkloadState.EVICTED,
        gpus=8,
        reason="Preempted",
        message=told,
        conditions=[
            {
                "type": "QuotaReserved",
                "status": "False",
                "reason": "Pending",
                "message": "insufficient unused quota for nvidia.com/gpu in flavor aidashboard, 5 more needed",
            },
            {"type": "Evicted", "status": "True", "reason": "Preempted", "message": told},
        ],
    )
    assert explain(organisation, organisation.rita, work) == (
        "was evicted to give capacity back; now it needs 8 GPUs; vision has 3 of its Max 16 left"
    )


def test_reserved_work_is_explained_by_its_checks(organisation: Organisation) -> None:
    unmet = {"type": "Admitted", "status": "False", "reason": "UnsatisfiedAdmissionChecks", "message": "waiting"}
    work = organisation.work("bert", state=WorkloadState.RESERVED, reason="QuotaReserved", conditions=[unmet])
    explanation = selectors.explain_workloads([work], viewer=organisation.admin)[work.uid]
    assert (explanation.cause, explanation.position) == (Cause.WAITS_FOR_CHECKS, None)


def test_work_that_runs_or_has_ended_is_not_explained(organisation: Organisation) -> None:
    rows = [organisation.work("a"), organisation.work("b", state=WorkloadState.FINISHED)]
    assert selectors.explain_workloads(rows, viewer=organisation.admin) == {}


def test_work_without_a_leaf_is_explained_by_its_message(organisation: Organisation) -> None:
    work = organisation.work(
        "lost", "kube-system", state=WorkloadState.PENDING, message="LocalQueue default doesn't exist", conditions=[]
    )
    explanation = selectors.explain_workloads([work], viewer=organisation.admin)[work.uid]
    assert explanation.cause == Cause.QUEUE_MISSING


# --- one workload ------------------------------------------------------------------------------------------------------------


def test_the_time_line_shows_what_was_reached_and_what_lies_ahead(organisation: Organisation) -> None:
    work = organisation.work("bert", state=WorkloadState.PENDING)
    detail = selectors.get_workload(viewer=organisation.admin, uid=work.uid)
    reached = [(step.step, step.after_seconds) for step in detail.timeline if step.at]
    assert reached == [(Step.CREATED, None), (Step.QUEUED, 2.0)]
    assert [step.step for step in detail.timeline if step.at is None] == [
        Step.RESERVED,
        Step.ADMITTED,
        Step.PODS_READY,
        Step.FINISHED,
    ]
    assert detail.explanation is not None


def test_an_eviction_stands_in_the_time_line_where_it_happened(organisation: Organisation) -> None:
    now = timezone.now()
    work = organisation.work(
        "bert",
        state=WorkloadState.EVICTED,
        since=timedelta(minutes=3),
        admitted_at=now - timedelta(minutes=6),
        evicted_at=now - timedelta(minutes=3),
    )
    steps = [step.step for step in selectors.get_workload(viewer=organisation.admin, uid=work.uid).timeline if step.at]
    assert steps == [Step.CREATED, Step.QUEUED, Step.ADMITTED, Step.EVICTED]


def test_finished_work_has_nothing_ahead(organisation: Organisation) -> None:
    work = organisation.work("bert", state=WorkloadState.FINISHED, pods_ready_at=None)
    detail = selectors.get_workload(viewer=organisation.admin, uid=work.uid)
    assert all(step.at for step in detail.timeline)
    assert detail.explanation is None


# --- what can start ----------------------------------------------------------------------------------------------------------


def test_what_can_start_is_guaranteed_borrowed_and_bounded_by_the_nodes(organisation: Organisation) -> None:
    for index in range(5):
        make_node(organisation.cluster, f"node-{index}", gpus=8)
    make_pod(organisation.cluster, "busy-0", node="node-0", gpus=6)
    organisation.use(organisation.vision, 6)
    options = selectors.get_start_options(viewer=organisation.rita, cluster=organisation.cluster)
    (room,) = options.leaves
    assert (room.name, room.free_within_min, room.can_borrow, room.startable) == ("vision", 2, 8, 10)
    assert (options.largest_block, options.free_gpus) == (8, 34)
    assert options.sentence == (
        "You can start 10 GPUs now: 2 guaranteed, 8 borrowed that may be reclaimed. The largest job on one node is 8 GPUs."
    )


def test_what_others_borrow_of_ones_guarantee_will_be_reclaimed(organisation: Organisation) -> None:
    make_node(organisation.cluster, "node-1", gpus=40)
    make_pod(organisation.cluster, "busy-0", node="node-1", gpus=38)
    organisation.use(organisation.nlp, 38)
    options = selectors.get_start_options(viewer=organisation.rita, cluster=organisation.cluster)
    assert "guaranteed 8 GPUs more, of which 6 are in use by others" in options.sentence


def test_cards_that_admitted_work_waits_for_are_promised(organisation: Organisation) -> None:
    make_node(organisation.cluster, "node-1", gpus=8)
    organisation.use(organisation.nlp, 6)
    organisation.work("scattered", "nlp-train", gpus=6)
    options = selectors.get_start_options(viewer=organisation.rita, cluster=organisation.cluster)
    assert (options.free_gpus, options.largest_block) == (2, 2)


def test_who_is_in_no_group_is_told_so(organisation: Organisation) -> None:
    options = selectors.get_start_options(viewer=organisation.otto, cluster=organisation.cluster)
    assert options.leaves == ()
    assert "no group with a quota" in options.sentence
