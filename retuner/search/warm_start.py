"""Warm start: the best trials of earlier studies of the same recipe, to be asked first.

Values of different datasets cannot be compared, so each study is ranked by itself: the best of the newest study comes
first, then the best of the one before it, and so on; then the second best of each.
"""

from typing import Any

from retuner.search.ledger import Ledger
from retuner.search.records import StudyIdentity, ranked
from retuner.search.space import Space, fit_into
from retuner.search.states import TrialState

STUDIES_LOOKED_AT = 10


def earlier_bests(ledger: Ledger, identity: StudyIdentity, *, count: int) -> list[dict[str, Any]]:
    """Up to `count` different sets of hyperparameters that fit into the search space of `identity`, best first."""
    if count == 0:
        return []
    earlier = [summary.study for summary in ledger.studies() if _is_alike(summary.study.identity, identity)]
    rankings = [_fitting(ledger, study.name, identity) for study in earlier[:STUDIES_LOOKED_AT]]
    found: list[dict[str, Any]] = []
    for place in range(max(map(len, rankings), default=0)):
        for ranking in rankings:
            if place < len(ranking) and ranking[place] not in found:
                found.append(ranking[place])
    return found[:count]


def _is_alike(earlier: StudyIdentity, identity: StudyIdentity) -> bool:
    same = ("recipe", "metric", "direction")
    return all(getattr(earlier, name) == getattr(identity, name) for name in same)


def _fitting(ledger: Ledger, study: str, identity: StudyIdentity) -> list[dict[str, Any]]:
    """The completed trials of one study, best first, as far as they fit into the present search space."""
    space: Space = identity.space
    completed = [trial for trial in ledger.trials(study) if trial.state is TrialState.COMPLETED]
    fitted = [fit_into(space, trial.parameters) for trial in ranked(completed, identity.direction)]
    return [parameters for parameters in fitted if parameters is not None]
