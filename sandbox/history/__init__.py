"""A day of figures for a fresh sandbox, so that the charts of its first hour are not empty.

`write_history` plays the teams of the scenario through the last 24 hours (`playing`), writes what Prometheus would have
scraped (`series`), and lets promtool turn that into blocks in Prometheus' data folder (`importing`). It must run before the
first start of Prometheus and takes a few seconds.
"""

from sandbox.history.importing import HistoryError, HistorySummary, write_history
from sandbox.history.series import QueueNames

__all__ = ["HistoryError", "HistorySummary", "QueueNames", "write_history"]
