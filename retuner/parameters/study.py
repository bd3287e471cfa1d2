"""What is tried: the data, the search and what it may use up."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from retuner.parameters.fields import Group, without_secret

Sampler = Literal["tpe", "random", "grid", "qmc"]
Stopping = Literal["asha", "median", "none"]
FaultyRows = Literal["refuse", "drop"]


class Data(Group):
    """Where the data comes from and how it is filtered and split. What is empty is left to the recipe."""

    source: Annotated[str, AfterValidator(without_secret)] = Field(
        default="sample",
        title="Source",
        min_length=1,
        description="`sample`, a public source that the recipe knows, a folder or file, or an http(s) address.",
        json_schema_extra={"position": 0},
    )
    min_text: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        title="Shortest text",
        description="For recipes of texts: those with fewer characters after cleaning are left out; empty means 150.",
        json_schema_extra={"position": 1},
    )
    min_dupes: int | None = Field(
        default=None,
        ge=3,
        le=100_000,
        title="Fewest duplicates",
        description="For recipes of texts: questions with fewer duplicates are left out; empty means 12.",
        json_schema_extra={"position": 2},
    )
    match: int | None = Field(
        default=None,
        ge=2,
        le=1000,
        title="Pairs per text",
        description="For recipes of texts: questions per training text, its own among them; empty means 20.",
        json_schema_extra={"position": 3},
    )
    split_seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        title="Split seed",
        description="Decides which rows are for tuning and testing; keep it fixed for the life of a model.",
        json_schema_extra={"position": 4},
    )
    faulty_rows: FaultyRows = Field(
        default="refuse",
        title="Faulty rows",
        description="Repeated ids, a missing target and the like: `refuse` names them, `drop` counts them.",
        json_schema_extra={"position": 5},
    )
    target_column: str | None = Field(
        default=None,
        min_length=1,
        title="Target column",
        description="For recipes of tables: the column that is to be predicted; empty means `target`.",
        json_schema_extra={"position": 6},
    )
    options: dict[str, Any] = Field(
        default={},
        title="Options of your own recipe",
        description='What your own recipe wants to know of the data, such as {"region": "north"}.',
        json_schema_extra={"position": 7},
    )


class Search(Group):
    """Which hyperparameter sets are tried, how many, and when a weak one is stopped."""

    trials: int = Field(
        default=24,
        ge=1,
        le=10_000,
        title="Trials",
        description="Hyperparameter sets to try.",
        json_schema_extra={"position": 0},
    )
    parallel: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        title="Parallel trials",
        description="Trials at the same time; empty means one per node.",
        json_schema_extra={"position": 1},
    )
    sampler: Sampler = Field(
        default="tpe",
        title="Sampler",
        description="How the next hyperparameter set is chosen.",
        json_schema_extra={"position": 2},
    )
    stopping: Stopping = Field(
        default="asha",
        title="Early stopping",
        description="The rule that stops weak trials: successive halving, HyperDrive's median rule, or none.",
        json_schema_extra={"position": 3},
    )
    delay: int = Field(
        default=1,
        ge=1,
        le=10_000,
        title="Reports before the first stop",
        description="No trial is stopped before it has reported this many times.",
        json_schema_extra={"position": 4},
    )
    interval: int = Field(
        default=1,
        ge=1,
        le=10_000,
        title="Reports between two looks",
        description="The median rule looks at every multiple of this number of reports.",
        json_schema_extra={"position": 5},
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        title="Search seed",
        description="Seeds the sampler and the training.",
        json_schema_extra={"position": 6},
    )
    space: dict[str, Any] = Field(
        default={},
        title="Search space overrides",
        description='Ranges by hyperparameter, such as {"trees": {"low": 50, "high": 100}}, or one fixed value.',
        json_schema_extra={"position": 7},
    )
    warm_start: int = Field(
        default=0,
        ge=0,
        le=100,
        title="Trials from earlier studies",
        description="With TPE, so many of the best trials of earlier studies of the recipe are tried first.",
        json_schema_extra={"position": 8},
    )


class Budget(Group):
    """What a retune may use up. Both limits are hard: docs/cost.md."""

    max_minutes: float | None = Field(
        default=None,
        gt=0,
        le=525_600,
        title="Most minutes",
        description="Search and final training end within it, waits for nodes included; the evaluation comes after.",
        json_schema_extra={"position": 0},
    )
    seconds_per_trial: float = Field(
        default=3600,
        gt=0,
        le=604_800,
        title="Seconds per trial",
        description="A trial that takes longer is stopped and counts as failed.",
        json_schema_extra={"position": 1},
    )
    min_success_ratio: float = Field(
        default=0.5,
        ge=0,
        le=1,
        title="Least share of successful trials",
        description="The study fails where a smaller share of its ended trials completed or was pruned.",
        json_schema_extra={"position": 2},
    )
    seconds_final: float = Field(
        default=14_400,
        gt=0,
        le=604_800,
        title="Seconds of the final training",
        description="The best trial is trained once more, with more trees; where that takes longer it is stopped.",
        json_schema_extra={"position": 3},
    )
    max_cost: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        title="Most USD",
        description="A job is submitted only where this suffices even if all that is under way takes its longest.",
        json_schema_extra={"position": 4},
    )
    price_per_hour: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        title="Price of a node",
        description="USD an hour; empty takes Azure's list price, and on Dask no price is known.",
        json_schema_extra={"position": 5},
    )
    probe: bool = Field(
        default=True,
        title="Probe trial",
        description="Where no earlier study tells how long a trial takes, one is tried for the plan on this machine.",
        json_schema_extra={"position": 6},
    )
