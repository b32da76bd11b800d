"""The table of every (flavor, resource) pair: the scheduler counts in lists, and this says which place is whose."""

from __future__ import annotations


class FlavorResources:
    """Places are given out once and never taken back, so that an amount noted under a place stays true."""

    __slots__ = ("_places", "pairs")

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], int] = {}
        self.pairs: list[tuple[str, str]] = []

    def __len__(self) -> int:
        return len(self.pairs)

    def place(self, flavor: str, resource: str) -> int:
        """The place of a pair, a new one for a pair never seen."""
        pair = (flavor, resource)
        place = self._places.get(pair)
        if place is None:
            place = self._places[pair] = len(self.pairs)
            self.pairs.append(pair)
        return place
