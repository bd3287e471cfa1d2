"""The versions that a model depends on: one list for the model file, its registration and the nodes that train."""

import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("joblib", "lightgbm", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
"""What a saved model needs to be read and to answer the same."""
MISSING = "missing"


def library_versions(more: Iterable[str] = ()) -> dict[str, str]:
    """Python's version and that of each library, and of `more`; 'missing' where one is not installed."""
    return {"python": platform.python_version()} | {library: _version(library) for library in (*LIBRARIES, *more)}


@cache  # importlib parses the whole description of a package each time, 3 ms, and every job asks for seven
def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return MISSING


def minor(written: str) -> str:
    """The first two numbers of a version, within which libraries keep their formats: '1.5' of '1.5.2'."""
    return ".".join(written.split(".")[:2])
