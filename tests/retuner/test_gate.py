"""The gate on cases worked out by hand, and its interval on data whose answer is known."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from retuner.errors import UserError
from retuner.gate import Decision, bootstrap_interval, decide
from retuner.parameters import Gate
from retuner_training.recipe import Objective

GAIN = Objective("gain@1")
LOSS = Objective("loss", "minimize")


def scores(
    values: list[float], *, metric: str = "gain@1", keys: list[int] | None = None, known: list[bool] | None = None
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            metric: np.array(values, dtype=float),
            "key": np.array(keys if keys is not None else range(len(values)), dtype=np.uint64),
            "known": known if known is not None else [True] * len(values),
        }
    )


def compare(challenger: list[float], champion: list[float], **gate: object) -> Decision:
    return decide(scores(challenger), scores(champion), objective=GAIN, gate=Gate.model_validate(gate))


def test_means_errors_and_difference_are_those_worked_out_by_hand() -> None:
    decision = compare([1, 1, 1, 0], [1, 0, 0, 0])
    compared = decision.compared
    assert compared is not None
    assert (compared.challenger.mean, compared.champion.mean, compared.difference) == (0.75, 0.25, 0.5)
    assert compared.challenger.standard_error == pytest.approx(math.sqrt((3 * 0.25**2 + 0.75**2) / 3) / 2)
    # the differences are 0, 1, 1, 0: a resample's mean is binomial(4, 1/2) / 4, at its ends with probability 1/16
    assert compared.interval == (0.0, 1.0)
    assert decision.promote
    assert decision.reason == (
        "On 4 test rows the new model's gain@1 is 0.7500 ± 0.2500 and the champion's 0.2500 ± 0.2500: "
        "the difference is +0.5000, which is better by more than a margin of 0."
    )


@pytest.mark.parametrize("rule", ["better", "significant"])
def test_a_tie_keeps_the_champion(rule: str) -> None:
    decision = compare([1, 0, 1], [0, 1, 1], rule=rule)
    assert not decision.promote
    assert "is not better" in decision.reason


def test_a_difference_of_exactly_the_margin_keeps_the_champion() -> None:
    assert not compare([1, 1, 0, 0], [1, 0, 0, 0], margin=0.25).promote
    assert compare([1, 1, 0, 0], [1, 0, 0, 0], margin=0.24).promote


def test_a_lead_that_may_be_chance_is_better_but_not_significant() -> None:
    challenger, champion = [1.0] * 51 + [0.0] * 49, [0.0] * 49 + [1.0] * 50 + [0.0]
    assert compare(challenger, champion, rule="better").promote
    decision = compare(challenger, champion, rule="significant")
    assert not decision.promote
    assert "95 % interval, -0." in decision.reason


def test_a_clear_lead_is_significant_until_the_margin_reaches_into_the_interval() -> None:
    challenger, champion = [1.0] * 90 + [0.0] * 10, [1.0] * 70 + [0.0] * 30
    decision = compare(challenger, champion, rule="significant")
    assert decision.promote
    assert decision.compared is not None
    low = decision.compared.interval[0]
    assert 0.1 < low < 0.2
    assert not compare(challenger, champion, rule="significant", margin=round(low + 0.01, 2)).promote
    assert compare(challenger, champion, rule="better", margin=round(low + 0.01, 2)).promote


@pytest.mark.parametrize("rule", ["better", "significant"])
def test_where_less_is_better_the_smaller_mean_wins(rule: str) -> None:
    low, high = scores([0.1] * 20, metric="loss"), scores([0.2] * 20, metric="loss")
    gate = Gate.model_validate({"rule": rule, "margin": 0.05})
    won, lost = (decide(*pair, objective=LOSS, gate=gate) for pair in ((low, high), (high, low)))
    assert (won.promote, lost.promote) == (True, False)
    assert won.compared is not None
    assert won.compared.difference == pytest.approx(-0.1)
    assert not decide(low, high, objective=LOSS, gate=Gate(margin=0.15)).promote


def test_where_less_is_better_a_lead_that_may_be_chance_is_not_significant() -> None:
    challenger, champion = scores([0.1, 0.9, 0.2], metric="loss"), scores([0.9, 0.2, 0.2], metric="loss")
    assert decide(challenger, champion, objective=LOSS).promote
    assert not decide(challenger, champion, objective=LOSS, gate=Gate(rule="significant")).promote


def test_rows_that_the_champion_has_seen_do_not_count() -> None:
    challenger, champion = scores([1, 1, 0, 0]), scores([0, 1, 1, 0])
    assert not decide(challenger, champion, objective=GAIN).promote
    decision = decide(challenger, champion, objective=GAIN, seen=pd.Series([2, 3, 99], dtype="uint64"))
    assert decision.promote
    assert decision.rows_seen == 2
    assert decision.compared is not None
    assert (decision.compared.rows, decision.compared.difference) == (2, 0.5)
    assert "On 2 test rows (2 rows that the champion had seen are left out)" in decision.reason


def test_a_champion_that_has_seen_all_test_rows_stays() -> None:
    decision = decide(scores([1, 1]), scores([0, 0]), objective=GAIN, seen=[0, 1])
    assert not decision.promote
    assert decision.rows_seen == 2
    assert decision.compared is None
    assert "share 2 scored test rows, and the champion was trained or tuned on all of them" in decision.reason


def test_models_without_a_row_in_common_leave_the_champion() -> None:
    decision = decide(scores([1, 1], keys=[1, 2]), scores([0], keys=[3]), objective=GAIN)
    assert not decision.promote
    assert decision.rows_unpaired == 3
    assert "share 0 scored test rows" in decision.reason


def test_keys_of_64_bits_are_told_apart() -> None:
    big = 2**64 - 1
    rows = scores([1, 0], keys=[big, big - 1])
    decision = decide(rows, scores([0, 0], keys=[big, big - 1]), objective=GAIN, seen=[big])
    assert decision.rows_seen == 1
    assert decision.compared is not None
    assert decision.compared.difference == 0


def test_rows_are_paired_by_key_not_by_place() -> None:
    decision = decide(scores([1, 0, 0], keys=[7, 8, 9]), scores([0, 0, 1], keys=[9, 8, 7]), objective=GAIN)
    assert decision.compared is not None
    assert decision.compared.interval == (0.0, 0.0)
    assert decision.rows_unpaired == 0


def test_equal_keys_are_paired_in_their_order_and_the_rest_is_counted() -> None:
    decision = decide(scores([1, 0, 1], keys=[7, 7, 8]), scores([1, 0, 1, 1], keys=[7, 7, 7, 9]), objective=GAIN)
    assert decision.compared is not None
    assert (decision.compared.rows, decision.compared.interval) == (2, (0.0, 0.0))
    assert decision.rows_unpaired == 3


def test_the_common_rows_are_those_that_both_models_could_know() -> None:
    challenger = scores([1, 1, 0, 1], known=[True, True, True, False])
    champion = scores([0, 1, 1, 0], known=[False, True, True, True])
    decision = decide(challenger, champion, objective=GAIN)
    assert decision.promote
    assert decision.compared is not None
    assert decision.compared.difference == 0.25
    assert decision.common is not None
    assert (decision.common.rows, decision.common.difference) == (2, -0.5)


def test_without_common_rows_there_is_no_common_comparison() -> None:
    assert decide(scores([1]), scores([0], known=[False]), objective=GAIN).common is None


def test_every_metric_that_both_models_have_is_compared() -> None:
    challenger = scores([1, 0]).assign(**{"gain@3": [1.0, 1.0], "new": [1.0, 1.0]})
    champion = scores([1, 0]).assign(**{"gain@3": [0.0, 1.0], "old": [1.0, 1.0]})
    decision = decide(challenger, champion, objective=GAIN)
    assert {one.metric: one.difference for one in decision.metrics} == {"gain@1": 0.0, "gain@3": 0.5}
    assert not decision.promote


@pytest.mark.parametrize(("value", "promoted"), [(0.6, True), (0.5, True), (0.4, False)])
def test_a_first_model_must_reach_the_minimum(value: float, promoted: bool) -> None:
    decision = decide(scores([value] * 3), None, objective=GAIN, gate=Gate(min_gain=0.5))
    assert decision.promote is promoted
    assert decision.reason.startswith("There is no champion yet")
    assert "at least 0.5 is asked for (gate.min_gain)" in decision.reason


@pytest.mark.parametrize(("limit", "promoted"), [(0, True), (0.4, True), (0.2, False)])
def test_a_first_model_of_which_less_is_better_must_not_exceed_the_minimum(limit: float, promoted: bool) -> None:
    decision = decide(scores([0.3] * 3, metric="loss"), None, objective=LOSS, gate=Gate(min_gain=limit))
    assert decision.promote is promoted
    assert ("is asked for" in decision.reason) is bool(limit)


def test_a_champion_that_cannot_be_scored_stays_unless_told_otherwise() -> None:
    kept = decide(scores([1]), None, objective=GAIN, problem="No module named 'lightgbm'")
    assert not kept.promote
    assert "No module named 'lightgbm'" in kept.reason
    assert "gate.replace_unloadable" in kept.reason
    gate = Gate(replace_unloadable=True, min_gain=0.5)
    assert decide(scores([1]), None, objective=GAIN, problem="broken", gate=gate).promote
    assert not decide(scores([0]), None, objective=GAIN, problem="broken", gate=gate).promote


@pytest.mark.parametrize(
    ("champion", "words"),
    [
        (scores([1], metric="recall"), "its scores lack gain@1"),
        (scores([1]).drop(columns="known"), "its scores lack known"),
        (scores([math.nan]), "1 of its 1 scored rows hold no finite number"),
    ],
)
def test_a_champion_with_unusable_scores_stays(champion: pd.DataFrame, words: str) -> None:
    decision = decide(scores([1]), champion, objective=GAIN)
    assert not decision.promote
    assert words in decision.reason


def test_a_challenger_with_unusable_scores_is_a_fault_of_the_recipe() -> None:
    with pytest.raises(UserError, match=r"lack gain@1; correct the recipe's `score`"):
        decide(scores([1], metric="recall"), None, objective=GAIN)
    with pytest.raises(UserError, match="1 of its 2 scored rows"):
        decide(scores([1, math.inf]), None, objective=GAIN)


def test_without_test_rows_nothing_is_promoted() -> None:
    for champion in (None, scores([])):
        decision = decide(scores([]), champion, objective=GAIN)
        assert not decision.promote
        assert "no test rows" in decision.reason


def test_one_row_has_no_standard_error() -> None:
    decision = compare([1], [0])
    assert decision.challenger is not None
    assert decision.challenger.standard_error is None
    assert "gain@1 is 1.0000 and the champion's 0.0000:" in decision.reason


def test_a_decision_is_json() -> None:
    decision = decide(scores([1, 0, 1]), scores([0, 0, 1]), objective=GAIN, seen=[1], gate=Gate(rule="significant"))
    found = json.loads(json.dumps(decision.to_dict(), allow_nan=False))
    assert found == decision.to_dict()
    assert found["gate"]["rule"] == "significant"
    assert found["objective"] == {"metric": "gain@1", "direction": "maximize"}
    assert found["compared"]["interval"] == list(decision.compared.interval)  # type: ignore[union-attr]
    assert [one["metric"] for one in found["metrics"]] == ["gain@1"]


def test_the_decision_repeats() -> None:
    draws = np.random.default_rng(5)
    one, other = (list(draws.integers(0, 2, 200).astype(float)) for _ in range(2))
    assert compare(one, other) == compare(one, other)


@pytest.mark.parametrize("distinct", ["few", "many"])
def test_the_interval_is_the_normal_one_where_rows_are_many(distinct: str) -> None:
    draws = np.random.default_rng(1)
    few = draws.choice([-1.0, 0.0, 1.0], 4000, p=[0.1, 0.7, 0.2])
    values = few if distinct == "few" else few + draws.normal(0, 0.1, 4000)
    error = values.std() / math.sqrt(len(values))
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_the_interval_holds_the_true_difference_in_95_of_100_cases() -> None:
    draws = np.random.default_rng(2)
    truth, held = 0.05, 0
    for case in range(1000):
        low, high = bootstrap_interval(draws.choice([-1.0, 0.0, 1.0], 400, p=[0.10, 0.75, 0.15]), seed=case)
        held += low <= truth <= high
    assert 930 <= held <= 970  # three standard errors of a binomial around 950


def test_equal_models_are_hardly_ever_significant() -> None:
    draws = np.random.default_rng(3)
    promoted = 0
    for _ in range(200):
        rows = draws.choice([0.0, 1.0], (2, 300), p=[0.2, 0.8])
        promoted += compare(list(rows[0]), list(rows[1]), rule="significant").promote
    assert promoted <= 12  # 2.5 % of 200 are 5; twelve are three standard errors more
