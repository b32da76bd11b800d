"""The driver's loop: looks at the cluster, submits what is due, keeps the standing work alive."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sandbox.api import ApiError, JsonObject, KubeApi
from sandbox.demand import JobPlan, StandingPlan, plan_standing
from sandbox.driver.census import Census, count_jobs
from sandbox.driver.manifests import (
    DRIVER_LABEL,
    build_job,
    build_priority_classes,
    build_standing,
)
from sandbox.driver.pacing import TeamPace
from sandbox.gpus.curves import seed_of
from sandbox.scenario.model import Scenario, StandingKind

TICK_SECONDS: Final = 1.0
CENSUS_SECONDS: Final = 4.0
STANDING_SECONDS: Final = 20.0
# Per tick and for all teams: a full cluster takes half a minute to fill, and nothing stalls meanwhile.
MOST_PER_TICK: Final = 3
PAUSE_AFTER_REFUSAL_SECONDS: Final = 5.0

LOCAL_QUEUES: Final = "/apis/kueue.x-k8s.io/v1beta2/localqueues"
PRIORITY_CLASSES: Final = "/apis/kueue.x-k8s.io/v1beta2/workloadpriorityclasses"
OURS: Final = {"labelSelector": f"{DRIVER_LABEL}=true"}


class Player:
    """Plays a scenario on a cluster. `tell` hears one line per thing done."""

    def __init__(
        self,
        api: KubeApi,
        scenario: Scenario,
        *,
        seed: int,
        speed: float,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._scenario = scenario
        self._seed = seed
        self._speed = speed
        self._tell = tell
        self._clock = clock
        self._began = clock()
        self._paces: dict[str, TeamPace] = {}
        self._standing = {
            (plan.team.namespace, plan.name): plan for team in scenario.teams for plan in plan_standing(scenario, team)
        }
        self._census = Census(jobs=0, pods=0, waiting={})
        self._due: dict[str, float] = {}
        self._has_priorities = False
        # Names must not come back after a restart, while the sequence of jobs does.
        self._run = f"{time.time():.0f}"
        self._counter = itertools.count()

    @property
    def lab_hours(self) -> float:
        return (self._clock() - self._began) * self._speed / 3600

    def play(self, stop: threading.Event) -> None:
        """Until `stop` is set. An API server that is away is waited for."""
        while not stop.wait(TICK_SECONDS):
            try:
                self.tick()
            except ApiError as error:
                self._tell(f"waiting: {error.message}")
                stop.wait(PAUSE_AFTER_REFUSAL_SECONDS)

    def tick(self) -> None:
        """One round. Raises: ApiError when the API server does not do what is asked."""
        if self._is_due("census", CENSUS_SECONDS):
            self._take_census()
        if self._is_due("standing", STANDING_SECONDS):
            self._keep_standing()
        budget = MOST_PER_TICK
        # The team with the shortest queue goes first, so that the bound on pods is not eaten by one of them.
        for pace in sorted(self._paces.values(), key=lambda pace: self._census.waiting.get(pace.team.namespace, 0)):
            while budget and (plan := pace.next_job(self._census, now=self.lab_hours)) is not None:
                self._submit(plan)
                pace.submitted(plan, now=self.lab_hours)
                budget -= 1

    def _is_due(self, what: str, seconds: float) -> bool:
        now = self._clock()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + seconds
        return True

    def _take_census(self) -> None:
        queues = self._api.list(LOCAL_QUEUES).items
        bound = {item["metadata"]["namespace"] for item in queues if item["metadata"]["name"] == "default"}
        for team in self._scenario.teams:
            if team.namespace not in bound:
                self._paces.pop(team.namespace, None)
            elif team.namespace not in self._paces:
                self._tell(f"{team.namespace}: has a queue, starts work")
                self._paces[team.namespace] = TeamPace(self._scenario, team, seed=self._seed, now=self.lab_hours)
        if self._paces and not self._has_priorities:
            self._create_priorities()
        standing = sum(plan.template.replicas for plan in self._standing.values())
        # Served from the API server's cache: a few seconds old is good enough, and cheaper.
        jobs = self._api.list("/apis/batch/v1/jobs", {**OURS, "resourceVersion": "0"})
        self._census = count_jobs(jobs.items, standing_pods=standing)

    def _create_priorities(self) -> None:
        for manifest in build_priority_classes():
            _create_once(self._api, PRIORITY_CLASSES, manifest)
        self._has_priorities = True

    def _submit(self, plan: JobPlan) -> None:
        namespace = plan.team.namespace
        name = f"{plan.template.name}-{self._mark(namespace)}"
        job = build_job(plan, name=name, speed=self._speed)
        self._api.create(f"/apis/batch/v1/namespaces/{namespace}/jobs", job)
        self._census = self._census.with_job(namespace, plan.pods)
        self._tell(f"{namespace}: {plan.user} submits {name}, {plan.pods} x {plan.template.shape.gpus} GPUs")

    def _mark(self, namespace: str) -> str:
        """Five letters that no earlier job of this run or the last has."""
        number = int(seed_of(namespace, self._run, str(next(self._counter))) * 36**5)
        return "".join("0123456789abcdefghijklmnopqrstuvwxyz"[number // 36**place % 36] for place in range(5))

    def _keep_standing(self) -> None:
        """Create what is missing, end what is old; the next round replaces it."""
        alive: dict[tuple[str, str], JsonObject] = {}
        for path in ("/apis/apps/v1/statefulsets", "/apis/apps/v1/deployments"):
            for item in self._api.list(path, OURS).items:
                alive[item["metadata"]["namespace"], item["metadata"]["name"]] = item
        for key, plan in self._standing.items():
            if plan.team.namespace not in self._paces:
                continue
            if key not in alive:
                _create_once(self._api, _path(plan), build_standing(plan))
                self._tell(f"{plan.team.namespace}: {plan.user} opens {plan.name}, {plan.gpus} GPUs")
            elif _age_hours(alive[key]) > plan.template.hours and "deletionTimestamp" not in alive[key]["metadata"]:
                self._api.delete(f"{_path(plan)}/{plan.name}")
                self._tell(f"{plan.team.namespace}: {plan.user} closes {plan.name}")


def _path(plan: StandingPlan) -> str:
    kind = "statefulsets" if plan.template.kind is StandingKind.NOTEBOOK else "deployments"
    return f"/apis/apps/v1/namespaces/{plan.team.namespace}/{kind}"


def _create_once(api: KubeApi, path: str, manifest: JsonObject) -> None:
    try:
        api.create(path, manifest)
    except ApiError as error:
        if not error.is_conflict:
            raise


def _age_hours(item: JsonObject) -> float:
    created = datetime.fromisoformat(item["metadata"]["creationTimestamp"])
    return (datetime.now(UTC) - created).total_seconds() / 3600
