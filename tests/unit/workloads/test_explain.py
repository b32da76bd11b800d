"""Why a workload waits: Kueue's reasons and messages, old and new, with the numbers of the tree."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.domain.explain import (
    GPU,
    Borrower,
    Cause,
    LeafNumbers,
    PendingFacts,
    Shortage,
    explain_pending,
    parse_shortages,
    words_of,
)

SINCE = datetime(2026, 11, 22, 12, tzinfo=UTC)
VISION = LeafNumbers(
    name="vision", used={GPU: 13}, min={GPU: 8}, max={GPU: 16}, reachable={GPU: 16}, available={GPU: 3}
)
FULL = "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor aidashboard, 5 more needed"
CEILING = (
    "couldn't assign flavors to pod set main: insufficient quota for nvidia.com/gpu in flavor aidashboard, previously considered "
    "podsets requests (0) + current podset request (32) > maximum capacity (16)"
)
WAITING = PendingFacts(
    reason="WaitingForQuota", message=FULL, requests={"cpu": 8000, GPU: 8}, since=SINCE, leaf=VISION, position=1
)


def test_a_leaf_at_its_max_says_how_much_is_left() -> None:
    explanation = explain_pending(WAITING)
    assert explanation.cause == Cause.QUOTA_FULL
    assert explanation.sentence == "needs 8 GPUs; vision has 3 of its Max 16 left"
    assert not explanation.is_permanent
    assert explanation.unblocks == ("5 GPUs of vision's own running work end", "raise the Max of vision to 21")
    assert (explanation.since, explanation.raw) == (SINCE, FULL)


def test_a_full_cluster_names_who_borrows() -> None:
    leaf = replace(
        VISION,
        used={GPU: 4},
        available={GPU: 2},
        borrowers={GPU: [Borrower(name="nlp", amount=6), Borrower(name="speech", amount=9)]},
    )
    explanation = explain_pending(replace(WAITING, leaf=leaf))
    assert explanation.sentence == "needs 8 GPUs; vision can get 2 right now, while speech borrows 9 and nlp borrows 6"
    assert explanation.unblocks == (
        "speech gives back what it borrows",
        "nlp gives back what it borrows",
        "5 GPUs come free",
        "raise the Min of vision to 12, which makes it guaranteed",
    )


def test_who_borrows_stays_nameless_for_those_who_may_not_know() -> None:
    leaf = replace(VISION, used={GPU: 4}, available={GPU: 2}, borrowers={GPU: [Borrower(name="", amount=15)]})
    explanation = explain_pending(replace(WAITING, leaf=leaf))
    assert "while others borrow 15" in explanation.sentence
    assert "others give back what they borrow" in explanation.unblocks


def test_a_request_above_the_max_is_permanent() -> None:
    explanation = explain_pending(replace(WAITING, reason="ExceedsMaxQuota", message=CEILING, requests={GPU: 32}))
    assert explanation.cause == Cause.EXCEEDS_MAX
    assert explanation.is_permanent
    assert explanation.sentence == "needs 32 GPUs; vision can never get more than 16 GPUs"
    assert explanation.unblocks[0] == "ask for at most 16 GPUs"


def test_the_numbers_overrule_a_reason_that_promises_too_much() -> None:
    explanation = explain_pending(replace(WAITING, requests={GPU: 17}))
    assert explanation.cause == Cause.EXCEEDS_MAX


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("Deactivated", Cause.DEACTIVATED),
        ("OnHold", Cause.ON_HOLD),
        ("Misconfigured", Cause.QUEUE_MISSING),
        ("NoMatchingFlavor", Cause.NO_FLAVOR),
        ("Suspended", Cause.QUEUE_STOPPED),
        ("AdmissionGated", Cause.GATED),
        ("WaitingForPodsReady", Cause.WAITS_FOR_PODS),
        ("ExceedsMaxQuota", Cause.EXCEEDS_MAX),
        ("WaitingForQuota", Cause.QUOTA_FULL),
        ("TopologyPlacementFailed", Cause.NO_ROOM_ON_NODES),
        ("WaitingForPreemptedWorkloads", Cause.WAITS_FOR_PREEMPTION),
        ("PendingEvaluation", Cause.NOT_EVALUATED),
        ("UnsatisfiedAdmissionChecks", Cause.WAITS_FOR_CHECKS),
    ],
)
def test_every_reason_of_kueue_has_a_cause_and_a_sentence(reason: str, cause: Cause) -> None:
    explanation = explain_pending(replace(WAITING, reason=reason, message=""))
    assert explanation.cause == cause
    assert explanation.sentence
    assert explanation.unblocks


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("LocalQueue default doesn't exist", Cause.QUEUE_MISSING),
        ("ClusterQueue root-vision is inactive", Cause.QUEUE_STOPPED),
        ("Workload namespace doesn't match ClusterQueue selector", Cause.QUEUE_MISSING),
        ("The workload is deactivated", Cause.DEACTIVATED),
        (FULL, Cause.QUOTA_FULL),
        (CEILING, Cause.EXCEEDS_MAX),
        (f"{CEILING}; {FULL}", Cause.EXCEEDS_MAX),
        ("Workload no longer fits after processing another workload", Cause.QUOTA_FULL),
        (
            "couldn't assign flavors to pod set main: untolerated taint {nvidia.com/gpu true NoSchedule}",
            Cause.NO_FLAVOR,
        ),
        ("Preempted to accommodate a workload (UID: 1) due to reclamation", Cause.NOT_EVALUATED),
        ("", Cause.NOT_EVALUATED),
        ("something new", Cause.UNKNOWN),
    ],
)
def test_general_reasons_are_read_from_the_message(message: str, cause: Cause) -> None:
    leaf = replace(VISION, reachable={GPU: 64})
    explanation = explain_pending(replace(WAITING, reason="Pending", message=message, leaf=leaf))
    assert explanation.cause == cause


def test_what_is_not_understood_is_shown_as_it_is() -> None:
    explanation = explain_pending(replace(WAITING, reason="Inadmissible", message="something new", leaf=None))
    assert explanation.sentence == "something new"
    assert explanation.unblocks == ()


def test_an_eviction_is_told_with_what_is_missing_now() -> None:
    explanation = explain_pending(replace(WAITING, was_evicted=True, eviction_reason="Preempted"))
    assert explanation.sentence.startswith("was evicted to give capacity back; now it needs 8 GPUs")


@pytest.mark.parametrize(("position", "words"), [(2, "1 workload is ahead"), (4, "3 workloads are ahead")])
def test_the_place_in_the_queue_is_told(position: int, words: str) -> None:
    assert words in explain_pending(replace(WAITING, position=position)).sentence


def test_without_a_leaf_the_shortfall_of_the_message_is_used() -> None:
    explanation = explain_pending(replace(WAITING, leaf=None))
    assert explanation.sentence == "needs 8 GPUs, and its quota is full: 5 GPUs more must come free"


def test_the_resource_that_is_short_is_the_one_spoken_of() -> None:
    message = "insufficient unused quota for memory in flavor aidashboard, 16Gi more needed"
    leaf = LeafNumbers(name="vision", used={"memory": 0}, min={"memory": 64 * 2**30}, available={"memory": 2**30})
    explanation = explain_pending(replace(WAITING, message=message, requests={"memory": 17 * 2**30}, leaf=leaf))
    assert explanation.sentence == "needs 17Gi memory; vision can get 1Gi right now"


def test_scattered_cards_are_told_from_missing_ones() -> None:
    facts = replace(WAITING, reason="TopologyPlacementFailed", gpus_per_pod=8, largest_block=6)
    assert explain_pending(facts).sentence == (
        "has quota, but no node has room for 8 GPUs in one place; the largest free block on one node is 6"
    )


def test_shortfalls_and_ceilings_are_parsed_in_the_units_of_the_resource() -> None:
    message = f"{CEILING}; insufficient unused quota for cpu in flavor aidashboard, 1500m more needed, 3 excluded"
    assert parse_shortages(message) == (
        Shortage(resource="cpu", missing=1500),
        Shortage(resource=GPU, ceiling=16),
    )


@given(st.text())
def test_no_message_breaks_the_explanation(message: str) -> None:
    explain_pending(replace(WAITING, reason="Pending", message=message))


@given(st.sampled_from(["insufficient unused quota for nvidia.com/gpu in flavor f, {} more needed"]), st.text())
def test_no_quantity_breaks_the_parser(template: str, quantity: str) -> None:
    parse_shortages(template.format(quantity))


@pytest.mark.parametrize(
    ("resource", "amount", "words"),
    [(GPU, 1, "1 GPU"), (GPU, 8, "8 GPUs"), ("cpu", 1500, "1500m cpu"), ("memory", 2**34, "16Gi memory")],
)
def test_amounts_are_said_as_people_say_them(resource: str, amount: int, words: str) -> None:
    assert words_of(resource, amount) == words
