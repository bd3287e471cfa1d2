"""The whole flow through the command line: real processes, a real Prefect server, a real Dask cluster."""

import json
import re
import signal
import socket
from html import unescape
from pathlib import Path

from retune_command import Retune, ask_api, wait_until
from webhook import BLOCK, Webhook

DOCUMENT = {"dataset", "study", "flow_run", "trials", "best", "test", "model", "seconds"}


def run_document(retune: Retune, *arguments: str) -> dict:
    done = retune(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_one_command_ends_in_a_registered_champion_that_answers(retune, api):
    document = run_document(retune, *retune.search("--probe", "true", trials=4))
    assert document.keys() >= DOCUMENT
    assert document["trials"] == {"asked": 4, "completed": 4, "pruned": 0, "failed": 0}
    assert document["model"] == {
        "name": "FAQ_ranker",
        "version": "1",
        "champion": True,
        "uri": "models:/FAQ_ranker/1",
    }
    assert document["seconds"].keys() == {"total", "plan", "prepare", "search", "retrain", "evaluate", "report"}
    assert 0 < document["best"]["value"] <= 1
    assert document["decision"] in unescape(Path(document["report"]).read_text())
    assert retune.trainings() == 6  # the probe, four trials and the final training
    assert not document["cost"]["plan_is_bound"]
    assert document["cost"]["plan"]["work"]["node_hours"] < 4 * 30 / 3600

    this = {"flow_runs": {"id": {"any_": [document["flow_run"]]}}}
    stages = ["plan", "prepare", "open-study", "scale-up", "aggregate", "evaluate", "write-evaluation", "register"]
    expected = [
        *stages,
        "scale-back",
        "store-manifest.json",
        "store-rows.parquet",
        *(f"trial-{n:04d}" for n in range(4)),
    ]

    tasks = ended_tasks(api, this, set(expected))
    assert {tasks[name]["state_name"] for name in expected} == {"Completed"}
    assert tasks["scale-back"]["end_time"] <= tasks["evaluate"]["start_time"], "nodes cost as long as they are up"
    artifacts = ask_api(api, "artifacts/filter", this)
    assert {one["key"] for one in artifacts} == {
        f"{kind}-faq-ranker" for kind in ("plan", "progress", "leaderboard", "report", "summary")
    }

    answer = retune("ask", "anything", "--json")
    assert json.loads(answer.stdout)["answers"][0]["question"] == "anything"
    refused = retune("ask", "unanswerable")
    words = (
        "The recipe toy_recipe.recorded:recipe of FAQ_ranker version 1 could not answer: it raised ValueError: the toy"
    )
    assert (refused.returncode, refused.stderr.startswith(f"retune: {words}")) == (1, True), refused.stderr
    assert "Traceback" in retune("ask", "unanswerable", "--debug").stderr
    assert retune.status()[0]["state"] == "finished"


def test_a_report_that_cannot_be_made_is_a_warning(retune):
    reports = retune.home / "store" / "reports"
    reports.parent.mkdir(parents=True)
    reports.write_text("in the way")
    done = retune(*retune.search(trials=2), "--json")
    assert done.returncode == 0, done.stderr
    assert (json.loads(done.stdout)["report"], json.loads(done.stdout)["model"]["version"]) == (None, "1")
    assert "No report was made" in done.stderr
    told = re.findall(r"completed: .* quality ([0-9.e-]+)", done.stderr)
    each = json.loads(retune("status", json.loads(done.stdout)["study"], "--json").stdout)["each"]
    exact = {trial["params"]["quality"] for trial in each}
    assert {float(value) for value in told} == {float(f"{value:.4g}") for value in exact}
    assert exact != {float(value) for value in told}  # programs get all digits


def test_a_second_run_reuses_the_dataset_and_keeps_an_equal_champion(retune):
    first = run_document(retune, *retune.search(trials=2))
    datasets = retune.home / "datasets"
    built = {file: file.stat().st_mtime_ns for file in datasets.rglob("*.parquet")}
    second = run_document(retune, *retune.search(trials=2))
    assert second["dataset"] == first["dataset"]
    assert {file: file.stat().st_mtime_ns for file in datasets.rglob("*.parquet")} == built
    assert second["study"] == first["study"].removesuffix("1") + "2"
    assert second["best"] == first["best"]
    assert second["model"]["version"] is None
    assert "not better" in second["decision"]


def completed(retune: Retune) -> int:
    studies = retune.status() if (retune.home / "ledger.sqlite").exists() else []
    return studies[0]["trials"]["completed"] if studies else 0


def test_a_signal_ends_the_probe_of_a_plan_too(retune):
    process = retune.start(*retune.search("--probe", "true", space={"steps": 10_000}))
    wait_until(lambda: retune.trainings() == 1, "the probe")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "asked to stop before it had a study" in err
    assert retune.status() == []


def test_a_signal_is_heard_while_a_scheduler_does_not_answer(retune):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        process = retune.start(*retune.search("--address", address))
        wait_until(lambda: (retune.home / "ledger.sqlite").exists() and retune.status(), "a study")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"Stopped while connecting to {address}" in err


def test_a_search_whose_trials_all_fail_says_why_and_tells(retune, api, tmp_path):
    """Without a deployment no server watches: its own process sends the notification."""
    hook = Webhook({**retune.environment, "PREFECT_HOME": str(tmp_path / "prefect")})
    done = retune(*retune.search("--notify", f'["{BLOCK}"]', trials=4, space={"fails_at": 1}))
    hook.close()
    assert done.returncode == 1
    assert "ArithmeticError: step 1 went wrong" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    study = retune.status()[0]
    assert study["state"] == "failed"
    logged = [line["message"] for line in ask_api(api, "logs/filter", {"sort": "TIMESTAMP_DESC", "limit": 200})]
    told = [line for line in logged if line.startswith(f"The end of the log of {study['study']}-t0000-a1")]
    assert told[0].endswith("ArithmeticError: step 1 went wrong")
    told = hook.wait_for("retuner: retune-FAQ_ranker failed")
    assert f"4 x ArithmeticError: step 1 went wrong; the latest is trial 3 ({study['study']}-t0003-a1 on " in told
    assert "/runs/flow-run/" in told


def test_the_good_end_of_a_trial_is_one_line_in_prefects_log(retune, api):
    assert retune(*retune.search(trials=2)).returncode == 0
    study = retune.status()[0]["study"]
    logs = ask_api(api, "logs/filter", {"sort": "TIMESTAMP_DESC", "limit": 200})
    for number in range(2):
        (ours,) = [log for log in logs if log["message"].startswith(f"{study} trial {number} completed: ")]
        assert [log for log in logs if log["task_run_id"] == ours["task_run_id"]] == [ours]


def test_a_password_in_what_the_training_raises_is_shown_nowhere(retune, api):
    done = retune(*retune.search("--recipe", "toy_recipe.leaking:recipe", trials=2))
    assert "ConnectionError: postgresql://me:********@db.example/faq does not answer" in done.stderr
    study = retune.status()[0]["study"]
    report = retune.folder / "report.html"
    told = [done.stderr, retune("status", study, "--json").stdout, retune("report", "--output", str(report)).stdout]
    results = list((retune.home / "store").rglob("result.json"))
    told += [path.read_text(errors="replace") for path in (report, *results, *retune.home.glob("ledger.sqlite*"))]
    told += [json.dumps(ask_api(api, f"{kind}/filter", {})) for kind in ("flow_runs", "task_runs", "artifacts", "logs")]
    assert [text for text in told if "db.example" in text][1:]
    assert len(results) == 2
    assert not [text for text in told if "hunter2" in text]


def test_a_retune_at_work_shows_how_far_it_is(retune, api):
    process = retune.start(*retune.search(trials=400))
    wait_until(lambda: retune.trainings() >= 1, "a training")
    wait_until(lambda: "leaderboard-faq-ranker" in newest_artifacts(api), "a leaderboard")
    shown = newest_artifacts(api)
    assert 0 < shown["progress-faq-ranker"] < 100
    rows = json.loads(shown["leaderboard-faq-ranker"])
    values = [row["hit"] for row in rows if row["state"] == "completed"]
    assert values == sorted(values, reverse=True) != []
    process.terminate()
    process.communicate(timeout=60)


def ended_tasks(api: str, query: dict, names: set[str]) -> dict[str, dict]:
    """The task runs by name, once the server has written that these ended; it may be a while behind the process."""

    def ended() -> dict[str, dict]:
        return {task["name"]: task for task in ask_api(api, "task_runs/filter", query) if task["end_time"]}

    wait_until(lambda: ended().keys() >= names, f"the ends of {', '.join(sorted(names))}")
    return ended()


def newest_artifacts(api: str) -> dict:
    """The artifacts of the flow run that began last, by key, while it runs."""
    at_work = {"state": {"type": {"any_": ["RUNNING"]}}}
    (flow_run,) = ask_api(api, "flow_runs/filter", {"flow_runs": at_work, "sort": "START_TIME_DESC", "limit": 1})
    found = ask_api(api, "artifacts/filter", {"flow_runs": {"id": {"any_": [flow_run["id"]]}}})
    return {one["key"]: one["data"] for one in found}


def test_a_study_of_other_data_or_space_is_not_resumed(retune):
    process = retune.start(*retune.search(trials=8))
    wait_until(lambda: completed(retune) >= 1, "a completed trial")
    process.kill()
    process.communicate()
    study = retune.status()[0]["study"]
    refused = retune(*retune.search("--resume", study, "--seed", "5", trials=8))
    assert refused.returncode == 1
    assert "seed (0, now 5)" in refused.stderr
    narrower = {"quality": {"low": 0.5, "high": 0.9}}
    refused = retune(*retune.search("--resume", study, trials=8, space=narrower))
    assert refused.returncode == 1
    assert "because these differ: space.quality ({" in refused.stderr
    assert "'high': 0.9" in refused.stderr
    assert "space.steps" not in refused.stderr
    refused = retune("run", "--resume", study, "--recipe", "faq_ranker", "--space", "{}")
    assert refused.returncode == 1
    assert "dataset (dataset-" in refused.stderr


def test_a_retune_that_would_repeat_the_last_one_starts_nothing(retune):
    first = run_document(retune, *retune.search(trials=2))
    trained = retune.trainings()
    second = run_document(retune, *retune.search("--skip-if-unchanged", "true", "--probe", "true", trials=2))
    assert second["study"] == first["study"]
    assert second.keys() == first.keys()
    assert second["model"] is None
    assert second["decision"].startswith(f"Nothing changed since {first['study']}")
    assert retune.trainings() == trained
    assert len(retune.status()) == 1
    other = run_document(retune, *retune.search("--skip-if-unchanged", "true", "--seed", "1", trials=2))
    assert other["study"] != first["study"]
    assert retune.trainings() > trained
