"""What a recipe is told about the data."""

import pytest

from retuner.data.options import dataset_options
from retuner.errors import UserError
from retuner.parameters import Data
from retuner_training.recipe import load_recipe


def options_of(recipe, **fields):
    return dataset_options(Data(**fields), load_recipe(recipe))


def test_what_is_empty_is_the_recipe_s_own():
    common = {"split_seed": 0, "faulty_rows": "refuse"}
    assert options_of("faq_ranker") == {"min_text": 150, "min_dupes": 12, "match": 20, **common}
    assert options_of("tabular") == {"target_column": "target", **common}


def test_what_is_given_is_passed_on():
    assert options_of("faq_reference", min_text=0, split_seed=3)["min_text"] == 0
    assert options_of("tabular", target_column="churned", faulty_rows="drop")["target_column"] == "churned"


def test_an_option_that_the_recipe_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(UserError, match="'tabular' has no use for match, min_text: its options are target_column"):
        options_of("tabular", min_text=3, match=5)
    with pytest.raises(UserError, match="'faq_ranker' has no use for target_column"):
        options_of("faq_ranker", target_column="x")


def test_an_own_recipe_s_option_has_no_second_way_in():
    with pytest.raises(UserError, match=r"names min_text, which has a field of its own: give it as data\.min_text"):
        options_of("faq_ranker", options={"min_text": 3})
    with pytest.raises(UserError, match="'tabular' has no use for region"):
        options_of("tabular", options={"region": "north"})
