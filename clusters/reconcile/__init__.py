"""From rows to the cluster: the machinery that every app with objects in a cluster uses.

An app's own `reconcile` builds what it wants as `Desired` objects with pure functions, takes the `lease` of its row, calls
`match_objects`, and hands the result to `record_result`. No transaction is open while the cluster is asked.
"""

from clusters.domain.matching import Desired, DriftPolicy
from clusters.reconcile.leasing import lease
from clusters.reconcile.matching import MatchResult, ObjectOutcome, match_objects
from clusters.reconcile.recording import record_failure, record_result

__all__ = [
    "Desired",
    "DriftPolicy",
    "MatchResult",
    "ObjectOutcome",
    "lease",
    "match_objects",
    "record_failure",
    "record_result",
]
