"""How properties are tried here: few examples, and no deadline, which a busy machine would miss now and then."""

from __future__ import annotations

from hypothesis import settings

quickly = settings(deadline=None, max_examples=50)
