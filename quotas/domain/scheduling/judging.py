"""What would become of one workload on the accounts as they are: its flavors, and whom it would evict. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from quotas.domain.scheduling.assignment import Assigner, Assignment, Mode, Note, Tried
from quotas.domain.scheduling.classical import ClassicalSearch
from quotas.domain.scheduling.fair import FairSearch
from quotas.domain.scheduling.frs import FlavorResources
from quotas.domain.scheduling.nominations import Nomination
from quotas.domain.scheduling.plans import Plan, make_plan
from quotas.domain.scheduling.prospects import are_nil, leaves_no_trace
from quotas.domain.scheduling.spec import FlavorSpec, Options
from quotas.domain.scheduling.victims import Protection, Target
from quotas.domain.scheduling.workloads import Amounts, Workload


class Judge:
    """`flavors` may be replaced when the cluster's are; plans are kept on the queues."""

    __slots__ = ("_assigner", "_found", "_frs", "_is_fair", "_search", "flavors", "protection")

    def __init__(self, frs: FlavorResources, options: Options) -> None:
        self._frs = frs
        self._search = FairSearch if options.fair_sharing else ClassicalSearch
        self._assigner = Assigner(self._find_victims, is_fair=options.fair_sharing)
        self._found: dict[tuple[tuple[tuple[int, int], ...], tuple[int, ...]], list[Target]] = {}
        self._is_fair = options.fair_sharing
        self.flavors: Mapping[str, FlavorSpec] = {}
        self.protection = Protection(options.minimum_run)

    def is_hopeless(self, workload: Workload) -> bool:
        """Whether `nominate` would find neither room nor victims, and setting the workload aside would leave no other trace in its
        cycle; False where that takes a closer look."""
        usage = self.plan(workload).only_usage
        if usage is None or not leaves_no_trace(workload):
            return False
        if are_nil(workload, usage, is_fair=self._is_fair):
            return True
        looked = self._look(workload)
        return looked is not None and not looked.targets

    def _look(self, workload: Workload) -> Nomination | None:
        """Victims for the whole request, its parts not looked at: enough for a No, and, as it lacks nothing but the borrowing level,
        enough for everything under fair sharing. None where there is room, or a choice, or more to it.

        Preemptors that wait for their victims are looked at in every cycle, mostly with nothing changed since.
        """
        looks, key = workload.queue.tree.looks, (workload, self.protection.now)
        if key not in looks:
            looks[key] = self._look_closely(workload)
        return looks[key]

    def _look_closely(self, workload: Workload) -> Nomination | None:
        plan, queue = self.plan(workload), workload.queue
        usage = plan.only_usage
        if usage is None or not leaves_no_trace(workload):
            return None
        contested = tuple(place for place, amount in usage if amount > queue.available(place))
        if not contested or not self._may_be_had(workload):
            return None
        flavors = tuple(
            {resource: group.options[0].name for group in demand.groups for resource in group.resources}
            for demand in plan.pod_sets
        )
        counts = tuple(demand.count for demand in plan.pod_sets)
        assignment = Assignment(Mode.PREEMPT, usage=usage, contested=contested, flavors=flavors, counts=counts)
        victims = self._search(workload, usage, contested, self.protection).run()
        return Nomination(workload, assignment, victims)

    def nominate_in_vain(self, workload: Workload) -> Nomination:
        """What `nominate` says of a hopeless workload under fair sharing, where only what cannot be had at all is not even tried."""
        if self._may_be_had(workload):
            return Nomination(workload, Assignment(Mode.PREEMPT, usage=self.plan(workload).only_usage or ()))
        return self.nominate(workload)

    def _may_be_had(self, workload: Workload) -> bool:
        """Whether the queue could ever give this, with nothing running."""
        plan, potential = self.plan(workload), workload.queue.potential
        return plan.is_servable and all(amount <= potential[place] for place, amount in plan.only_usage or ())

    def nominate(
        self,
        workload: Workload,
        *,
        tried: Tried = (),
        only: tuple[Mapping[str, str], ...] = (),
        note: Note | None = None,
    ) -> Nomination:
        """Flavors and victims for all its pods, or else for as many as its pod sets can do with."""
        looked = self._look(workload) if self._is_fair and note is None else None
        if looked is not None:
            return looked
        found = self._try(workload, self.plan(workload), tried, only, note)
        if _is_good(found) or not workload.may_shrink:
            return found
        return self._try_fewer(workload, tried, only) or found

    def _try(
        self,
        workload: Workload,
        plan: Plan,
        tried: Tried,
        only: tuple[Mapping[str, str], ...],
        note: Note | None = None,
    ) -> Nomination:
        self._found.clear()
        assignment = self._assigner.assign(workload, plan, tried=tried, only=only, note=note)
        if assignment.mode is not Mode.PREEMPT:
            return Nomination(workload, assignment)
        return Nomination(workload, assignment, self._find_victims(workload, assignment.usage, assignment.contested))

    def _try_fewer(self, workload: Workload, tried: Tried, only: tuple[Mapping[str, str], ...]) -> Nomination | None:
        """The most pods that work, all pod sets reduced in proportion: a binary search, as Kueue's, which takes for granted that
        fewer pods never fit worse."""
        pod_sets = workload.work.pod_sets
        spare = [
            pod_set.count - (pod_set.count if pod_set.min_count is None else pod_set.min_count) for pod_set in pod_sets
        ]
        total = sum(spare)
        best: Nomination | None = None
        low, high = 0, total + 1
        while low < high and total > 0:
            middle = (low + high) // 2
            counts = [one.count - extra * middle // total for one, extra in zip(pod_sets, spare, strict=True)]
            plan = make_plan(workload.queue.spec, pod_sets, self.flavors, self._frs, counts)
            found = self._try(workload, plan, tried, only)
            if _is_good(found):
                best, high = found, middle
            else:
                low = middle + 1
        return best

    def plan(self, workload: Workload) -> Plan:
        """What the workload asks of its queue, made once per shape."""
        plan = workload.queue.plans.get(workload.shape)
        if plan is None:
            plan = make_plan(workload.queue.spec, workload.work.pod_sets, self.flavors, self._frs)
            workload.queue.plans[workload.shape] = plan
        return plan

    def _find_victims(self, workload: Workload, usage: Amounts, places: tuple[int, ...]) -> list[Target]:
        key = (tuple(usage), places)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._search(workload, usage, places, self.protection).run()
        return found


def _is_good(nomination: Nomination) -> bool:
    return nomination.assignment.mode is Mode.FIT or bool(nomination.targets)
