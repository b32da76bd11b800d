"""From the cluster to rows: one process follows every registered cluster and keeps the inventory tables in step.

`following` holds the threads of one cluster (a watch per kind, and a pulse), `writing` the one thread that writes rows and publishes
events, `supervising` the loop that leases clusters and starts and stops followers. Rows are only written when what we keep of an
object has changed; a cluster that can't be reached keeps its rows and shows their age.
"""

from clusters.observe.supervising import Observer

__all__ = ["Observer"]
