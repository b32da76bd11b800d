"""Every rule of a tree: what breaks it, what does not, and that the message names node, resource and both numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidashboard.kit.errors import Finding
from quotas.domain.changes import (
    AddNode,
    BindGroup,
    BindNamespace,
    Change,
    ChangeNode,
    DeleteNode,
    MoveNode,
    RenameNode,
    UnbindGroup,
    UnbindNamespace,
)
from quotas.domain.facts import HeldWorkload, TreeFacts
from quotas.domain.tree import Tree
from quotas.domain.validation import Judgement, judge_changes, judge_tree
from tests.unit.quotas.builders import GPU, build_example, key, node

NO_FACTS = TreeFacts()


def judge(*changes: Change, facts: TreeFacts = NO_FACTS, tree: Tree | None = None) -> Judgement:
    return judge_changes(tree or build_example(), changes, facts)


def errors_of(tree: Tree, facts: TreeFacts = NO_FACTS) -> list[tuple[str, str, str]]:
    return [(item.rule, item.subject, item.field) for item in judge_tree(tree, facts) if not item.is_warning]


def find(findings: tuple[Finding, ...] | list[Finding], rule: str) -> Finding:
    return next(item for item in findings if item.rule == rule)


def test_the_example_tree_breaks_no_rule():
    assert judge_tree(build_example(), TreeFacts(capacity={"cpu": 40_000})) == []


# --- numbers ----------------------------------------------------------------------------------------------------------------
def test_v1_min_is_at_most_max():
    finding = find(judge(ChangeNode(node=key("a1"), min={"cpu": "21"})).errors, "V1")
    assert (finding.subject, finding.field, finding.value) == ("root.a.a1", "min.cpu", "21")
    assert finding.message == "root.a.a1: Min cpu 21 is above its own Max 20"


def test_v1_sees_a_resource_that_only_one_of_the_maps_has():
    tree = build_example(a1=node("a1", "a", cpu=(10, 20), min={GPU: "4"}, max={GPU: "2"}))
    assert ("V1", "root.a.a1", f"min.{GPU}") in errors_of(tree)


def test_v2_the_sum_of_the_childrens_min_fits_into_the_parents():
    finding = find(judge(ChangeNode(node=key("a1"), min={"cpu": "11"})).errors, "V2")
    assert finding.subject == "root.a"
    assert finding.message == "root.a: Min cpu 20 is below 21, the sum of the children's Min"


def test_v3_a_max_is_at_most_the_parents():
    finding = find(judge(ChangeNode(node=key("a1"), max={"cpu": "40.5"})).errors, "V3")
    assert finding.message == "root.a.a1: Max cpu 40500m is above 40, the Max of root.a"


@pytest.mark.parametrize("resource", ["memory", "aliyun.com/gpu-mem"])
def test_v3_holds_for_bytes_beyond_two_gibibytes(resource: str):
    """The predecessor took any parent Max of 2 GiB or more for unlimited."""
    tree = build_example(
        a=node("a", "root", cpu=(20, 40), max={resource: "3221225472"}),
        a1=node("a1", "a", cpu=(10, 20), max={resource: "4Gi"}),
    )
    assert ("V3", "root.a.a1", f"max.{resource}") in errors_of(tree)


def test_v3_is_no_rule_under_an_unlimited_parent():
    tree = build_example(a=node("a", "root", cpu=(20, None)), a1=node("a1", "a", cpu=(10, 60)))
    assert errors_of(tree) == []
    warning = find(judge_tree(tree, NO_FACTS), "V3")
    assert warning.is_warning
    assert "60 is above 40, the effective Max of root.a" in warning.message


def test_v3_an_unlimited_max_under_a_limited_one_is_shown_as_clipped():
    warning = find(judge(ChangeNode(node=key("a1"), max={"cpu": "2147483647"})).warnings, "V3")
    assert "unlimited, but the Max of root.a is 40" in warning.message


def test_a_min_above_the_parents_max_could_never_be_used():
    tree = build_example(a=node("a", "root", cpu=(20, 8)), b=node("b", "root", cpu=(20, None)))
    assert ("min-over-parent-max", "root.a.a1", "min.cpu") in errors_of(tree)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("-1", "negative"),
        ("10Gb", "not a Kubernetes quantity"),
        ("1.5Gi", "unit of bytes"),
        ("0.5", "whole numbers"),
        ("2147483647", "a guarantee cannot be unlimited"),
        ("", "cannot be unlimited"),
    ],
)
def test_v4_a_bad_min_names_value_and_rule(text: str, part: str):
    finding = find(judge(ChangeNode(node=key("a1"), min={GPU: text})).errors, "V4")
    assert (finding.subject, finding.field, finding.value) == ("root.a.a1", f"min.{GPU}", text)
    assert part in finding.message


def test_v4_good_spellings_are_no_findings():
    changes = [
        ChangeNode(node=key("root"), min={"memory": "1e12"}, max={"memory": "2147483647Gi"}),
        ChangeNode(node=key("a"), min={"memory": "1.5Gi"}, max={"memory": "1e3Gi".replace("e3", "000")}),
    ]
    assert judge(*changes).errors == ()


def test_v4_a_resource_has_a_kubernetes_name():
    assert find(judge(ChangeNode(node=key("a1"), min={"GPUs!": "1"})).errors, "V4").value == "GPUs!"


def test_v4_does_not_hide_the_other_rules():
    judgement = judge(
        ChangeNode(node=key("a1"), min={"cpu": "10Gb"}),
        ChangeNode(node=key("b1"), min={"cpu": "21"}),
        RenameNode(node=key("b2"), name="b.2"),
    )
    assert {finding.rule for finding in judgement.errors} == {"V4", "V1", "V2", "V14"}


def test_v16_root_min_and_max_usually_agree():
    assert find(judge(ChangeNode(node=key("root"), max={"cpu": "50"})).warnings, "V16").subject == "root"


def test_v17_and_guarantees_are_held_against_the_clusters_capacity():
    findings = judge_tree(build_example(), TreeFacts(capacity={"cpu": 32_000}))
    assert "Max cpu 40 is above the 32" in find(findings, "V17").message
    assert "guaranteed 40 of cpu, the cluster can schedule 32 now" in find(findings, "min-over-capacity").message
    assert all(finding.is_warning for finding in findings)


def test_v18_tells_which_nodes_lack_a_resource():
    warning = find(judge(ChangeNode(node=key("a1"), max={GPU: "4"})).warnings, "V18")
    assert warning.field == GPU
    assert "root, root.a, root.a.a2, root.b, root.b.b1 and 1 more" in warning.message


def test_kueue_takes_64_resources():
    many = {f"example.com/r{number}": "1" for number in range(65)}
    assert ("too-many-resources", "root", "") in errors_of(Tree((node("root", None, min=many, max=many),)))


# --- names ------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["a.b", "", "-a", "_a", "ä", "a b", "x" * 66])
def test_v14_refuses_names_of_another_form(name: str):
    assert find(judge(RenameNode(node=key("a1"), name=name)).errors, "V14").value == name


@pytest.mark.parametrize("name", ["1", "a", "A_b-9", "x" * 65])
def test_v14_accepts_digits_first_and_hyphens(name: str):
    assert judge(RenameNode(node=key("a1"), name=name)).is_allowed


def test_v13_sibling_names_are_unique():
    assert find(judge(RenameNode(node=key("a1"), name="a2")).errors, "V13").subject == "root.a.a2"


def test_v13_two_names_may_be_swapped_in_one_draft():
    assert judge(RenameNode(node=key("a1"), name="a2"), RenameNode(node=key("a2"), name="a1")).is_allowed


def test_v13_paths_that_differ_only_in_separators_collide():
    judgement = judge(AddNode(key=key("new-1"), parent=key("root"), name="a-a1"))
    assert "differ only in case or separators" in find(judgement.errors, "V13").message


def test_v13_a_queue_of_somebody_else_is_not_taken_over():
    facts = TreeFacts(foreign_queues=frozenset({"root-c"}), queues_elsewhere={"root-d": "d of tree root-x"})
    judgement = judge(
        AddNode(key=key("new-1"), parent=key("root"), name="c"),
        AddNode(key=key("new-2"), parent=key("root"), name="d"),
        facts=facts,
    )
    assert [finding.rule for finding in judgement.errors] == ["V13", "V13"]


# --- shape ------------------------------------------------------------------------------------------------------------------
def test_v9_a_node_with_namespaces_gets_no_children():
    finding = find(judge(AddNode(key=key("new-1"), parent=key("a1"), name="x")).errors, "V9")
    assert (finding.subject, finding.value) == ("root.a.a1", "namespace1")


def test_v9_is_kept_when_the_same_draft_moves_the_namespace_down():
    judgement = judge(
        AddNode(key=key("new-1"), parent=key("a1"), name="x"),
        UnbindNamespace(node=key("a1"), namespace="namespace1"),
        BindNamespace(node=key("new-1"), namespace="namespace1"),
    )
    assert judgement.is_allowed


def test_v11_namespaces_stand_on_leaves_only():
    assert find(judge(BindNamespace(node=key("a"), namespace="x")).errors, "V11").subject == "root.a"
    assert find(judge(BindNamespace(node=key("root"), namespace="x")).errors, "V11").subject == "root"


def test_v11_a_lone_root_holds_no_namespaces():
    lone = Tree((node("root", None, namespaces=("x",)),))
    assert "add a leaf below it" in find(judge_tree(lone, NO_FACTS), "V11").message


def test_v10_only_childless_nodes_are_deleted_and_never_the_last_leaf():
    assert find(judge(DeleteNode(node=key("a"))).errors, "V10").value == "a1, a2"
    assert find(judge(DeleteNode(node=key("root"))).errors, "V10")
    small = Tree((node("root", None), node("x", "root")))
    assert "last leaf" in find(judge(DeleteNode(node=key("x")), tree=small).errors, "V10").message


def test_v12_a_namespace_has_one_leaf():
    finding = find(judge(BindNamespace(node=key("b1"), namespace="namespace1")).errors, "V12")
    assert "root.a.a1" in finding.message + finding.subject
    # The one to blame is the newcomer, also where it stands before the owner.
    for leaf, owned in (("a1", "namespace4"), ("b2", "namespace1")):
        refused = find(judge(BindNamespace(node=key(leaf), namespace=owned)).errors, "V12")
        assert (refused.subject.rpartition(".")[2], refused.value) == (leaf, owned)
    elsewhere = TreeFacts(bound_elsewhere={"x": "vision of tree other"})
    assert (
        "vision of tree other"
        in find(judge(BindNamespace(node=key("b1"), namespace="x"), facts=elsewhere).errors, "V12").message
    )


def test_v21_a_namespace_is_created_or_adopted_explicitly():
    facts = TreeFacts(namespaces=frozenset({"old"}))
    assert "adopt it" in find(judge(BindNamespace(node=key("a1"), namespace="old"), facts=facts).errors, "V21").message
    assert judge(BindNamespace(node=key("a1"), namespace="old", adopt=True), facts=facts).is_allowed
    assert judge(BindNamespace(node=key("a1"), namespace="new"), facts=facts).is_allowed
    missing = judge(BindNamespace(node=key("a1"), namespace="new", adopt=True), facts=facts)
    assert "no namespace 'new' to adopt" in find(missing.errors, "V21").message


@pytest.mark.parametrize("name", ["kube-system", "kueue-system", "Upper", "a_b", "x" * 64, "-a"])
def test_v21_refuses_names_that_no_namespace_of_ours_can_have(name: str):
    assert find(judge(BindNamespace(node=key("a1"), namespace=name, adopt=True)).errors, "V21").value == name


def test_v21_a_namespace_that_moves_to_another_leaf_needs_no_adoption():
    facts = TreeFacts(namespaces=frozenset({"namespace1"}))
    moved = judge(
        UnbindNamespace(node=key("a1"), namespace="namespace1"),
        BindNamespace(node=key("b1"), namespace="namespace1"),
        facts=facts,
    )
    assert moved.is_allowed


def test_v15_groups_are_bound_to_leaves_and_exist():
    facts = TreeFacts(groups=frozenset({"vision"}))
    assert judge(BindGroup(node=key("a1"), group="vision"), facts=facts).is_allowed
    assert (
        "only be bound to a leaf"
        in find(judge(BindGroup(node=key("a"), group="vision"), facts=facts).errors, "V15").message
    )
    assert (
        "no user group 'nlp'" in find(judge(BindGroup(node=key("a1"), group="nlp"), facts=facts).errors, "V15").message
    )
    twice = judge(BindGroup(node=key("a1"), group="vision"), BindGroup(node=key("a1"), group="other"), facts=facts)
    assert "unbind it before" in find(twice.errors, "V15").message


# --- the way there --------------------------------------------------------------------------------------------------------------
RUNNING = TreeFacts(running_pods={"namespace1": ("train-0", "train-1")})


@pytest.mark.parametrize(
    "changes",
    [
        [UnbindNamespace(node=key("a1"), namespace="namespace1")],
        [DeleteNode(node=key("a1"))],
        [
            UnbindNamespace(node=key("a1"), namespace="namespace1"),
            BindNamespace(node=key("b1"), namespace="namespace1"),
        ],
    ],
    ids=["removed", "node deleted", "moved"],
)
def test_v5_running_pods_keep_a_namespace_where_it_is(changes: list[Change]):
    judgement = judge(*changes, facts=RUNNING)
    assert "2 pods run there: train-0, train-1" in find(judgement.errors, "V5").message
    assert judgement.with_running_pods_accepted().is_allowed


def test_v5_also_holds_for_a_namespace_that_is_added():
    facts = TreeFacts(running_pods={"busy": ("web",)}, namespaces=frozenset({"busy"}))
    assert find(judge(BindNamespace(node=key("a1"), namespace="busy", adopt=True), facts=facts).errors, "V5")


def test_v5_a_move_of_the_leaf_itself_disturbs_nobody():
    changes: list[Change] = [
        ChangeNode(node=key("a"), min={"cpu": "10"}),
        ChangeNode(node=key("b"), min={"cpu": "30"}),
        MoveNode(node=key("a1"), parent=key("b")),
    ]
    assert judge(*changes, facts=RUNNING).is_allowed


def test_v6_a_node_with_a_group_is_not_deleted():
    tree = build_example(a1=node("a1", "a", cpu=(10, 20), group="vision"))
    assert find(judge(DeleteNode(node=key("a1")), tree=tree).errors, "V6").value == "vision"
    assert judge(UnbindGroup(node=key("a1")), DeleteNode(node=key("a1")), tree=tree).is_allowed


HELD = TreeFacts(held={key("a1"): (HeldWorkload(name="namespace1/train", requests={"cpu": 15_000}),)})


def test_v22_lowering_max_below_use_warns_at_every_level():
    judgement = judge(
        ChangeNode(node=key("a"), min={"cpu": "4"}, max={"cpu": "12"}),
        ChangeNode(node=key("a1"), min={"cpu": "2"}, max={"cpu": "12"}),
        ChangeNode(node=key("a2"), min={"cpu": "2"}, max={"cpu": "12"}),
        facts=HELD,
    )
    told = {(item.subject, item.field) for item in judgement.warnings if item.rule == "V22"}
    assert {("root.a", "max.cpu"), ("root.a.a1", "max.cpu"), ("root.a", "min.cpu"), ("root.a.a1", "min.cpu")} == told
    assert "namespace1/train" in find(judgement.warnings, "V22").message
    assert judgement.is_allowed


def test_v22_is_silent_when_nothing_goes_down():
    assert not [
        item for item in judge(ChangeNode(node=key("b1"), min={"cpu": "9"}), facts=HELD).findings if item.rule == "V22"
    ]


def test_v23_deleting_runs_the_same_number_checks():
    tree = build_example(b=node("b", "root", cpu=(25, 40)), b1=node("b1", "b", cpu=(20, 20)))
    judgement = judge(DeleteNode(node=key("b2")), tree=tree)
    assert find(judgement.errors, "V2").subject == "root"


def test_v24_taking_a_leaf_from_a_group_that_runs_work_there_warns():
    tree = build_example(a1=node("a1", "a", cpu=(10, 20), group="vision"))
    warning = find(judge(UnbindGroup(node=key("a1")), tree=tree, facts=HELD).warnings, "V24")
    assert "namespace1/train" in warning.message


def test_impossible_changes_are_told_along_with_the_rest():
    judgement = judge(
        MoveNode(node=key("a"), parent=key("a1")),
        DeleteNode(node=key("99")),
        ChangeNode(node=key("a1"), min={"cpu": "30"}),
    )
    assert {finding.rule for finding in judgement.errors} == {"cyclic-move", "unknown-node", "V1", "V2"}


# --- properties -----------------------------------------------------------------------------------------------------------------
@st.composite
def random_trees(draw: st.DrawFn) -> Tree:
    """Any numbers on any shape up to eight nodes."""
    numbers = st.none() | st.integers(min_value=0, max_value=12)
    nodes = [node("n0", None, cpu=(draw(numbers), draw(numbers)))]
    for index in range(1, draw(st.integers(min_value=1, max_value=8))):
        parent = draw(st.integers(min_value=0, max_value=index - 1))
        nodes.append(node(f"n{index}", f"n{parent}", cpu=(draw(numbers), draw(numbers))))
    return Tree(tuple(nodes))


@given(random_trees())
def test_a_tree_without_errors_can_be_expressed(tree: Tree):
    """No negative nominal quota, no negative borrowing limit."""
    if errors_of(tree):
        return
    for item in tree.walk():
        minimum, ceiling = tree.min_amount(item.key, "cpu"), tree.max_amount(item.key, "cpu")
        assert minimum - tree.children_min(item.key, "cpu") >= 0
        assert ceiling is None or ceiling - minimum >= 0


@given(random_trees())
def test_what_cannot_be_expressed_is_an_error(tree: Tree):
    broken = any(
        tree.min_amount(item.key, "cpu") < tree.children_min(item.key, "cpu")
        or (tree.max_amount(item.key, "cpu") or 10**9) < tree.min_amount(item.key, "cpu")
        for item in tree.walk()
        if tree.max_amount(item.key, "cpu") != 0 or tree.min_amount(item.key, "cpu")
    )
    assert not broken or errors_of(tree)
