"""Threads of the libraries that compute: BLAS and OpenMP take as many as a training is given."""

import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


def limited_threads(threads: int) -> AbstractContextManager[Any]:
    """While it is open, the libraries that are loaded now use at most so many threads each."""
    limit: AbstractContextManager[Any] = _thread_pools(len(sys.modules)).limit(limits=threads)
    return limit


@lru_cache(maxsize=1)
def _thread_pools(number_of_modules: int) -> ThreadpoolController:
    """Those of the loaded libraries. Looking for them takes 3 ms: done again only where the number of modules changed.

    A library that came without a new module is not seen until then.
    """
    return ThreadpoolController()
