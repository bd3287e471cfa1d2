"""The end of a study on its target: what is given back, and what the ledger says of it."""

import pytest
from fake_target import FakeTarget
from stage_bench import StageBench

from retuner.cost.spending import kept_nodes
from retuner.errors import RetryableError, UserError
from retuner.search.entries import FINAL
from retuner.search.records import now
from retuner.search.states import StudyState
from retuner.stages.budget import open_purse
from retuner.stages.search import GIVEN_BACK, compute_of, scale_back, scale_up


class Cluster(FakeTarget):
    """Keeps one node up before the study; `faults` of its closes fail."""

    def __init__(self, *, faults: int = 0) -> None:
        super().__init__()
        self.kept = 1
        self.faults = faults
        self.closed = 0
        self.end = None

    def kept_nodes(self) -> int:
        return self.kept

    def scale(self, minimum: int, maximum: int) -> None:
        super().scale(minimum, maximum)
        self.kept = minimum if maximum == 0 else 5

    def close(self, end="stopped") -> None:
        self.closed += 1
        self.end = end
        if self.faults:
            self.faults -= 1
            raise UserError("give the identity the role that deletes secrets")


def is_given_back(bench: StageBench) -> bool:
    return bench.bench.ledger.study(bench.study.name).target.get(GIVEN_BACK, False)


def test_the_nodes_of_before_are_all_that_a_study_leaves(stage_bench):
    target = Cluster()
    scale_up(stage_bench.bench, stage_bench.study, target)
    assert (target.kept, is_given_back(stage_bench)) == (5, False)
    scale_back(stage_bench.bench, stage_bench.study, target)
    assert (target.kept, is_given_back(stage_bench)) == (1, True)


def test_where_a_right_is_missing_nodes_are_given_back_all_the_same_and_the_rest_is_left_to_the_clean_up(stage_bench):
    target = Cluster(faults=1)
    scale_up(stage_bench.bench, stage_bench.study, target)
    with pytest.raises(UserError, match="the role that deletes secrets"):
        scale_back(stage_bench.bench, stage_bench.study, target)
    assert (target.kept, is_given_back(stage_bench)) == (1, False)
    scale_back(stage_bench.bench, stage_bench.study, target)
    assert (target.kept, is_given_back(stage_bench)) == (1, True)


def test_the_target_is_closed_before_the_ledger_is_asked(stage_bench, monkeypatch):
    def fail(name: str) -> None:
        raise RetryableError(f"{name} cannot be read now")

    target = Cluster()
    monkeypatch.setattr(stage_bench.bench.ledger, "study", fail)
    with pytest.raises(RetryableError):
        scale_back(stage_bench.bench, stage_bench.study, target)
    assert target.closed == 1


@pytest.mark.parametrize(
    ("state", "final", "is_stopped", "end"),
    [
        (StudyState.OPEN, True, False, "completed"),
        (StudyState.OPEN, False, False, "stopped"),
        (StudyState.OPEN, True, True, "stopped"),
        (StudyState.FAILED, False, False, "failed"),
    ],
)
def test_the_target_is_told_how_its_study_ended(stage_bench, state, final, is_stopped, end):
    target, bench = Cluster(), stage_bench.bench
    bench.ledger.update_study(stage_bench.study.name, state=state)
    if final:
        bench.ledger.write_stage(stage_bench.study.name, FINAL, {})
    if is_stopped:
        bench.stop.set()
    scale_back(bench, stage_bench.study, target)
    assert target.end == end


def kept_by(bench: StageBench) -> list[tuple[int, bool]]:
    """How many nodes were kept up, and whether they still are, one process after the other."""
    record = bench.bench.ledger.study(bench.study.name)
    return [(one.nodes, one.until > now().timestamp()) for one in kept_nodes(record)]


def test_the_ledger_knows_since_when_and_until_when_nodes_were_kept_up_for_the_study(stage_bench):
    assert kept_by(stage_bench) == []
    bench = on_cluster(stage_bench, "one")
    scale_up(bench.bench, bench.study, Cluster())
    assert kept_by(bench) == [(2, True)]
    scale_up(bench.bench, bench.study, Cluster())  # of a process that was killed, and of the one that resumes
    assert kept_by(bench) == [(2, False), (2, True)]
    scale_back(bench.bench, bench.study, Cluster())
    assert kept_by(bench) == [(2, False), (2, False)]
    assert open_purse(bench.bench, bench.study).rates.kept_nodes == 2


def on_cluster(bench: StageBench, cluster: str) -> StageBench:
    azure = {"target": "azure_ml", "workspace": "w", "resource_group": "g", "subscription_id": "s", "min_nodes": 2}
    return bench.with_parameters(compute={**azure, "cluster": cluster}, budget={"price_per_hour": 1})


def test_nodes_of_another_cluster_are_not_forgotten(stage_bench):
    killed, resumed = on_cluster(stage_bench, "one"), on_cluster(stage_bench, "two")
    scale_up(killed.bench, killed.study, Cluster())
    target = Cluster()
    with pytest.raises(
        UserError, match=r"has not given back its nodes of the cluster one yet: .* compute\.cluster = one"
    ):
        scale_up(resumed.bench, resumed.study, target)
    scale_back(resumed.bench, resumed.study, target)
    assert (target.kept, is_given_back(resumed), kept_by(resumed)) == (1, False, [(2, True)])
    assert compute_of(resumed.bench.ledger.study(resumed.study.name).target) == killed.bench.parameters.compute
    scale_back(killed.bench, killed.study, Cluster())
    scale_up(resumed.bench, resumed.study, target)
    assert kept_by(resumed) == [(2, False), (2, True)]


def test_where_no_node_is_kept_up_nothing_is_written(stage_bench):
    scale_up(stage_bench.bench, stage_bench.study, Cluster())
    scale_back(stage_bench.bench, stage_bench.study, Cluster())
    assert kept_by(stage_bench) == []
