"""Bad input through the command: one sentence, exit status 1, no traceback, nothing half-written."""

import json

import pytest
from raw_faq import ANSWERS, DUPLICATES, QUESTIONS, read_rows, write_faq, write_rows
from retune_command import Retune, ask_api


def refused(retune: Retune, *arguments: str) -> str:
    """The one sentence that the command ends with."""
    done = retune(*arguments)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("retune: ")
    return last


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--trials", "0"), "search.trials (--trials) = 0"),
        (("run", "--trials", "many"), "search.trials (--trials) = 'many'"),
        (("run", "--recipe", "faq_rankr"), "There is no recipe 'faq_rankr': use one of faq_ranker, faq_reference"),
        (("run", "--recipe", "no.such:recipe"), "cannot be imported"),
        (("run", "--space", '{"tres": 5}'), "there is no hyperparameter 'tres'"),
        (("run", "--space", '{"trees": {"low": 9, "high": 3}}'), "upside down"),
        (("run", "--resume", "FAQ_ranker-00000000-1"), "There is no study 'FAQ_ranker-00000000-1'"),
        (("run", "--data", "no-such-folder"), "There is no data source 'no-such-folder'"),
        (("run", "--resume"), "no unfinished study"),
        (
            ("run", "--address", "tcp://127.0.0.1:9"),
            "No Dask scheduler listens at tcp://127.0.0.1:9 (Connection refused)",
        ),
        (
            ("run", "--nodes", "1000", "--trials", "1000"),
            "= 1 wants 1000 cores for 1000 trials at once, and this machine has",
        ),
        (("run", "--threads", "256"), "= 256 wants more cores than this machine has: set compute.threads to at most"),
        (("ask", "anything"), "no champion of FAQ_ranker yet"),
        (("ask", "  "), "The question is empty"),
        (("ask", "anything", "--top", "0"), "--top is 0"),
        (("ask", "anything", "--model-name", "../x"), "model_name = '../x'"),
        (("ask", "anything", "--registry-workspace", "w"), "set registry.subscription_id, registry.resource_group, or"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(tmp_path, arguments, words):
    retune = Retune(tmp_path)  # no Prefect server: none must be needed
    assert words in refused(retune, *arguments)
    assert not list(retune.home.glob("prefect/*"))
    assert not list(retune.home.glob("datasets/*"))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_recipe_that_lacks_a_part_is_told_which(tmp_path, command):
    parts = "{name: getattr(whole, name) for name in dir(whole) if name[0] != '_' and name not in ('score', 'seen')}"
    imports = "from types import SimpleNamespace\nfrom toy_recipe import recipe as whole\n"
    (tmp_path / "half.py").write_text(f"{imports}recipe = SimpleNamespace(**{parts})")
    retune = Retune(tmp_path)
    retune.environment["PYTHONPATH"] += f":{tmp_path}"
    sentence = refused(retune, command, "--recipe", "half:recipe")
    assert sentence == "retune: The recipe 'half:recipe' lacks score, seen: see docs/recipes.md."
    assert not list(retune.home.glob("*"))


def test_a_table_without_the_target_is_told_once_and_before_anything_starts(tmp_path):
    (tmp_path / "customers.csv").write_text("age,plan\n31,basic\n")
    retune = Retune(tmp_path)
    done = retune("run", "--recipe", "tabular", "--data", "customers.csv", "--model-name", "churn")
    sentence = (
        f"{tmp_path / 'customers.csv'} has no column 'target' for the target: set target_column to one of age, plan."
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"retune: {sentence}\n")
    assert not list(retune.home.glob("prefect/*"))


def no_gzip(folder):
    (folder / QUESTIONS).write_text("plain text")
    return QUESTIONS


def wrong_delimiter(folder):
    write_rows(folder / DUPLICATES, read_rows(folder / DUPLICATES), delimiter=";")
    return DUPLICATES


def missing_file(folder):
    (folder / ANSWERS).unlink()
    return ANSWERS


def no_duplicates(folder):
    rows = read_rows(folder / DUPLICATES)
    write_rows(folder / DUPLICATES, [row for row in rows if row[1] != "91"])
    return QUESTIONS


@pytest.mark.parametrize("spoil", [no_gzip, wrong_delimiter, missing_file, no_duplicates])
def test_unusable_data_is_named_by_its_file(retune, spoil):
    file = spoil(write_faq(retune.folder / "raw"))
    assert file in refused(retune, "run", "--data", "raw", "--min-text", "0", "--min-dupes", "3")
    assert not list(retune.home.glob("datasets/dataset-*"))
    assert not (retune.home / "store").exists()


def test_filters_that_leave_nothing_say_what_there_is_once(retune, api):
    write_faq(retune.folder / "raw")
    done = retune("run", "--data", "raw")
    task, last = done.stderr.splitlines()
    assert task.endswith("The task prepare failed.")
    assert last.startswith("retune: min_text = 150 leaves no question")
    sentence = last.removeprefix("retune: ")
    lines = [log["message"] for log in ask_api(api, "logs/filter", {"limit": 200, "sort": "TIMESTAMP_DESC"})]
    assert f"The task prepare failed: {sentence}" in lines  # nothing is hidden from the Prefect UI


def test_a_notification_block_that_is_not_there_is_told_before_the_work(retune):
    sentence = refused(retune, *retune.search("--notify", '["slack-webhook/nobody"]'))
    assert sentence.startswith("retune: There is no block 'slack-webhook/nobody': make it in the Prefect UI")
    assert retune.trainings() == 0
    assert not list(retune.home.glob("datasets/*"))


def test_a_registry_that_does_not_answer_is_told_before_the_work(retune):
    retune.environment["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    sentence = refused(retune, *retune.search("--tracking-uri", "http://127.0.0.1:9"))
    assert sentence.startswith(
        "retune: MLflow gave no answer at looking for a version of FAQ_ranker in http://127.0.0.1"
    )
    assert sentence.endswith(": check that it runs, and registry.tracking_uri (--tracking-uri).")
    assert retune.trainings() == 0
    assert not list(retune.home.glob("datasets/*"))


def test_a_port_that_cannot_be_is_named(tmp_path):
    assert "There is no port 99999: choose one up to 65535" in refused(Retune(tmp_path), "ui", "--port", "99999")


def test_a_truncated_dataset_and_an_altered_model_are_named(retune):
    search = retune.search(trials=1)
    assert retune(*search).returncode == 0
    model = next((retune.home / "mlflow").rglob("model.joblib"))
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    assert "model.joblib" in refused(retune, "ask", "anything")
    table = next((retune.home / "datasets").rglob("rows.parquet"))
    table.write_bytes(table.read_bytes()[:-10])
    assert str(table) in refused(retune, *search)


def test_a_surprise_is_one_sentence_and_debug_shows_the_rest(tmp_path):
    retune = Retune(tmp_path)
    retune.home.parent.mkdir(parents=True, exist_ok=True)
    retune.home.write_text("a file where the home should be")
    assert "Traceback" not in retune("status").stderr
    assert retune("status").returncode == 1
    assert "Traceback" in retune("status", "--debug").stderr


def test_with_json_stdout_is_one_document(retune):
    done = retune(*retune.search("--json", trials=1))
    assert json.loads(done.stdout)["trials"]["asked"] == 1
    assert json.loads(retune("status", "--json").stdout)[0]["trials"]["completed"] == 1
