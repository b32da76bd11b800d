"""What happens here that apps above want to hear of, which this app may not import."""

from __future__ import annotations

from django.dispatch import Signal

# Sent, after the commit, when a person asks to try an object again. Arguments: `owner`, the owner label of the object
# (`quota-tree-3`); whoever keeps objects under that label reconciles at once.
retry_requested = Signal()
