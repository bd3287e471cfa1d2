"""One job: an attempt at a trial, the final training, or the evaluation of a model. Plain data in, plain data out."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

JobKind = Literal["train", "evaluate"]
JobOutcome = Literal["completed", "stopped", "failed"]


@dataclass(frozen=True)
class Job:
    """What a compute target is asked to do. `name` is its identity: a second submit of the name is the same job."""

    name: str
    study: str
    recipe: str
    parameters: dict[str, Any]
    dataset: str
    """Location of the dataset: the absolute folder that holds its manifest.json and Parquet files."""
    output: str
    """Location that the result (and the model, where kept) is written to: an absolute folder of this job alone."""
    kind: JobKind = "train"
    keep_model: bool = False
    model: str | None = None
    """For `evaluate`: the model file to score on the test part."""
    threads: int = 1
    seed: int = 0
    seconds: float | None = None
    """Wall time after which the training is stopped with `reason` timeout."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class JobResult:
    """What a job leaves behind as result.json in its output, written whole before the job returns."""

    name: str
    outcome: JobOutcome
    value: float | None = None
    """The objective on the tune part; None for a failed job."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Means of the recipe's metrics: tune part for train, test part for evaluate."""
    standard_errors: dict[str, float] = field(default_factory=dict)
    reports: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    reason: str | None = None
    """Why it stopped (asked, timeout) or failed (class and message of the exception)."""
    traceback: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every file beside result.json, by name: model.joblib, scores.parquet."""
    versions: dict[str, str] = field(default_factory=dict)
