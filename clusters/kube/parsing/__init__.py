"""From the raw JSON of an object to a small frozen dataclass. Pure: no I/O, no clock.

The fields of each dataclass are named like the columns of the inventory row it becomes.
"""
