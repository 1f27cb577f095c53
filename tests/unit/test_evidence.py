"""What evidence weighs where batches and queues are bounded."""

import pytest

from danbao_core.disputes import SubmitEvidence
from danbao_core.disputes.evidence import MOST_BYTES
from danbao_core.ids import uuid7
from danbao_core.settings import Settings
from tests.builders import origin


@pytest.mark.parametrize(("length", "size"), [(0, 1), (16 * 1024 - 1, 1), (16 * 1024, 2), (MOST_BYTES, 65)])
def test_a_file_weighs_by_its_length(length: int, size: int) -> None:
    assert SubmitEvidence(origin=origin(), dispute_id=uuid7(), content=bytes(length)).size == size


def test_what_waits_takes_no_more_than_64_mebibytes() -> None:
    queue_max: int = Settings.model_fields["queue_max"].default
    largest = SubmitEvidence(origin=origin(), dispute_id=uuid7(), content=bytes(MOST_BYTES))
    assert queue_max // largest.size * MOST_BYTES <= 64 * MOST_BYTES
