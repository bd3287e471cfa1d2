"""Finding a recipe by its name, and saying what is wrong with one."""

import platform
import re
import sys

import pytest

from retuner_training.errors import InvalidInput
from retuner_training.recipe import _KINDS, BUILT_IN, Recipe, load_recipe


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes the module `given.recipes`; gives the recipe's name."""
    package = tmp_path / "given"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(code):
        (package / "recipes.py").write_text(code)
        return "given.recipes:recipe"

    yield write
    for name in ("given", "given.recipes"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_recipe_has_all_parts(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.objective.metric in recipe.metrics


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such", "no recipe 'no_such': use one of faq_ranker, faq_reference, tabular, or 'package.module:object'"),
        ("no_such.module:recipe", "cannot be imported: put the module 'no_such' on PYTHONPATH, or install it"),
        ("given.no_such:recipe", r"cannot be imported: put the module 'given\.no_such' on PYTHONPATH"),
        ("given.recipes:other", r"cannot be imported \(AttributeError: .* has no attribute 'other'\): mend the module"),
    ],
)
def test_a_recipe_that_is_not_there_is_told(module, name, words):
    module("recipe = 1\n")
    with pytest.raises(InvalidInput, match=words):
        load_recipe(name)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def (\n", r"cannot be imported \(SyntaxError: .*\): mend the module given\.recipes"),
        (
            "raise RuntimeError('no licence')\n",
            r"cannot be imported \(RuntimeError: no licence\): mend the module given",
        ),
        ("raise SystemExit('bye')\n", r"cannot be imported \(SystemExit: bye\): mend the module given"),
    ],
)
def test_a_recipe_whose_module_raises_is_told_with_what_it_raised(module, code, words):
    name = module(code)
    with pytest.raises(InvalidInput, match=words):
        load_recipe(name)


def test_a_library_that_is_missing_is_named_with_the_node(module):
    name = module("import no_such_library.part\n")
    node = re.escape(platform.node())
    words = f"needs the package 'no_such_library', which is not installed on {node}: .* of the package given"
    with pytest.raises(InvalidInput, match=words):
        load_recipe(name)


def test_a_recipe_that_lacks_parts_is_told_which(module):
    parts = {part for part in dir(load_recipe("tabular")) if not part.startswith("_")} - {"score", "options"}
    name = module(f"class Part:\n    {' = '.join(sorted(parts))} = None\n\n\nrecipe = Part()\n")
    with pytest.raises(InvalidInput, match=r"given\.recipes:recipe' lacks options, score: see docs/recipes\.md"):
        load_recipe(name)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("recipe = type(whole)", r"is a class, and an object of it is wanted, as in recipe = \w+\(\): see docs"),
        ("recipe.fit = None", r"has a part fit that cannot be called: see docs"),
        ("recipe.files = 'a.csv'", r"has a str as files, which must be a tuple of names: see docs"),
        ("recipe.search_space = [1]", r"has a list as search_space, which must be a dictionary of ranges: see docs"),
        ("recipe.objective = 'hit'", r"has a str as objective, which must be an Objective: see docs"),
        ("recipe.metrics = ('other',)", r"has not its objective's metric 'log_loss' among its metrics: see docs"),
    ],
)
def test_a_recipe_with_a_part_of_the_wrong_kind_is_told_which(module, code, words):
    copy = "from copy import copy\nfrom retuner_training.tabular.recipe import recipe as whole\nrecipe = copy(whole)\n"
    with pytest.raises(InvalidInput, match=words):
        load_recipe(module(copy + code))


def test_every_part_of_a_recipe_is_checked():
    assert set(_KINDS) == set(Recipe.__annotations__)
