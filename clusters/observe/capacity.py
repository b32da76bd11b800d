"""How much a cluster has, and how much of it Kueue may hand out.

Schedulable capacity is what Ready, uncordoned nodes can allocate, less what pods outside Kueue hold on them: the root of a quota tree
promises that and no more. Example: nodes with 8 + 8 GPUs, one cordoned, and a pod outside Kueue with 1 GPU on the other -> 7.
"""

from __future__ import annotations

from clusters.kube.parsing.fields import Amounts, add_amounts, subtract_amounts
from clusters.kube.parsing.nodes import Node
from clusters.kube.parsing.pods import Pod

_PODS = "pods"


class CapacityBook:
    """The running account of one cluster. Says nothing before nodes and pods have both been listed once."""

    def __init__(self) -> None:
        self._nodes: dict[str, tuple[str, Amounts, Amounts]] = {}
        self._holders: dict[str, tuple[str, Amounts]] = {}
        self._has_nodes = False
        self._has_pods = False

    def note_node(self, node: Node) -> None:
        is_open = node.is_ready and not node.is_cordoned
        self._nodes[node.uid] = (node.name, node.capacity, node.allocatable if is_open else {})

    def note_pod(self, pod: Pod) -> None:
        if pod.is_queued or pod.is_over or not pod.node_name:
            self._holders.pop(pod.uid, None)
        else:
            self._holders[pod.uid] = (pod.node_name, pod.requests | {_PODS: 1})

    def forget(self, uid: str) -> None:
        self._nodes.pop(uid, None)
        self._holders.pop(uid, None)

    def end_nodes(self) -> None:
        self._has_nodes = True

    def end_pods(self) -> None:
        self._has_pods = True

    def find_capacity(self) -> tuple[Amounts, Amounts] | None:
        """Total and schedulable amounts; None while they are not known."""
        if not (self._has_nodes and self._has_pods):
            return None
        held: dict[str, Amounts] = {}
        for node_name, requests in self._holders.values():
            held[node_name] = add_amounts((held.get(node_name, {}), requests))
        total = add_amounts(capacity for _, capacity, _ in self._nodes.values())
        schedulable = add_amounts(
            subtract_amounts(allocatable, held.get(name, {})) for name, _, allocatable in self._nodes.values()
        )
        return total, schedulable
