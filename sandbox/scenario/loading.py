"""From a scenario file to a checked `Scenario`: shape first, then the rules between its parts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import yaml

from aidashboard.kit.quantity import parse_amount
from sandbox.scenario.model import (
    GPU_RESOURCE,
    Behaviour,
    CardFault,
    Demand,
    Department,
    Faults,
    JobTemplate,
    NodePool,
    Pace,
    PodShape,
    Priority,
    Profile,
    Scenario,
    StandingKind,
    StandingTemplate,
    Taint,
    Team,
    User,
)
from sandbox.scenario.reading import NAME, ScenarioError, Value

SCENARIOS: Final = Path(__file__).parent.parent / "scenarios"

_PRODUCT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_MIG_PROFILE = re.compile(r"[1-7]g\.\d{1,3}gb")
_LABEL_VALUE_RULE = "must be a label value: letters, digits, dot, dash, underscore, at most 63"
_TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def load_scenario(path: Path | str) -> Scenario:
    """Read a scenario file; a bare name such as `demo` means the one shipped in `sandbox/scenarios/`.

    Raises: ScenarioError naming file, path, value and rule.
    """
    file = SCENARIOS / f"{path}.yaml" if isinstance(path, str) and NAME.fullmatch(path) else Path(path)
    try:
        root = Value(file, "", yaml.safe_load(file.read_text()))
    except OSError as error:
        raise ScenarioError(f"{file}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{file}: is not YAML: {error}") from error
    fields = root.fields(
        "name", "pools", optional=("seed", "driver_version", "faults", "users", "departments", "profiles", "pace")
    )
    pools = tuple(_pool(item) for item in fields["pools"].items())
    _refuse_duplicates(fields["pools"], [pool.name for pool in pools], "pool")
    users = tuple(User(username=name, full_name=value.text()) for name, value in fields["users"].entries())
    pool_names = {pool.name for pool in pools}
    profiles = {name: _profile(name, value, pool_names) for name, value in fields["profiles"].entries()}
    usernames = {user.username for user in users}
    scenario = Scenario(
        name=fields["name"].name(),
        seed=fields["seed"].integer(minimum=0, default=1),
        driver_version=fields["driver_version"].text(default="580.95.05"),
        pools=pools,
        faults=_faults(fields["faults"], pools),
        users=users,
        departments=tuple(_department(item, usernames, set(profiles)) for item in fields["departments"].items()),
        profiles=profiles,
        pace=_pace(fields["pace"]),
    )
    _check_guarantees(fields["departments"], scenario)
    return scenario


def _pool(value: Value) -> NodePool:
    fields = value.fields(
        "name", "count", "product", "gpus_per_node", "gpu_memory_mib", "cpu", "memory", "zones",
        optional=("labels", "taints", "mig_profiles"),
    )  # fmt: skip
    mig_profiles = fields["mig_profiles"].items()
    pool = NodePool(
        name=fields["name"].name(),
        count=fields["count"].integer(minimum=1, maximum=100),
        product=fields["product"].text(_PRODUCT, _LABEL_VALUE_RULE),
        gpus_per_node=fields["gpus_per_node"].integer(minimum=0, maximum=16),
        gpu_memory_mib=fields["gpu_memory_mib"].integer(minimum=1),
        cpu=fields["cpu"].quantity("cpu"),
        memory=fields["memory"].quantity("memory"),
        zones={zone: count.integer(minimum=1) for zone, count in fields["zones"].entries()},
        labels={key: label.text() for key, label in fields["labels"].entries()},
        taints=tuple(_taint(item) for item in fields["taints"].items()),
        mig_profiles=tuple(item.text(_MIG_PROFILE, "must be a MIG profile such as 3g.40gb") for item in mig_profiles),
    )
    if sum(pool.zones.values()) != pool.count:
        raise fields["zones"].refuse(f"must add up to count, which is {pool.count}")
    if sum(int(profile[0]) for profile in pool.mig_profiles) > 7:
        raise fields["mig_profiles"].refuse("the profiles of one card may have at most 7 slices together")
    return pool


def _taint(value: Value) -> Taint:
    fields = value.fields("key", "effect", optional=("value",))
    return Taint(
        key=fields["key"].text(),
        value=fields["value"].text(default=""),
        effect=fields["effect"].choice(*_TAINT_EFFECTS),
    )


def _faults(value: Value, pools: tuple[NodePool, ...]) -> Faults:
    if value.raw is None:
        return Faults()
    cards_of = {name: pool.gpus_per_node for pool in pools for name in pool.node_names}
    fields = value.fields(optional=("cordoned", "not_ready", "cards"))

    def node(item: Value) -> str:
        name = item.text()
        if name not in cards_of:
            raise item.refuse("must be a node of one of the pools, such as " + next(iter(cards_of)))
        return name

    def card(item: Value) -> CardFault:
        parts = item.fields("node", "gpu", optional=("xid", "double_bit_errors", "is_missing", "is_withdrawn"))
        name = node(parts["node"])
        return CardFault(
            node=name,
            gpu=parts["gpu"].integer(minimum=0, maximum=cards_of[name] - 1),
            xid=parts["xid"].integer(minimum=1, maximum=999, default=0),
            double_bit_errors=parts["double_bit_errors"].integer(minimum=1, default=0),
            is_missing=parts["is_missing"].flag(),
            is_withdrawn=parts["is_withdrawn"].flag(),
        )

    return Faults(
        cordoned=tuple(node(item) for item in fields["cordoned"].items()),
        not_ready=tuple(node(item) for item in fields["not_ready"].items()),
        cards=tuple(card(item) for item in fields["cards"].items()),
    )


def _profile(name: str, value: Value, pools: set[str]) -> Profile:
    fields = value.fields("jobs", optional=("standing",))
    jobs = tuple(_job(item, pools) for item in fields["jobs"].items())
    if not jobs:
        raise fields["jobs"].refuse("needs at least one job")
    return Profile(name=name, jobs=jobs, standing=tuple(_standing(item, pools) for item in fields["standing"].items()))


_SHAPE_FIELDS = ("cpu_per_gpu", "memory_gib_per_gpu", "image", "prefers")


def _job(value: Value, pools: set[str]) -> JobTemplate:
    fields = value.fields(
        "name", "behaviour", "weight", "gpus_per_pod", "hours",
        optional=("pods", "priority", "failure_ratio", *_SHAPE_FIELDS),
    )  # fmt: skip
    return JobTemplate(
        name=fields["name"].name(),
        behaviour=Behaviour(fields["behaviour"].choice(*Behaviour)),
        weight=fields["weight"].number(minimum=0.001, maximum=1000),
        pods=tuple(item.integer(minimum=1, maximum=64) for item in fields["pods"].items()) or (1,),
        shape=_shape(fields, pools),
        hours=fields["hours"].range(minimum=0.01, maximum=24 * 14),
        priority=Priority(fields["priority"].choice(*Priority, default=Priority.NORMAL)),
        failure_ratio=fields["failure_ratio"].number(minimum=0, maximum=1, default=0),
    )


def _standing(value: Value, pools: set[str]) -> StandingTemplate:
    fields = value.fields(
        "name", "kind", "behaviour", "count", "gpus_per_pod", "hours",
        optional=("replicas", "priority", *_SHAPE_FIELDS),
    )  # fmt: skip
    return StandingTemplate(
        name=fields["name"].name(),
        kind=StandingKind(fields["kind"].choice(*StandingKind)),
        behaviour=Behaviour(fields["behaviour"].choice(*Behaviour)),
        count=fields["count"].integer(minimum=1, maximum=20),
        replicas=fields["replicas"].integer(minimum=1, maximum=20, default=1),
        shape=_shape(fields, pools),
        hours=fields["hours"].number(minimum=0.05, maximum=24 * 14),
        priority=Priority(fields["priority"].choice(*Priority, default=Priority.NORMAL)),
    )


def _shape(fields: dict[str, Value], pools: set[str]) -> PodShape:
    return PodShape(
        gpus=fields["gpus_per_pod"].integer(minimum=1, maximum=16),
        cpu_per_gpu=fields["cpu_per_gpu"].integer(minimum=1, maximum=128, default=8),
        memory_gib_per_gpu=fields["memory_gib_per_gpu"].integer(minimum=1, maximum=2048, default=64),
        image=fields["image"].text(default="pytorch:latest"),
        prefers=tuple(item.choice(*sorted(pools)) for item in fields["prefers"].items()),
    )


def _department(value: Value, usernames: set[str], profiles: set[str]) -> Department:
    fields = value.fields("name", "title", "guaranteed", "ceiling", "teams")
    return Department(
        name=fields["name"].name(),
        title=fields["title"].text(),
        guaranteed=fields["guaranteed"].quantities(),
        ceiling=fields["ceiling"].quantities(),
        teams=tuple(_team(item, usernames, profiles) for item in fields["teams"].items()),
    )


def _team(value: Value, usernames: set[str], profiles: set[str]) -> Team:
    fields = value.fields(
        "name", "title", "guaranteed", "ceiling", "members", "profile", "demand", optional=("owners",)
    )

    def people(source: Value) -> tuple[str, ...]:
        for item in source.items():
            if item.raw not in usernames:
                raise item.refuse("must be a username listed under users")
        return tuple(item.text() for item in source.items())

    demand = fields["demand"].fields("low", "high", optional=("period_hours", "phase"))
    return Team(
        name=fields["name"].name(),
        title=fields["title"].text(),
        guaranteed=fields["guaranteed"].quantities(),
        ceiling=fields["ceiling"].quantities(),
        owners=people(fields["owners"]),
        members=people(fields["members"]),
        profile=fields["profile"].choice(*sorted(profiles)),
        demand=Demand(
            low=demand["low"].number(minimum=0, maximum=20),
            high=demand["high"].number(minimum=0, maximum=20),
            period_hours=demand["period_hours"].number(minimum=0.1, maximum=240, default=4),
            phase=demand["phase"].number(minimum=0, maximum=1, default=0),
        ),
    )


def _pace(value: Value) -> Pace:
    if value.raw is None:
        return Pace(speed=20, max_jobs=150, max_pods=300, max_waiting_per_team=4)
    fields = value.fields("speed", "max_jobs", "max_pods", "max_waiting_per_team")
    return Pace(
        speed=fields["speed"].number(minimum=0.1, maximum=1000),
        max_jobs=fields["max_jobs"].integer(minimum=1),
        max_pods=fields["max_pods"].integer(minimum=1),
        max_waiting_per_team=fields["max_waiting_per_team"].integer(minimum=1),
    )


def _check_guarantees(value: Value, scenario: Scenario) -> None:
    """The rules that the product will hold the quota tree to: a scenario that broke them could not be set up."""
    _refuse_duplicates(value, [team.name for team in scenario.teams], "team")
    total: dict[str, int] = {}
    for index, department in enumerate(scenario.departments):
        place = Value(value.file, f"{value.path}[{index}].guaranteed", dict(department.guaranteed))
        for resource, quantity in department.guaranteed.items():
            amount = parse_amount(resource, quantity)
            total[resource] = total.get(resource, 0) + amount
            of_teams = sum(parse_amount(resource, team.guaranteed.get(resource, "0")) for team in department.teams)
            if of_teams > amount:
                raise place.refuse(f"{resource} must be at least what its teams are guaranteed together, {of_teams}")
            if resource in department.ceiling and parse_amount(resource, department.ceiling[resource]) < amount:
                raise place.refuse(f"{resource} must not be above the ceiling, {department.ceiling[resource]}")
        for team in department.teams:
            for resource, quantity in team.guaranteed.items():
                ceiling = team.ceiling.get(resource)
                if ceiling is not None and parse_amount(resource, quantity) > parse_amount(resource, ceiling):
                    raise place.refuse(f"{resource} of {team.name} is above its own ceiling, {ceiling}")
    guaranteed, schedulable = total.get(GPU_RESOURCE, 0), scenario.schedulable_gpus
    if guaranteed > schedulable:
        raise value.refuse(f"guarantees {guaranteed} GPUs, but only {schedulable} can be scheduled")


def _refuse_duplicates(value: Value, names: list[str], noun: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise value.refuse(f"holds the {noun} {name!r} twice")
