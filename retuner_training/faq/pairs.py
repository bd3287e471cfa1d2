"""Training pairs of a text and a question, as row positions."""

import numpy as np
import numpy.typing as npt
import pandas as pd


def make_pairs(
    texts: npt.NDArray[np.int32], own: npt.NDArray[np.int32], *, questions: int, match: int, seed: int
) -> pd.DataFrame:
    """Pair each text with its own question (n = 0) and with random distinct others (n = 1..match-1).

    `texts` and `own` are positions of the texts and of their questions. Every prefix of the others is a random sample
    too, so that `n < m` is what `match=m` stands for. With fewer than `match` questions all of them are there.
    """
    width = min(match, questions)
    paired = np.empty((len(texts), width), dtype=np.int32)
    paired[:, 0] = own
    paired[:, 1:] = _others(own, questions, width - 1, np.random.default_rng(seed))
    return pd.DataFrame(
        {
            "text": np.repeat(texts, width),
            "question": paired.ravel(),
            "n": np.tile(np.arange(width, dtype=np.int16), len(texts)),
        }
    )


def _others(
    own: npt.NDArray[np.int32], questions: int, count: int, random: np.random.Generator
) -> npt.NDArray[np.int32]:
    """`count` distinct questions per row, none of them its own: Floyd's sampling, all rows at a time.

    R. W. Floyd, "A sample of brilliance", Communications of the ACM 30 (1987). The sets are uniform, the order within
    them is not, hence the shuffle.
    """
    chosen = np.empty((len(own), count), dtype=np.int32)
    for column in range(count):
        last = questions - 1 - count + column
        drawn = random.integers(0, last + 1, size=len(own), dtype=np.int32)
        taken = (chosen[:, :column] == drawn[:, None]).any(axis=1)
        chosen[:, column] = np.where(taken, last, drawn)
    chosen = random.permuted(chosen, axis=1)
    return chosen + (chosen >= own[:, None])  # numbers that leave out the own question, as positions
