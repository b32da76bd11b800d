"""All cards of the cluster and who holds them, kept in step with nodes and pods, and read out at a moment.

Not thread-safe by itself: `server` holds one lock around it. A pod gets its cards when it is first seen running and keeps
them until it is gone; remembered assignments (`memory`) come first, so that a restart moves no pod to another card.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sandbox.gpus.cards import Unit
from sandbox.gpus.curves import FREE, Load, fault_code, load_at, seconds_until_fault, seed_of
from sandbox.gpus.exposition import XID_WINDOW_MILLISECONDS, Holder, Reading, build_labels
from sandbox.gpus.inventory import NodeFacts, PodFacts
from sandbox.gpus.thermals import CardState, advance, build_idle_state, resume
from sandbox.scenario.model import Behaviour

# An XID stays until the driver is reset; in this cluster somebody does so after an hour.
XID_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An XID that a job left on a card."""

    code: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What must survive a restart. Shapes: `{unit key: CardState}`, `{pod uid: unit keys}`, `{unit key: Fault}`.

    `is_exact`: nothing has been reported since.
    """

    cards: Mapping[str, CardState] = field(default_factory=dict)
    pods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    faults: Mapping[str, Fault] = field(default_factory=dict)
    is_exact: bool = False


@dataclass(slots=True, kw_only=True)
class _Slot:
    """One unit with its present holder. Mutable, private to the fleet."""

    unit: Unit
    seed: float
    state: CardState
    labels: str
    pod: PodFacts | None = None
    pod_seed: float = 0.0
    fault: Fault | None = None


class Fleet:
    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory or Memory()
        self._nodes: dict[str, NodeFacts] = {}
        self._slots: dict[str, dict[str, _Slot]] = {}  # node -> unit key -> slot
        self._pods: dict[str, PodFacts] = {}
        self._unplaced: dict[str, PodFacts] = {}
        self._annotated_since: dict[tuple[str, int], float] = {}

    def replace_nodes(self, nodes: Iterable[NodeFacts], *, now: float) -> None:
        fresh = {node.name: node for node in nodes}
        for name in set(self._nodes) - set(fresh):
            self.remove_node(name)
        for node in fresh.values():
            self.put_node(node, now=now)

    def put_node(self, node: NodeFacts, *, now: float) -> None:
        known = self._nodes.get(node.name)
        self._nodes[node.name] = node
        if known is None or known.units != node.units:
            kept = {key: slot.state for key, slot in self._slots.get(node.name, {}).items()}
            self._slots[node.name] = {unit.key: self._open_slot(node, unit, kept, now=now) for unit in node.units}
            for pod in [pod for pod in self._pods.values() if pod.node == node.name]:
                self._place(pod)
        for index in node.xids:
            self._annotated_since.setdefault((node.name, index), now)
        for key in [key for key in self._annotated_since if key[0] == node.name and key[1] not in node.xids]:
            del self._annotated_since[key]

    def remove_node(self, name: str) -> None:
        self._nodes.pop(name, None)
        self._slots.pop(name, None)

    def replace_pods(self, pods: Iterable[PodFacts]) -> None:
        fresh = {pod.uid: pod for pod in pods}
        for uid in set(self._pods) - set(fresh):
            self.remove_pod(uid)
        # Remembered ones first, so that nobody else takes their cards; then in the order they started.
        order = sorted(fresh.values(), key=lambda pod: (pod.uid not in self._memory.pods, pod.started_at, pod.uid))
        for pod in order:
            self.put_pod(pod)

    def put_pod(self, pod: PodFacts) -> None:
        if pod.uid in self._pods and pod.uid not in self._unplaced:
            return
        self._pods[pod.uid] = pod
        self._place(pod)

    def remove_pod(self, uid: str) -> None:
        pod = self._pods.pop(uid, None)
        self._unplaced.pop(uid, None)
        if pod is None:
            return
        node = self._nodes.get(pod.node)
        for slot in self._slots.get(pod.node, {}).values():
            if slot.pod is not None and slot.pod.uid == uid and node is not None:
                slot.pod = None
                slot.labels = build_labels(slot.unit, driver_version=node.driver_version, holder=None)
        for waiting in list(self._unplaced.values()):
            self._place(waiting)

    def read(self, *, now: float) -> list[Reading]:
        """Every unit that reports at `now`; those of missing cards and of nodes that are not ready are silent."""
        readings: list[Reading] = []
        for name, slots in self._slots.items():
            node = self._nodes[name]
            loads = {key: self._load(slot, now) for key, slot in slots.items()}
            for key, slot in slots.items():
                load = loads[key]
                # Instances share one board: its power follows all of them.
                board = load if not slot.unit.instance else _board_load(slot.unit, slots, loads)
                slot.state = advance(slot.state, slot.unit.model, board, seed=slot.seed, at=now)
                if node.is_ready and slot.unit.index not in node.missing:
                    readings.append(self._reading(node, slot, load, now))
        return readings

    def remember(self, *, is_exact: bool) -> Memory:
        slots = [slot for slots in self._slots.values() for slot in slots.values()]
        pods: dict[str, list[str]] = {}
        for slot in slots:
            if slot.pod is not None:
                pods.setdefault(slot.pod.uid, []).append(slot.unit.key)
        return Memory(
            cards={slot.unit.key: slot.state for slot in slots},
            pods={uid: tuple(keys) for uid, keys in pods.items()},
            faults={slot.unit.key: slot.fault for slot in slots if slot.fault is not None},
            is_exact=is_exact,
        )

    def _open_slot(self, node: NodeFacts, unit: Unit, kept: Mapping[str, CardState], *, now: float) -> _Slot:
        """A free slot. Its counters go on from `kept`, or from before the restart; a new card has counters of its own."""
        seed = seed_of(unit.uuid)
        remembered = self._memory.cards.get(unit.key)
        fresh = build_idle_state(unit.model, seed=seed, at=now)
        exact = self._memory.is_exact
        state = resume(remembered, unit.model, at=now, is_exact=exact) if remembered is not None else fresh
        return _Slot(
            unit=unit,
            seed=seed,
            state=kept.get(unit.key, state),
            labels=build_labels(unit, driver_version=node.driver_version, holder=None),
            fault=self._memory.faults.get(unit.key),
        )

    def _place(self, pod: PodFacts) -> None:
        """Give a pod its units, or note that it waits: its node, or a free unit on it, is not known yet."""
        node = self._nodes.get(pod.node)
        chosen = list(self._choose(pod, node)) if node is not None else []
        if node is None or len(chosen) < sum(claim.count for claim in pod.claims):
            self._unplaced[pod.uid] = pod
            return
        self._unplaced.pop(pod.uid, None)
        for slot, holder in chosen:
            slot.pod = pod
            slot.pod_seed = seed_of(slot.unit.key, pod.uid)
            slot.labels = build_labels(slot.unit, driver_version=node.driver_version, holder=holder)

    def _choose(self, pod: PodFacts, node: NodeFacts) -> Iterator[tuple[_Slot, Holder]]:
        remembered = self._memory.pods.get(pod.uid, ())
        free = [slot for slot in self._slots[node.name].values() if slot.pod is None or slot.pod.uid == pod.uid]
        # Broken cards last: the device plugin gives them to nobody, but which ones it withdrew is not written down.
        free.sort(
            key=lambda slot: (
                slot.unit.key not in remembered,
                slot.unit.index in node.missing,
                slot.unit.index in node.double_bit_errors or slot.unit.index in node.xids,
                slot.unit.index,
                slot.unit.instance,
            )
        )
        for claim in pod.claims:
            for _ in range(claim.count):
                slot = next((slot for slot in free if slot.unit.resource == claim.resource), None)
                if slot is None:
                    return
                free.remove(slot)
                yield slot, claim.holder

    def _load(self, slot: _Slot, now: float) -> Load:
        if slot.pod is None:
            return FREE
        return load_at(slot.pod.behaviour, seed=slot.pod_seed, age_seconds=now - slot.pod.started_at, time=now)

    def _reading(self, node: NodeFacts, slot: _Slot, load: Load, now: float) -> Reading:
        fault = self._current_fault(node, slot, now)
        is_fresh = fault is not None and now - fault.at <= XID_WINDOW_MILLISECONDS / 1000
        return Reading(
            unit=slot.unit,
            labels=slot.labels,
            load=load,
            state=slot.state,
            xid=fault.code if fault is not None else 0,
            xid_count=int(is_fresh),
            double_bit_errors=node.double_bit_errors.get(slot.unit.index, 0),
        )

    def _current_fault(self, node: NodeFacts, slot: _Slot, now: float) -> Fault | None:
        pod = slot.pod
        # The fault hits the first card of the pod; the others stop because the job has.
        if pod is not None and pod.behaviour is Behaviour.FAILING_GPU and self._is_first(slot, pod):
            at = pod.started_at + seconds_until_fault(slot.pod_seed)
            if now >= at and (slot.fault is None or slot.fault.at < at):
                slot.fault = Fault(code=fault_code(slot.pod_seed), at=at)
        if slot.fault is not None and now - slot.fault.at > XID_SECONDS:
            slot.fault = None
        index = slot.unit.index
        if index in node.xids:
            return Fault(code=node.xids[index], at=self._annotated_since[node.name, index])
        return slot.fault

    def _is_first(self, slot: _Slot, pod: PodFacts) -> bool:
        held = [other.unit.index for other in self._slots[pod.node].values() if other.pod is pod]
        return slot.unit.index == min(held)


def _board_load(unit: Unit, slots: Mapping[str, _Slot], loads: Mapping[str, Load]) -> Load:
    """The load of the whole card that a MIG instance is part of."""
    parts = [(slot.unit.slice_ratio, loads[key]) for key, slot in slots.items() if slot.unit.uuid == unit.uuid]
    return Load(
        active=sum(ratio * load.active for ratio, load in parts),
        tensor=sum(ratio * load.tensor for ratio, load in parts),
        memory_traffic=sum(ratio * load.memory_traffic for ratio, load in parts),
        link=sum(ratio * load.link for ratio, load in parts),
        memory=sum(ratio * load.memory for ratio, load in parts),
    )
