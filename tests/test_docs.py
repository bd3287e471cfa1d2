"""What the pages say must be so: their commands parse, their links lead somewhere, their parameter files are valid."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from cli.main import build_parser
from retuner.parameters.values import parse_parameters
from retuner_training.recipe import load_recipe

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(CHECKOUT)) for page in PAGES]
PARAMETER_FILES = sorted((CHECKOUT / "deployments" / "parameters").glob("*.yaml"))


def commands(page: Path, program: str) -> list[str]:
    """Lines of code blocks that call `program`."""
    blocks = re.findall(r"```(?:sh|bash|console)?\n(.*?)```", page.read_text(), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.split(" #")[0] for line in lines if re.match(rf"(PYTHONPATH=\S+ )?{program}\b", line)]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_retune_command_on_a_page_parses(page):
    for line in commands(page, r"\.venv/bin/retune"):
        words = shlex.split(line)
        build_parser().parse_args(words[words.index(".venv/bin/retune") + 1 :])


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_make_target_on_a_page_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named = {target for text in re.findall(r"`make ([a-z-]+)`", page.read_text()) for target in text.split()}
    named |= {line.split()[1] for line in commands(page, "make")}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_code_that_makes_the_files_of_an_faq_makes_files_that_the_recipe_takes(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (CHECKOUT / "docs" / "data.md").read_text(), re.DOTALL)
    asked = [
        (f"What is {topic}?", f'<p>"{topic}",\nin two lines</p>', f"{topic},\tcase {n}?")
        for topic in "ab"
        for n in range(9)
    ]
    pd.DataFrame(asked, columns=["question", "answer", "asked_as"]).to_csv(tmp_path / "asked.csv", index=False)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    options = {"min_text": 0, "min_dupes": 3, "match": 2, "split_seed": 0, "faulty_rows": "refuse"}
    tables, _ = load_recipe("faq_ranker").prepare(tmp_path / "FOLDER", options)
    assert list(tables["questions"]["shown"]) == ["What is a?", "What is b?"]
    assert list(tables["questions"]["answer"]) == ['"a", in two lines', '"b", in two lines']
    assert tables["texts"]["question"].value_counts().to_dict() == {0: 9, 1: 9}


@pytest.mark.parametrize("file", PARAMETER_FILES, ids=[file.name for file in PARAMETER_FILES])
def test_every_parameter_file_is_valid(file):
    parse_parameters(yaml.safe_load(file.read_text()))


def test_the_readme_is_short():
    assert len((CHECKOUT / "README.md").read_text().splitlines()) < 150


def test_every_command_is_on_a_page():
    text = "\n".join(page.read_text() for page in PAGES)
    for command in next(action.choices for action in build_parser()._subparsers._group_actions):
        assert f"retune {command}" in text, command


def test_flow_files_do_not_share_a_name_with_a_folder():
    """Prefect loads a flow's file as a module of its own name, which would then hide the folder."""
    folders = {entry.name for entry in CHECKOUT.iterdir() if entry.is_dir()}
    assert not {file.stem for file in (CHECKOUT / "flows").glob("*.py")} & folders
