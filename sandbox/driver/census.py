"""What of the driver's work is on the cluster now, read from raw lists. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sandbox.api import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """`jobs` counts those that have not ended, `pods` what they have or want. Shape of `waiting`: {namespace: jobs}."""

    jobs: int
    pods: int
    waiting: Mapping[str, int]

    def with_job(self, namespace: str, pods: int) -> Census:
        """As if one more had been submitted, until the next list shows it."""
        waiting = {**self.waiting, namespace: self.waiting.get(namespace, 0) + 1}
        return Census(jobs=self.jobs + 1, pods=self.pods + pods, waiting=waiting)


def count_jobs(items: Iterable[JsonObject], *, standing_pods: int) -> Census:
    jobs, pods = 0, standing_pods
    waiting: dict[str, int] = {}
    for item in items:
        if _has_ended(item):
            continue
        jobs += 1
        pods += item["spec"].get("parallelism", 1)
        if item["spec"].get("suspend"):
            namespace = item["metadata"]["namespace"]
            waiting[namespace] = waiting.get(namespace, 0) + 1
    return Census(jobs=jobs, pods=pods, waiting=waiting)


def _has_ended(item: JsonObject) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(
        condition["type"] in {"Complete", "Failed"} and condition["status"] == "True" for condition in conditions
    )
