"""What a person can start now, as numbers and as a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workloads.domain.starting import LeafRoom, count_startable, describe_start, find_available

ROOM = LeafRoom(
    node_id=1,
    name="vision",
    path="root.vision",
    namespaces=("vision",),
    min_gpus=16,
    max_gpus=32,
    used_gpus=8,
    free_within_min=8,
    can_borrow=4,
    pending_gpus=0,
)


@pytest.mark.parametrize(
    ("path", "available"),
    [
        ([(16, 13), (40, 30)], 3),
        ([(16, 4), (40, 38)], 2),
        ([(None, 4), (40, 38)], 2),
        ([(None, 4), (None, 38)], None),
        ([(16, 20), (40, 30)], 0),
        ([], None),
    ],
)
def test_the_smallest_room_on_the_path_is_what_can_be_had(
    path: list[tuple[int | None, int]], available: int | None
) -> None:
    assert find_available(path) == available


@pytest.mark.parametrize(
    ("free_within_min", "can_borrow", "free_gpus", "block", "sentence"),
    [
        (
            8,
            4,
            20,
            8,
            "You can start 12 GPUs now: 8 guaranteed, 4 borrowed that may be reclaimed. The largest job on one node is 8 GPUs.",
        ),
        (8, 0, 20, 4, "You can start 8 GPUs now, all guaranteed. The largest job on one node is 4 GPUs."),
        (
            0,
            1,
            20,
            8,
            "You can start 1 GPU now, all borrowed: they may be reclaimed. The largest job on one node is 1 GPU.",
        ),
        (0, 0, 20, 8, "Your quota is used up and nothing can be borrowed: new work waits."),
        (0, 5, 0, 0, "Your quota is used up and nothing can be borrowed: new work waits."),
        (
            8,
            0,
            5,
            2,
            "You are guaranteed 8 GPUs more, of which 3 are in use by others and will be reclaimed when you submit.",
        ),
    ],
)
def test_the_sentence_says_what_is_guaranteed_and_what_is_borrowed(
    free_within_min: int, can_borrow: int, free_gpus: int, block: int, sentence: str
) -> None:
    room = replace(ROOM, free_within_min=free_within_min, can_borrow=can_borrow)
    assert describe_start([room], largest_block=block, free_gpus=free_gpus) == sentence


@pytest.mark.parametrize(
    ("leaves", "together"),
    [
        # Each could borrow the ten that are left above them, and not both.
        ([(0, 10, ((9, 10),)), (0, 10, ((9, 10),))], 10),
        ([(0, 10, ((9, 15),)), (0, 10, ((9, 15),))], 15),
        ([(0, 10, ((8, 10), (9, 12))), (0, 10, ((7, 10), (9, 12)))], 12),
        # What is guaranteed comes first, and is had even where others have taken the room above.
        ([(4, 6, ((9, 10),)), (4, 6, ((9, 10),))], 10),
        ([(8, 0, ((9, 0),)), (0, 5, ((9, 0),))], 8),
        # Quotas that share nothing, or a ceiling that nobody set.
        ([(0, 10, ((8, 10),)), (0, 10, ((9, 10),))], 20),
        ([(2, 3, ()), (0, 4, ())], 9),
    ],
)
def test_leaves_below_one_ceiling_share_its_room(
    leaves: list[tuple[int, int, tuple[tuple[int, int], ...]]], together: int
) -> None:
    rooms = [replace(ROOM, free_within_min=own, can_borrow=more, above=above) for own, more, above in leaves]
    assert count_startable(rooms) == together


def test_who_has_no_quota_is_told_so() -> None:
    assert "no group with a quota" in describe_start([], largest_block=8, free_gpus=8)
