"""A played day as OpenMetrics text: what Prometheus would have scraped from the GPU exporter, kube-state-metrics and Kueue.

Only the metrics that charts of the past are drawn from. Labels that a whole file shares (job, instance) are added by the
import. The cards are carried through the day by the same functions as the live ones, and their last state is returned, so
that the exporter goes on exactly there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from sandbox.gpus.cards import Unit, list_units
from sandbox.gpus.curves import FREE, load_at, seed_of
from sandbox.gpus.exposition import METRICS, Holder, Reading, build_labels
from sandbox.gpus.thermals import CardState, advance, build_idle_state
from sandbox.history.playing import Day, PodRun
from sandbox.scenario.model import GPU_RESOURCE, Scenario, Team

GPU_METRICS: Final = (
    "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_FB_USED",
    "DCGM_FI_DEV_FB_FREE",
    "DCGM_FI_DEV_POWER_USAGE",
    "DCGM_FI_DEV_GPU_TEMP",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
)
_XID: Final = "DCGM_FI_DEV_XID_ERRORS"
_VALUE_OF: Final = {metric.name: metric.value for metric in METRICS}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueNames:
    """What the product calls the queue of a team, and the cohort it belongs to."""

    cluster_queue: Callable[[Team], str]
    cohort: Callable[[Team], str]
    flavor: str


def write_gpu_series(out: TextIO, scenario: Scenario, day: Day, *, times: Sequence[float]) -> dict[str, CardState]:
    """The GPU exporter's past, card by card. Returns `{unit key: last state}`."""
    by_card: dict[tuple[str, int], list[PodRun]] = {}
    for run in day.runs:
        for index in run.indices:
            by_card.setdefault((run.node, index), []).append(run)
    silent = {(fault.node, fault.gpu) for fault in scenario.faults.cards if fault.is_missing}
    xids = {(fault.node, fault.gpu): fault.xid for fault in scenario.faults.cards if fault.xid}
    last: dict[str, CardState] = {}
    for unit in _units(scenario):
        place = (unit.node, unit.index)
        is_silent = place in silent or unit.node in scenario.faults.not_ready
        last[unit.key] = _write_card(
            out,
            unit,
            sorted(by_card.get(place, []), key=lambda run: run.started_at),
            times=times,
            driver_version=scenario.driver_version,
            xid=xids.get(place, 0),
            is_silent=is_silent,
        )
    out.write("# EOF\n")
    return last


def write_state_series(out: TextIO, scenario: Scenario, day: Day, *, times: Sequence[float]) -> None:
    """The past of kube-state-metrics: nodes with their cards, pods with their requests."""
    faults = scenario.faults
    for pool in scenario.pools:
        for node in pool.node_names:
            cards = pool.gpus_per_node
            ready = node not in faults.not_ready
            gpu = f'node="{node}",resource="nvidia_com_gpu",unit="integer"'
            _write_constant(out, "kube_node_status_capacity", gpu, cards, times)
            _write_constant(out, "kube_node_status_allocatable", gpu, cards - scenario.withdrawn_gpus(node), times)
            _write_constant(out, "kube_node_spec_unschedulable", f'node="{node}"', int(node in faults.cordoned), times)
            for status, value in (("true", ready), ("false", not ready), ("unknown", False)):
                labels = f'node="{node}",condition="Ready",status="{status}"'
                _write_constant(out, "kube_node_status_condition", labels, int(value), times)
    for run in day.runs:
        held = [time for time in times if run.started_at <= time < run.ended_at]
        if not held:
            continue
        pod = f'namespace="{run.namespace}",pod="{run.pod}",uid="{run.uid}"'
        request = f'{pod},container="main",node="{run.node}",resource="nvidia_com_gpu",unit="integer"'
        kind, name = run.owner
        owner = f'{pod},owner_kind="{kind}",owner_name="{name}",owner_is_controller="true"'
        _write_constant(out, "kube_pod_container_resource_requests", request, len(run.indices), held)
        _write_constant(out, "kube_pod_status_phase", f'{pod},phase="Running"', 1, held)
        _write_constant(out, "kube_pod_owner", owner, 1, held)
        _write_constant(out, "kube_pod_start_time", pod, int(run.started_at), held)
    out.write("# EOF\n")


