"""What a pod asks for.

Source: k8s.io/component-helpers, resource, PodRequests. Containers and restartable init containers (sidecars) run together; each other
init container runs before them, beside the sidecars started so far; the larger of the two counts, plus overhead. A request of the
pod as a whole replaces the sum for the resources that it names.

Example: containers cpu 1 + 1, sidecar cpu 0.5, an init container cpu 4 after the sidecar -> max(2.5, 4.5) = 4500 milli-units.
"""

from __future__ import annotations

from clusters.kube.parsing.fields import Amounts, JsonObject, add_amounts, amounts, items, mapping, max_amounts


def sum_pod_requests(spec: JsonObject) -> Amounts:
    """The amounts that the scheduler reserves for a pod with this spec."""
    sidecars: Amounts = {}
    peak_before_start: Amounts = {}
    for container in items(spec, "initContainers"):
        asked = _read_container(container)
        if container.get("restartPolicy") == "Always":
            sidecars = add_amounts((sidecars, asked))
        else:
            peak_before_start = max_amounts(peak_before_start, add_amounts((sidecars, asked)))
    running = add_amounts((sidecars, *(_read_container(container) for container in items(spec, "containers"))))
    total = max_amounts(running, peak_before_start) | amounts(mapping(spec, "resources", "requests"))
    return add_amounts((total, amounts(mapping(spec, "overhead"))))


def _read_container(container: JsonObject) -> Amounts:
    """Requests, and limits for what is limited but not requested, as the API server defaults them."""
    return amounts(mapping(container, "resources", "limits")) | amounts(mapping(container, "resources", "requests"))
