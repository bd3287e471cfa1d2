"""Fixtures of all tests of the training package."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def no_shared_work():
    """A training that took over what an earlier one left could not show that it repeats."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETUNER_CACHE", "off")
        yield
