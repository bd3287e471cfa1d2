"""A trial as scikit-learn's search wants it."""

from typing import Any

from sklearn.base import BaseEstimator

from benchmarks.measured.training import train_number


class NumberedTrial(BaseEstimator):  # type: ignore[misc]
    """Fitting trains trial `number`; its score is the trial's value, whatever it is asked about."""

    def __init__(self, *, folder: str = "", job: dict[str, Any] | None = None, number: int = 0) -> None:
        self.folder = folder
        self.job = job
        self.number = number

    def fit(self, X: Any, y: Any) -> "NumberedTrial":  # noqa: N803 - scikit-learn's name
        self.value_ = train_number(self.number, folder=self.folder, **(self.job or {}))
        return self

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        return self.value_
