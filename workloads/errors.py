"""What can go wrong with workloads."""

from aidashboard.kit.errors import InvalidError, MissingError


class WorkloadMissingError(MissingError):
    """There is no such workload, or it is in a namespace that the viewer may not see."""


class WorkloadQueryError(InvalidError):
    """A filter or an ordering of the list is none that we know."""
