"""The state of a cluster's queues as it moves: work comes, holds quota, is evicted and goes; cycles decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from quotas.domain.scheduling.cycle import Cycle, CycleRun
from quotas.domain.scheduling.forest import Forest
from quotas.domain.scheduling.judging import Judge
from quotas.domain.scheduling.nodes import Queue, TreeRecord
from quotas.domain.scheduling.nominations import Nomination
from quotas.domain.scheduling.spec import ForestSpec, Options, QueueingStrategy, StopPolicy, Work, WorkState
from quotas.domain.scheduling.victims import book, unbook
from quotas.domain.scheduling.workloads import Amounts, Shapes, Workload, describe_reservation


class UnknownWorkloadError(KeyError):
    """No workload of that name is here."""


class DuplicateWorkloadError(ValueError):
    """A workload of that name is here already."""


class Scheduler:
    """`now` is the time that reservations get, in the unit of `Work.created_at`; whoever drives the scheduler sets it. `tried`: how
    often some workload was, as the head of its queue."""

    __slots__ = (
        "_newest",
        "_restless",
        "_shapes",
        "_without_queue",
        "forest",
        "judge",
        "options",
        "tried",
        "workloads",
    )

    def __init__(self, spec: ForestSpec, options: Options) -> None:
        """Raises: SpecError."""
        self.options = options
        self.forest = Forest(spec)
        self.judge = Judge(self.forest.frs, options)
        self.judge.flavors = {flavor.name: flavor for flavor in spec.flavors}
        self.workloads: dict[str, Workload] = {}
        self._shapes = Shapes()
        self._without_queue: dict[str, Work] = {}
        self._restless: dict[TreeRecord, None] = {}
        self._newest = 0
        self.tried = 0

    @property
    def now(self) -> int:
        return self.judge.protection.now

    @now.setter
    def now(self, now: int) -> None:
        self.judge.protection.now = now

    def pass_second(self) -> None:
        """From here on whoever is admitted comes later than everything so far. Kueue keeps whole seconds, so all that is admitted in
        between comes at the same time, unless it was created later."""
        self.now = max(self.now, self._newest) + 1

    def submit(self, work: Work) -> None:
        """Raises: DuplicateWorkloadError."""
        self.restore(WorkState(work=work))
        workload = self.workloads.get(work.name)
        if workload is not None:
            self._note(workload.queue)

    def restore(self, state: WorkState) -> None:
        """Put a workload where it stood. Raises: DuplicateWorkloadError."""
        work = state.work
        if work.name in self.workloads or work.name in self._without_queue:
            raise DuplicateWorkloadError(f"workload {work.name!r} is here already, names are unique")
        queue = self.forest.queues.get(work.queue)
        if queue is None:
            self._without_queue[work.name] = work
            return
        workload = Workload(work, queue, self._shapes.number(work.pod_sets))
        self.workloads[work.name] = workload
        self._newest = max(self._newest, work.created_at)
        if state.reservation is not None:
            usage = [(self.forest.frs.place(*pair), amount) for pair, amount in state.reservation.usage.items()]
            self.forest.widen()
            self._book(workload, usage, state.reservation.reserved_at, is_evicting=state.reservation.is_evicting)
            if workload.is_evicting:
                self._restless[queue.tree] = None
            return
        self._enqueue(workload)
        if state.is_parked and queue.spec.strategy is QueueingStrategy.BEST_EFFORT_FIFO:
            queue.pending.park(workload)
            queue.tree.parked[queue] = None
        if state.is_sticky:
            queue.pending.sticky = workload

    def finish(self, name: str) -> None:
        """Work that ended or was deleted. Raises: UnknownWorkloadError."""
        if self._without_queue.pop(name, None) is not None:
            return
        workload = self._get(name)
        del self.workloads[name]
        if workload.usage is None:
            workload.queue.pending.discard(workload)
            self._make_due(workload.queue.tree)
        else:
            self._free(workload)

    def evict(self, name: str) -> None:
        """Take the quota back; the workload waits again, in its old place. Raises: UnknownWorkloadError."""
        workload = self._get(name)
        self._free(workload)
        self._enqueue(workload)

    def start_evicting(self, name: str) -> None:
        """Its pods shall go. Until they are gone it holds its quota, and cycles go on. Raises: UnknownWorkloadError."""
        workload = self._get(name)
        unbook(workload)
        workload.is_evicting = True
        book(workload)
        workload.queue.tree.evicting += 1

    def finish_evicting(self, record: TreeRecord) -> list[str]:
        """The pods of all work of a tree that was to go are gone. Returns its names."""
        if not record.evicting:
            return []
        leaving = [holder[4].name for queue in record.queues for holder in queue.holders if holder[0] == 0]
        for name in sorted(leaving):
            self.evict(name)
        return leaving

    def run_cycle(self, record: TreeRecord) -> Cycle:
        """Judge the head of every queue of a tree. Those admitted hold their quota afterwards; evicting is left to the caller."""
        record.cycles += 1
        run = CycleRun(self.judge, record, self.options)
        heads = _find_heads(record)
        self.tried += len(heads)
        cycle = run.run(heads)
        for nomination in cycle.admitted:
            self._admit(nomination)
        return cycle

    @property
    def restless(self) -> list[TreeRecord]:
        """The trees in which something may move."""
        return list(self._restless)

    def calm(self, record: TreeRecord) -> None:
        """Nothing moves in this tree until something happens to it."""
        self._restless.pop(record, None)

    def release(self, record: TreeRecord) -> None:
        """Let all that was set aside in a tree be tried again."""
        record.generation += 1
        record.is_due = False
        for queue in record.parked:
            queue.pending.release()
            record.ready[queue] = None
        record.parked.clear()
        self._restless[record] = None

    def release_all(self) -> None:
        for record in self.forest.trees:
            self.release(record)

    def forget_progress(self) -> None:
        """Let every scan of flavors begin at the first one again, and no preemptor be first."""
        self.forget_scans()
        for queue in self.forest.queues.values():
            queue.pending.sticky = None

    def forget_scans(self) -> None:
        """Let every scan of flavors begin at the first one again."""
        for queue in self.forest.queues.values():
            for workload in queue.pending:
                workload.progress = None

    def change(self, spec: ForestSpec) -> None:
        """Quotas, queues and flavors as they are now. Usage above a lowered quota stays. Raises: SpecError."""
        flavors = {flavor.name: flavor for flavor in spec.flavors}
        has_new_flavors = flavors != self.judge.flavors
        rebuilt = self.forest.rebuild(spec)
        self.judge.flavors = flavors
        alive = set(self.forest.trees)
        self._restless = {record: None for record in self._restless if record in alive}
        for queue in rebuilt.gone:
            self._drop(queue)
        for record in rebuilt.changed:
            self._adopt(record)
        if has_new_flavors:
            for queue in self.forest.queues.values():
                queue.plans.clear()
            for record in self.forest.trees:
                record.forget()
                self._make_due(record)
        for work in [work for work in self._without_queue.values() if work.queue in self.forest.queues]:
            del self._without_queue[work.name]
            self.submit(work)

    def drained(self) -> Iterator[Workload]:
        """The work that a queue with HoldAndDrain has to give up."""
        for queue in self.forest.queues.values():
            if queue.spec.stop is StopPolicy.HOLD_AND_DRAIN:
                yield from [holder[4] for holder in queue.holders]

    def states(self) -> Iterator[WorkState]:
        """Everything that `restore` needs to build the same scheduler again."""
        pairs = self.forest.frs.pairs
        for workload in self.workloads.values():
            pending = workload.queue.pending
            yield WorkState(
                work=workload.work,
                reservation=describe_reservation(workload, pairs),
                is_parked=workload.usage is None and pending.is_parked(workload) and not workload.queue.tree.is_due,
                is_sticky=pending.sticky is workload,
            )
        yield from (WorkState(work=work) for work in self._without_queue.values())

    def find_missing_queue(self, name: str) -> str | None:
        """The queue that a workload names and that is not there."""
        work = self._without_queue.get(name)
        return work.queue if work is not None else None

    def usage(self, name: str) -> Mapping[tuple[str, str], int]:
        """What a node uses, by fr. Raises: KeyError."""
        node = self.forest.queues.get(name) or self.forest.cohorts[name]
        return {pair: amount for pair, amount in zip(self.forest.frs.pairs, node.usage, strict=True) if amount}

    def _get(self, name: str) -> Workload:
        try:
            return self.workloads[name]
        except KeyError:
            raise UnknownWorkloadError(name) from None

    def _enqueue(self, workload: Workload) -> None:
        if workload.queue.pending.add(workload):
            self._make_ready(workload.queue)

    def _make_ready(self, queue: Queue) -> None:
        queue.tree.ready[queue] = None
        self._restless[queue.tree] = None

    def _make_due(self, record: TreeRecord) -> None:
        """What is set aside is released once the tree is quiet. Kueue does so a second later, in batches: a preemptor, and the work
        that it evicted, have been tried again by then."""
        record.is_due = True
        self._restless[record] = None

    def _admit(self, nomination: Nomination) -> None:
        workload = nomination.workload
        workload.queue.pending.discard(workload)
        workload.progress = None
        self._book(workload, nomination.assignment.usage, max(self.now, workload.work.created_at))
        self._note(workload.queue)

    def _book(self, workload: Workload, usage: Amounts, reserved_at: int, *, is_evicting: bool = False) -> None:
        workload.usage, workload.reserved_at, workload.is_evicting = usage, reserved_at, is_evicting
        book(workload)
        workload.queue.tree.evicting += is_evicting

    def _free(self, workload: Workload) -> None:
        """Quota comes free: everybody in the tree may soon try again."""
        unbook(workload)
        workload.queue.tree.evicting -= workload.is_evicting
        workload.usage = None
        workload.queue.tree.generation += 1
        self._make_due(workload.queue.tree)

    def _note(self, queue: Queue) -> None:
        """The queue's counts changed. Kueue then looks at the cohorts above it, all but the root, and for each it releases the tree
        (cohort_controller.go: cohortCqHandler.Generic, Reconcile; manager.go: AddOrUpdateCohort)."""
        if queue.parent is not None and queue.parent.parent is not None:
            self._make_due(queue.tree)

    def _drop(self, queue: Queue) -> None:
        """A queue that is gone: its work has nowhere to wait and holds nothing that counts."""
        for name in [name for name, workload in self.workloads.items() if workload.queue is queue]:
            self._without_queue[name] = self.workloads.pop(name).work

    def _adopt(self, record: TreeRecord) -> None:
        for queue in record.queues:
            if queue.pending.has_parked:
                record.parked[queue] = None
            self._make_ready(queue)
            record.evicting += sum(holder[0] == 0 for holder in queue.holders)
        self._make_due(record)


def _find_heads(record: TreeRecord) -> list[Workload]:
    heads = []
    for queue in list(record.ready):
        head = queue.pending.head()
        if head is None or queue.spec.stop is not StopPolicy.NONE:
            del record.ready[queue]
        else:
            heads.append(head)
    return heads
