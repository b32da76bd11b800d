"""What would become of one workload on the accounts as they are: its flavors, and whom it would evict. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping

from quotas.domain.scheduling.assignment import Assigner, Assignment, Mode, Note, Tried
from quotas.domain.scheduling.classical import ClassicalSearch
from quotas.domain.scheduling.fair import FairSearch
from quotas.domain.scheduling.frs import FlavorResources
from quotas.domain.scheduling.nominations import Nomination
from quotas.domain.scheduling.plans import Plan, make_plan
from quotas.domain.scheduling.prospects import Prospects, leaves_no_trace
from quotas.domain.scheduling.spec import FlavorSpec, Options
from quotas.domain.scheduling.victims import Protection, Target
from quotas.domain.scheduling.workloads import Amounts, Workload


class Judge:
    """`flavors` may be replaced when the cluster's are; plans are kept on the queues."""

    __slots__ = ("_assigner", "_found", "_frs", "_is_fair", "_looked", "_prospects", "_search", "flavors", "protection")

    def __init__(self, frs: FlavorResources, options: Options) -> None:
        self._frs = frs
        self._search = FairSearch if options.fair_sharing else ClassicalSearch
        self._assigner = Assigner(self._find_victims, is_fair=options.fair_sharing)
        self._found: dict[tuple[tuple[tuple[int, int], ...], tuple[int, ...]], list[Target]] = {}
        self._is_fair = options.fair_sharing
        self._looked: tuple[Workload, tuple[int, ...], list[Target]] | None = None
        self._prospects = Prospects(is_fair=options.fair_sharing)
        self.flavors: Mapping[str, FlavorSpec] = {}
        self.protection = Protection(options.minimum_run)

    def is_hopeless(self, workload: Workload) -> bool:
        """Whether `nominate` would find neither room nor victims, and setting the workload aside would leave no other trace in its
        cycle; False where that takes a closer look."""
        usage = self.plan(workload).only_usage
        if usage is None or not leaves_no_trace(workload):
            return False
        if self._prospects.are_nil(workload, usage):
            return True
        # Without a choice of flavors, no victims for the whole request settle it; the parts need not be looked at.
        contested = tuple(place for place, amount in usage if amount > workload.queue.available(place))
        self._found.clear()
        if not contested or not self._may_be_had(workload):
            return False
        victims = self._find_victims(workload, list(usage), contested)
        self._looked = (workload, contested, victims) if victims else None
        return not victims

    def nominate_in_vain(self, workload: Workload) -> Nomination:
        """What `nominate` says of a hopeless workload under fair sharing, where only what cannot be had at all is not even tried."""
        if self._may_be_had(workload):
            return Nomination(workload, Assignment(Mode.PREEMPT, usage=list(self.plan(workload).only_usage or ())))
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
        looked, self._looked = self._looked, None
        if looked is not None and looked[0] is workload and self._is_fair and note is None and not only:
            return self._take_victims(*looked)
        found = self._try(workload, self.plan(workload), tried, only, note)
        if _is_good(found) or not workload.may_shrink:
            return found
        return self._try_fewer(workload, tried, only) or found

    def _take_victims(self, workload: Workload, contested: tuple[int, ...], victims: list[Target]) -> Nomination:
        """Of a head without a choice of flavors, what was found already. Under fair sharing nobody asks for its borrowing level, which
        is all that looking at its resources one by one could add."""
        plan = self.plan(workload)
        flavors = tuple(
            {resource: group.options[0].name for group in demand.groups for resource in group.resources}
            for demand in plan.pod_sets
        )
        counts = tuple(demand.count for demand in plan.pod_sets)
        usage = list(plan.only_usage or ())
        assignment = Assignment(Mode.PREEMPT, usage=usage, contested=contested, flavors=flavors, counts=counts)
        return Nomination(workload, assignment, victims)

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
