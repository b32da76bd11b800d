"""What is asked of a cluster on the spot: whether a credential works, and the log of a pod. Short deadlines: a person waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aidashboard.kit.errors import Finding, ForbiddenError, MissingError, UnavailableError
from clusters.connections import open_client
from clusters.domain.access import ClusterAccess
from clusters.domain.rights import Right, list_missing
from clusters.kube.client import KubeClient, Timing
from clusters.kube.errors import (
    ClusterForbiddenError,
    ClusterUnauthorizedError,
    ClusterUnreachableError,
    KubeError,
    ObjectInvalidError,
    ObjectMissingError,
    UnexpectedAnswerError,
)
from clusters.kube.kinds import KUEUE_API_VERSION, KUEUE_GROUP, POD
from clusters.kube.protocol import JsonObject, KubeApi
from clusters.models import Cluster

_PROBE_TIMING: Final = Timing(connect_seconds=3, read_seconds=5, attempts=2, budget_seconds=6)
_REVIEWS: Final = "/apis/authorization.k8s.io/v1"
_LARGEST_LOG_BYTES: Final = 1024 * 1024
KUEUE_MISSING: Final = "Kueue is not installed in this cluster: quotas can be written down, but nothing enforces them."
KUEUE_TOO_OLD: Final = "Kueue in this cluster serves {versions} but not v1beta2: update Kueue to 0.17 or newer."


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What came of asking a cluster. Findings that are warnings do not stop a registration."""

    findings: tuple[Finding, ...]
    kubernetes_version: str = ""
    kueue_version: str = ""

    @property
    def is_usable(self) -> bool:
        return all(finding.is_warning for finding in self.findings)


def probe_access(access: ClusterAccess) -> Probe:
    """Try the address, the credential and every right that we need; says precisely what fails. Never raises."""
    try:
        api = KubeClient(access, timing=_PROBE_TIMING)
    except ClusterUnreachableError as error:
        return Probe(findings=(_describe_fault(error),))
    try:
        version = str(api.call("GET", "/version").get("gitVersion", ""))
        # Anybody may ask for the version; only this asks who we are.
        missing = _list_missing_rights(api)
        kueue_version, kueue_findings = _probe_kueue(api)
    except KubeError as error:
        return Probe(findings=(_describe_fault(error),))
    finally:
        api.close()
    findings = [*(_describe_missing(right) for right in missing), *kueue_findings]
    return Probe(findings=tuple(findings), kubernetes_version=version, kueue_version=kueue_version)


def read_log(
    *, cluster: Cluster, namespace: str, pod: str, container: str = "", tail_lines: int = 500, is_previous: bool = False
) -> str:
    """The end of a container's log, at most a megabyte.

    Raises: MissingError when there is no such pod or log yet; ForbiddenError; UnavailableError.
    """
    query = [("tailLines", str(tail_lines)), ("limitBytes", str(_LARGEST_LOG_BYTES)), ("timestamps", "true")]
    if container:
        query.append(("container", container))
    if is_previous:
        query.append(("previous", "true"))
    try:
        return open_client(cluster).call_text(f"{POD.path(namespace=namespace, name=pod)}/log", query=query)
    except (ObjectMissingError, ObjectInvalidError) as error:
        raise MissingError(f"There is no log of {namespace}/{pod}.", hint=error.message) from error
    except ClusterForbiddenError as error:
        raise ForbiddenError(error.message) from error
    except KubeError as error:
        raise UnavailableError(error.message) from error


def _list_missing_rights(api: KubeApi) -> list[Right]:
    body: JsonObject = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "default"},
    }
    answer = api.call("POST", f"{_REVIEWS}/selfsubjectrulesreviews", body=body)
    rules = (answer.get("status") or {}).get("resourceRules") or []
    # The rules may be incomplete (a webhook decides, for instance), so what seems missing is asked for by name.
    return [right for right in list_missing(rules) if not _is_allowed(api, right)]


def _is_allowed(api: KubeApi, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": subresource}
    body: JsonObject = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = api.call("POST", f"{_REVIEWS}/selfsubjectaccessreviews", body=body)
    return bool((answer.get("status") or {}).get("allowed"))


def _probe_kueue(api: KubeApi) -> tuple[str, list[Finding]]:
    try:
        group = api.call("GET", f"/apis/{KUEUE_GROUP}")
    except ObjectMissingError:
        return "", [Finding(rule="kueue-missing", message=KUEUE_MISSING, is_warning=True)]
    served = [str(version.get("groupVersion", "")) for version in group.get("versions") or []]
    if KUEUE_API_VERSION in served:
        return KUEUE_API_VERSION.partition("/")[2], []
    versions = ", ".join(version.partition("/")[2] for version in served)
    return "", [Finding(rule="kueue-old", message=KUEUE_TOO_OLD.format(versions=versions), is_warning=True)]


def _describe_missing(right: Right) -> Finding:
    message = f"The credential lacks the right to {right}: apply deploy/rbac/aidashboard.yaml, or grant it."
    return Finding(rule="missing-right", field="credential", value=str(right), message=message)


def _describe_fault(error: KubeError) -> Finding:
    if isinstance(error, ClusterUnreachableError):
        return Finding(rule=f"unreachable-{error.cause}", field="api_server_url", message=error.message)
    if isinstance(error, ClusterUnauthorizedError):
        return Finding(rule="unauthorized", field="credential", message=error.message)
    if isinstance(error, UnexpectedAnswerError):
        return Finding(rule="not-kubernetes", field="api_server_url", message=error.message)
    return Finding(rule="api-server", field="api_server_url", message=error.message)