def write_queue_series(out: TextIO, scenario: Scenario, day: Day, *, times: Sequence[float], names: QueueNames) -> None:
    """The past of Kueue's quota metrics, for GPUs."""
    for team in scenario.teams:
        queue = f'cluster_queue="{names.cluster_queue(team)}"'
        quota = f'cohort="{names.cohort(team)}",{queue},flavor="{names.flavor}",resource="{GPU_RESOURCE}"'
        runs = [run for run in day.runs if run.namespace == team.namespace]
        used = [
            (time, sum(len(run.indices) for run in runs if run.started_at <= time < run.ended_at)) for time in times
        ]
        _write(out, "kueue_cluster_queue_resource_usage", quota, used)
        _write(out, "kueue_cluster_queue_resource_reservation", quota, used)
        _write_constant(out, "kueue_cluster_queue_nominal_quota", quota, team.guaranteed_gpus, times)
        limit = team.ceiling_gpus - team.guaranteed_gpus
        _write_constant(out, "kueue_cluster_queue_borrowing_limit", quota, limit, times)
        _write(out, "kueue_pending_workloads", f'{queue},status="active"', _waiting(day, team, times))
        _write_constant(out, "kueue_pending_workloads", f'{queue},status="inadmissible"', 0, times)
    out.write("# EOF\n")


def _write_card(
    out: TextIO,
    unit: Unit,
    runs: list[PodRun],
    *,
    times: Sequence[float],
    driver_version: str,
    xid: int,
    is_silent: bool,
) -> CardState:
    seed = seed_of(unit.uuid)
    state = build_idle_state(unit.model, seed=seed, at=times[0] - 3600)
    for run, stretch in _stretches(runs, times):
        holder = Holder(namespace=run.namespace, pod=run.pod, container="main") if run is not None else None
        labels = build_labels(unit, driver_version=driver_version, holder=holder)
        pod_seed = seed_of(unit.key, run.uid) if run is not None else 0.0
        rows: dict[str, list[str]] = {name: [] for name in GPU_METRICS}
        for time in stretch:
            load = FREE
            if run is not None:
                load = load_at(run.behaviour, seed=pod_seed, age_seconds=time - run.started_at, time=time)
            state = advance(state, unit.model, load, seed=seed, at=time)
            if is_silent:
                continue
            reading = Reading(unit=unit, labels=labels, load=load, state=state)
            for name, lines in rows.items():
                value = _VALUE_OF[name](reading)
                if value is not None:
                    lines.append(f"{name}{{{labels}}} {value} {time:.0f}\n")
        for lines in rows.values():
            out.writelines(lines)
        if xid and not is_silent:
            # A code that was always there raises no alarm; one without a past would look new.
            _write_constant(out, _XID, f'{labels},err_code="{xid}"', xid, stretch)
    return state


def _stretches(runs: list[PodRun], times: Sequence[float]) -> Iterator[tuple[PodRun | None, list[float]]]:
    """The times cut where the holder of the card changes; None while it is free."""
    current: PodRun | None = None
    stretch: list[float] = []
    upcoming = iter(runs)
    following = next(upcoming, None)
    for time in times:
        holder = current if current is not None and time < current.ended_at else None
        while holder is None and following is not None and following.started_at <= time:
            if time < following.ended_at:
                holder = following
            following = next(upcoming, None)
        if holder is not current and stretch:
            yield current, stretch
            stretch = []
        current = holder
        stretch.append(time)
    if stretch:
        yield current, stretch


def _units(scenario: Scenario) -> Iterator[Unit]:
    for pool in scenario.pools:
        for node in pool.node_names:
            yield from list_units(
                node=node,
                product=pool.product,
                count=pool.gpus_per_node,
                memory_mib=pool.gpu_memory_mib,
                mig_profiles=pool.mig_profiles,
            )


def _waiting(day: Day, team: Team, times: Sequence[float]) -> list[tuple[float, float]]:
    """How many jobs of a team waited at each of the times; the moments of a day are ordered."""
    starts = [moment.at for moment in day.moments]
    moments = [day.moments[max(0, bisect_right(starts, time) - 1)] for time in times]
    return [(time, moment.waiting_jobs[team.name]) for time, moment in zip(times, moments, strict=True)]


def _write(out: TextIO, name: str, labels: str, values: Iterable[tuple[float, float]]) -> None:
    out.writelines([f"{name}{{{labels}}} {value} {time:.0f}\n" for time, value in values])


def _write_constant(out: TextIO, name: str, labels: str, value: float, times: Iterable[float]) -> None:
    head = f"{name}{{{labels}}} {value} "
    out.writelines([f"{head}{time:.0f}\n" for time in times])
