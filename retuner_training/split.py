"""What identifies an example across datasets, and which examples are for training, for tuning and for testing."""

from collections.abc import Iterable
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pandas as pd

SHARE = 0.1
"""Share of the texts that is for testing, and again for tuning."""


def keys(texts: Iterable[str]) -> npt.NDArray[np.uint64]:
    """The first 8 bytes, little endian, of the SHA-256 of every (cleaned) text."""
    digests = b"".join(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8] for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def split_parts(texts: pd.Series, group: npt.NDArray[np.int32], *, seed: int) -> npt.NDArray[np.object_]:
    """The part of every example: "test", "tune" or "train". Its text tells it from others, its group is to be learnt.

    A text's place in [0, 1) is its hash with the seed, so that it stays when other texts come or go. Within each
    group the places below 0.1, or else the lowest, are test; of what is left those below 0.2, or else the lowest,
    are tune. A text that occurs in several groups is in one part: test before tune before train.
    """
    codes, distinct = pd.factorize(texts)
    place = _places(distinct, seed)[codes]
    test = _taken(place, SHARE, group, codes, np.ones(len(texts), dtype=bool))
    tune = _taken(place, 2 * SHARE, group, codes, ~test)
    return np.select([test, tune], ["test", "tune"], "train").astype(object)


def _places(texts: pd.Index, seed: int) -> npt.NDArray[np.float64]:
    prefix = sha256(f"{seed}\n".encode())
    digests = bytearray()
    for text in texts:
        one = prefix.copy()
        one.update(text.encode("utf-8", "surrogatepass"))
        digests += one.digest()[:8]
    # 53 bits are what a float holds exactly
    return (np.frombuffer(bytes(digests), dtype=">u8") >> np.uint64(11)).astype(np.float64) / 2**53


def _taken(
    place: npt.NDArray[np.float64],
    below: float,
    group: npt.NDArray[np.int32],
    codes: npt.NDArray[np.int64],
    free: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Free rows below a place, or the lowest of their group, with all rows of the same texts."""
    lowest = np.full(int(group.max()) + 1, np.inf)
    np.minimum.at(lowest, group[free], place[free])
    rows = free & ((place < below) | (place == lowest[group]))
    taken = np.zeros(int(codes.max()) + 1, dtype=bool)
    taken[codes[rows]] = True
    return taken[codes]
