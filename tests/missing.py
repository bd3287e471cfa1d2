"""What a test does where the machine lacks what it needs."""

import os
from typing import NoReturn

import pytest


def lacking(words: str) -> NoReturn:
    """Skip with the line that says how to get it; fail instead where nothing may be skipped (CI is set)."""
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)
