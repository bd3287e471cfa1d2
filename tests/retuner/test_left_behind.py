"""What the clean-up does about studies that others work on, or that nobody can."""

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import replace
from math import inf

import pytest
from fake_target import FakeTarget
from told_study import IDENTITY, told_study

from retuner.cost.spending import kept_nodes
from retuner.errors import UserError
from retuner.parameters import DaskCompute
from retuner.search.lease import is_held
from retuner.search.ledger import Ledger
from retuner.search.states import StudyState
from retuner.settings import Settings, read_settings
from retuner.stages import clean_up
from retuner.stages.clean_up import clean_up_others, clean_up_studies
from retuner.stages.search import GIVEN_BACK, KEPT, note_kept_nodes


@pytest.fixture
def settings(tmp_path) -> Settings:
    return read_settings({"RETUNER_HOME": str(tmp_path / "home")})


@pytest.fixture
def ledger(settings):
    with Ledger(settings.ledger_url) as ledger:
        yield ledger


@pytest.fixture
def cleaned(monkeypatch) -> list[str]:
    """The studies whose compute target was cleaned; there is none."""
    names: list[str] = []
    monkeypatch.setattr(clean_up, "_stop_jobs", lambda study, *_: names.append(study.name) or 0)
    return names


def clean(settings: Settings):
    return clean_up_studies(settings, lambda _: None)


def before_the_lease(monkeypatch, act):
    """Have another process do this after the studies were listed, and before their lease is taken."""

    @contextmanager
    def hold_lease(*_):
        act()
        yield

    monkeypatch.setattr(clean_up, "hold_lease", hold_lease)


def test_what_a_flow_run_wrote_while_the_lease_was_waited_for_is_kept(ledger, settings, cleaned, monkeypatch):
    study = told_study(ledger)
    ledger.update_study(study.name, target={KEPT: 1})
    before_the_lease(monkeypatch, lambda: ledger.update_study(study.name, target={KEPT: 3, "cluster": "c"}))
    clean(settings)
    assert cleaned == [study.name]
    assert ledger.study(study.name).target == {KEPT: 3, "cluster": "c", GIVEN_BACK: True}


def test_a_study_that_ended_while_the_lease_was_waited_for_is_left_alone(ledger, settings, cleaned, monkeypatch):
    study = told_study(ledger)
    ledger.update_study(study.name, target={KEPT: 1})
    done = {"state": StudyState.FINISHED, "target": {KEPT: 1, GIVEN_BACK: True}}
    before_the_lease(monkeypatch, lambda: ledger.update_study(study.name, **done))
    assert clean(settings) == []
    assert cleaned == []


def test_a_lease_that_nobody_can_take_is_told(ledger, settings, cleaned):
    study = told_study(ledger)
    (settings.home / "leases").write_text("this is no folder")
    [left] = clean(settings)
    assert left.study == study.name
    assert "it cannot be cleaned up yet: The lease " in left.line
    assert "check RETUNER_HOME" in left.line


def test_a_lease_that_cannot_even_be_looked_at_keeps_no_other_study_from_being_cleaned_up(ledger, settings, cleaned):
    study = told_study(ledger)
    other = ledger.open_study(study.identity, "other", trials=8)
    for one in (other, study):
        ledger.update_study(one.name, target={KEPT: 1})
    (settings.home / "leases" / f"{study.model_name}.lock").mkdir(parents=True)
    with pytest.raises(UserError, match=r"The lease .* cannot be taken \("):
        is_held(study.model_name, settings)
    found = {left.study: left.fault for left in clean(settings)}
    assert found[study.name].startswith("it cannot be cleaned up yet: The lease ")
    assert cleaned == [other.name]


def test_who_works_on_a_model_cleans_up_its_other_studies(ledger, settings, cleaned):
    """While its lease is held, nobody else does."""
    names = [told_study(ledger, identity=replace(IDENTITY, seed=seed)).name for seed in range(4)]
    own, left, given_back, _ = names
    for name in names[:3]:
        ledger.update_study(name, target={KEPT: 1, GIVEN_BACK: name == given_back})
    assert clean_up_others(own, "FAQ_ranker", ledger, settings, lambda _: None) == []
    assert cleaned == [left]
    assert ledger.study(left).target[GIVEN_BACK] is True


def test_somebody_who_has_just_begun_is_not_told_of(ledger, settings, cleaned, monkeypatch):
    told_study(ledger)

    @contextmanager
    def hold_lease(*_):
        raise UserError("Another retune is at work")
        yield

    held = iter([False, True])
    monkeypatch.setattr(clean_up, "hold_lease", hold_lease)
    monkeypatch.setattr(clean_up, "is_held", lambda *_: next(held))
    assert clean(settings) == []


class Locked(FakeTarget):
    """One whose nodes can be given back, and whose secrets cannot be deleted."""

    def close(self, end="stopped") -> None:
        raise UserError("give the identity the role that deletes secrets")


class Deaf(FakeTarget):
    """One whose jobs cannot be stopped."""

    def find(self, study: str) -> list[str]:
        return [f"{study}-t0000-a1"]

    def cancel(self, names: Iterable[str]) -> None:
        raise UserError("give the identity the role that deletes secrets, and cancels")


@pytest.mark.parametrize("target", [Locked(), Deaf()], ids=["locked", "deaf"])
def test_nodes_that_were_given_back_cost_no_more_though_the_rest_fails(ledger, settings, monkeypatch, target):
    study = told_study(ledger)
    ledger.update_study(study.name, target={**DaskCompute().model_dump(mode="json"), KEPT: 1})
    note_kept_nodes(ledger, study.name, 2)
    monkeypatch.setattr(clean_up, "open_target", lambda *_, **__: target)
    [left] = clean(settings)
    assert "the role that deletes secrets" in left.fault
    after = ledger.study(study.name)
    assert [one.until < inf for one in kept_nodes(after)] == [True]
    assert GIVEN_BACK not in after.target
