"""How azureml-core is called: not too often, and never waited for without end."""

import time

import pytest

from retuner.azure_ml.calls import Pace, in_time
from retuner.errors import RetryableError


def test_calls_are_spread_evenly(monkeypatch):
    moments, slept = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: moments[0])
    monkeypatch.setattr(
        time, "sleep", lambda seconds: (slept.append(seconds), moments.__setitem__(0, moments[0] + seconds))
    )
    pace = Pace(10.0)
    moments[0] = 100.0
    for _ in range(3):
        pace.wait()
    assert slept == pytest.approx([0.1, 0.1])


def test_a_timeout_of_the_call_itself_is_told_from_ours():
    def late():
        raise TimeoutError("the call's own")

    with pytest.raises(TimeoutError, match="the call's own"):
        in_time(late, 5)
    with pytest.raises(RetryableError, match=r"within 0\.05 s"):
        in_time(lambda: time.sleep(1), 0.05)
