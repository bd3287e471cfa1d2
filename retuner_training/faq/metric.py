"""gain@k: the share of texts whose question is among the k best scored."""

import numpy as np
import numpy.typing as npt


def gains(scores: npt.NDArray[np.floating], own: npt.NDArray[np.integer], *, most: int) -> npt.NDArray[np.float64]:
    """gain@1 to gain@`most` of every text: texts x `most`.

    `scores` is texts x questions; `own[i]` is the position of text i's question. Ties are broken at random in
    expectation: with s questions scored better and t others scored the same, the gain is (k - s)/(t + 1) within 0..1.
    """
    score = scores[np.arange(len(own)), own][:, None]
    better = (scores > score).sum(axis=1, keepdims=True)
    tied = (scores == score).sum(axis=1, keepdims=True) - 1
    shares: npt.NDArray[np.float64] = np.clip((np.arange(1, most + 1) - better) / (tied + 1), 0.0, 1.0)
    return shares
