"""What is refused when a study is opened."""

from dataclasses import replace

import pytest
from stage_bench import RECIPE

from retuner.errors import UserError
from retuner.search.states import StudyState
from retuner.stages.study import open_study
from retuner.workbench import find_recipe


def test_the_name_of_a_model_of_other_data_is_refused_before_the_search(stage_bench):
    bench, dataset = stage_bench.bench, stage_bench.study.dataset
    bench.ledger.update_study(stage_bench.study.name, state=StudyState.FINISHED)
    parameters = bench.parameters.model_copy(update={"recipe": "tabular"})
    other = replace(bench, parameters=parameters, recipe=find_recipe("tabular"))
    with pytest.raises(UserError, match=rf"toy was made by the recipe {RECIPE}, .* a name of its own"):
        open_study(other, dataset)
    assert len(bench.ledger.studies("toy")) == 1
    assert open_study(bench, dataset).name != stage_bench.study.name
