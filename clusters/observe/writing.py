"""The one thread that writes the inventory: batches of changes, a transaction per cluster, events after the commit.

A change after a quiet while is written almost at once, with what came in its company; while changes pour in, a batch closes every 120 ms
and costs a few statements.
When the database is away the batch is kept and tried again; followers wait meanwhile, because the inbox is bounded.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

from aidashboard.kit.events import Topic, publish
from clusters.observe.changes import Change
from clusters.observe.flushing import flush, load_pending
from clusters.observe.pending import PendingCluster

SHORTEST_LINGER_SECONDS: Final = 0.02
FLUSH_EVERY_SECONDS: Final = 0.12
LARGEST_BATCH: Final = 2000
INBOX_SIZE: Final = 10_000
_LONGEST_PAUSE_SECONDS: Final = 5.0

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class InventoryWriter:
    """Takes changes from any thread by `accept`; writes in its own. `holds` says whether a cluster is still ours to write."""

    def __init__(self, *, holds: Callable[[int], bool]) -> None:
        self._holds = holds
        self._inbox: queue.Queue[Change | None] = queue.Queue(maxsize=INBOX_SIZE)
        self._clusters: dict[int, PendingCluster] = {}
        self._forgotten: set[int] = set()
        self._lock = threading.Lock()
        self._flushed_at = 0.0
        self._thread = threading.Thread(target=self._run, name="inventory-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Write what has come in so far, and end."""
        if self.is_alive:  # else nobody would ever make room in a full inbox
            self._inbox.put(None)
            self._thread.join(timeout=10)

    def accept(self, change: Change) -> None:
        """Blocks while the inbox is full."""
        self._inbox.put(change)

    def forget(self, cluster_id: int) -> None:
        """The cluster is followed no more, or afresh: what is known of its rows is read again when it comes back."""
        with self._lock:
            self._forgotten.add(cluster_id)

    # --- the loop ---------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        is_open = True
        while is_open:
            is_open = self._collect()
            self._flush_until_done()
        connection.close()

    def _collect(self) -> bool:
        """Wait for a change and take those that follow closely. False when the writer shall end."""
        change = self._inbox.get()
        now = time.monotonic()
        deadline = max(now + SHORTEST_LINGER_SECONDS, self._flushed_at + FLUSH_EVERY_SECONDS)
        count = 0
        while change is not None:
            self._note(change)
            count += 1
            wait = deadline - time.monotonic()
            if wait <= 0 or count >= LARGEST_BATCH:
                return True
            try:
                change = self._inbox.get(timeout=wait)
            except queue.Empty:
                return True
        return False

    def _note(self, change: Change) -> None:
        with self._lock:
            if change.cluster_id in self._forgotten:
                self._forgotten.discard(change.cluster_id)
                self._clusters.pop(change.cluster_id, None)
        pending = self._clusters.get(change.cluster_id)
        if pending is None:
            pending = self._clusters[change.cluster_id] = self._retry(partial(load_pending, change.cluster_id))
        pending.note(change)

    def _flush_until_done(self) -> None:
        for pending in list(self._clusters.values()):
            if pending.has_changes:
                topics = self._retry(partial(self._flush_ours, pending))
                publish(topics, cluster_id=pending.cluster_id)
        self._flushed_at = time.monotonic()

    def _flush_ours(self, pending: PendingCluster) -> set[Topic]:
        """Write a cluster's batch, or drop it when the lease has run out.

        Asked anew at each try: while the database was away somebody else may have taken the cluster and written newer rows.
        """
        if self._holds(pending.cluster_id):
            return flush(pending)
        del self._clusters[pending.cluster_id]
        return set()

    def _retry(self, step: Callable[[], Result]) -> Result:
        pause = 0.2
        while True:
            try:
                return step()
            except (OperationalError, InterfaceError) as error:
                log.warning("inventory_not_written", error=str(error).partition("\n")[0], retry_seconds=pause)
                connection.close()
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
