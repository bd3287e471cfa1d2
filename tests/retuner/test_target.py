"""What every compute target makes of a result."""

from typing import get_args

import pytest

from retuner.compute.target import JobStatus
from retuner_training.job import JobOutcome, JobResult


@pytest.mark.parametrize("outcome", get_args(JobOutcome))
def test_a_result_tells_the_end_of_its_job(outcome):
    status = JobStatus.of(JobResult("s-t0001-a1", outcome, reports=[(1, 0.5)], reason="why"))
    assert (status.state.value, status.reports, status.message) == (outcome, ((1, 0.5),), "why")
    assert status.state.is_finished()
