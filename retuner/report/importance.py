"""Which hyperparameters mattered: Optuna's importances."""

from collections.abc import Sequence
from dataclasses import dataclass

from retuner.report.space_figures import varied
from retuner.search.records import StudyRecord, TrialRecord
from retuner.search.states import TrialState
from retuner.search.study import distribution_of

ENOUGH = 20
"""Completed trials that tell enough; with fewer, all trials are compared at the latest step that all have reached."""
FEWEST = 4


@dataclass(frozen=True)
class Importances:
    """Shares that add up to 1, and what they were found on."""

    shares: dict[str, float]
    basis: str


def find_importances(study: StudyRecord, trials: Sequence[TrialRecord]) -> Importances | None:
    """PED-ANOVA (Watanabe et al., 2023) over the trials; None where too few can be compared, or all are equal."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = varied(study.identity.space)
    values, basis = _values(trials)
    if len(values) < FEWEST or len(set(values.values())) < 2 or not names:
        return None
    distributions = {name: distribution_of(dimension) for name, dimension in study.identity.space.items()}
    with_values = optuna.create_study(direction=study.identity.direction)
    with_values.add_trials(
        [
            optuna.trial.create_trial(value=values[trial.number], params=trial.parameters, distributions=distributions)
            for trial in trials
            if trial.number in values and set(distributions) == set(trial.parameters)
        ]
    )
    shares = optuna.importance.get_param_importances(with_values, params=names)
    return Importances({name: float(share) for name, share in shares.items()}, basis)


def _values(trials: Sequence[TrialRecord]) -> tuple[dict[int, float], str]:
    """Comparable values by trial number, and which they are."""
    completed = {t.number: t.value for t in trials if t.state is TrialState.COMPLETED and t.value is not None}
    ended = [t for t in trials if t.state in (TrialState.COMPLETED, TrialState.PRUNED) and t.reports]
    if len(completed) >= ENOUGH or not ended:
        return completed, f"the {len(completed)} completed trials"
    step = min(trial.reports[-1][0] for trial in ended)
    reached = {trial.number: dict(trial.reports)[step] for trial in ended if step in dict(trial.reports)}
    return reached, f"{len(reached)} trials at step {step}, which all of them reached"
