"""Stage 5: score challenger and champion on held-out data and let the gate decide.

Each model is scored in a process of its own, with the code that it was made with.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retuner.errors import Interrupted, RetryableError, TrialFailed, UnusableVersion
from retuner.gate import Decision, decide
from retuner.registry.registry import ModelVersion
from retuner.registry.version_record import MODEL, SEEN, SIGNATURE, SNAPSHOT
from retuner.stages.study import Study
from retuner.storage.names import evaluation_file, job_folder
from retuner.workbench import Workbench
from retuner_training.job import Job
from retuner_training.redaction import redact
from retuner_training.result import MISTAKES, RESULT, SCORES

STOP_SECONDS = 5.0
"""How long a scoring process that was asked to end may take before it is killed."""


@dataclass(frozen=True)
class Scores:
    """What a model reaches on the test part of a dataset."""

    rows: pd.DataFrame
    """One row per test example: the recipe's metrics, `key` and `known`."""
    metrics: dict[str, float]
    standard_errors: dict[str, float]
    mistakes: list[dict[str, Any]]
    """Examples that it got wrong; none where its recipe shows none."""


@dataclass(frozen=True)
class Evaluation:
    """The outcome of the comparison."""

    folder: Path
    """The challenger's files as they are registered."""
    job: str
    """The final job that made the challenger: its identity in the registry."""
    metrics: dict[str, float]
    standard_errors: dict[str, float]
    promote: bool
    reason: str
    champion: str | None
    """Version of the champion that it was compared with; None also for one that could not be had."""
    champion_key: str | None
    decision: dict[str, Any]
    mistakes: list[dict[str, Any]] = field(default_factory=list)
    """Examples of the test set that the challenger got wrong."""

    @property
    def verdict(self) -> str:
        """The decision and its reason in one sentence."""
        return f"{'promoted' if self.promote else 'not promoted'}: {self.reason}"


def evaluate_challenger(bench: Workbench, study: Study, job: str) -> Evaluation:
    """Score the final `job`'s model and the champion, and decide. A comparison that still holds is not made again."""
    folder = collect_challenger(bench, study, job)
    champion, problem = find_champion(bench)
    earlier = None if problem else earlier_evaluation(bench, study.name, job, champion)
    if earlier is not None:
        return Evaluation(folder=folder, **earlier)
    scores = _score(bench, study, folder, recipe=bench.parameters.recipe)
    decision = _decide(bench, study, scores, champion, problem)
    return Evaluation(
        folder=folder,
        job=job,
        metrics=scores.metrics,
        standard_errors=scores.standard_errors,
        promote=decision.promote,
        reason=decision.reason,
        champion=champion.version if champion else None,
        champion_key=champion.key if champion else None,
        decision=decision.to_dict(),
        mistakes=scores.mistakes,
    )


def find_champion(bench: Workbench) -> tuple[ModelVersion | None, str | None]:
    """The champion, or why the one that there is cannot be had; neither where there is none."""
    try:
        return bench.registry.champion(bench.parameters.model_name), None
    except UnusableVersion as error:
        return None, str(error)


def write_evaluation(bench: Workbench, study: Study, evaluation: Evaluation) -> None:
    """Put the comparison into the store, before anything is done about it."""
    document = {name: value for name, value in vars(evaluation).items() if name != "folder"}
    file = bench.scratch / "evaluation.json"
    file.write_text(json.dumps(document, indent=1))
    bench.store.put(file, evaluation_file(study.name))


def collect_challenger(bench: Workbench, study: Study, job: str) -> Path:
    """A folder with the files that belong to a model version: model, keys seen, snapshot, signature."""
    folder = bench.scratch / "challenger"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in (MODEL, SEEN):
        bench.store.get(f"{job_folder(study.name, job)}/{name}", folder / name)
    shutil.copyfile(study.snapshot.path, folder / SNAPSHOT)
    (folder / SIGNATURE).write_text(json.dumps(bench.recipe.signature(study.dataset.statistics)))
    return folder


def earlier_evaluation(bench: Workbench, study: str, job: str, champion: ModelVersion | None) -> dict[str, Any] | None:
    """The stored comparison of the final `job`'s model, where the same champion and the same gate would decide again.

    Where that model is the champion by now, the comparison is what made it so, and stays as it is.
    """
    if not bench.store.exists(evaluation_file(study)):
        return None
    file = bench.scratch / "earlier.json"
    bench.store.get(evaluation_file(study), file)
    document: dict[str, Any] = json.loads(file.read_text())
    if document.get("job") != job:
        return None
    if champion is not None and champion.key == job:
        return document
    compared = (document["champion"], document["champion_key"], document["decision"]["gate"])
    gate = bench.parameters.gate.model_dump(mode="json")
    return document if compared == (champion and champion.version, champion and champion.key, gate) else None


def _decide(
    bench: Workbench, study: Study, scores: Scores, champion: ModelVersion | None, problem: str | None
) -> Decision:
    rows, seen = None, np.empty(0, np.uint64)
    if champion is not None:
        try:
            folder = _fetch_champion(bench, champion)
            seen = _read_seen(folder / SEEN)
            rows = _score(bench, study, folder, recipe=champion.tags.get("recipe", bench.parameters.recipe)).rows
        except (TrialFailed, UnusableVersion) as error:
            problem = str(error)
    return decide(
        scores.rows, rows, objective=bench.recipe.objective, seen=seen, gate=bench.parameters.gate, problem=problem
    )


def _fetch_champion(bench: Workbench, champion: ModelVersion) -> Path:
    folder = bench.scratch / "champion"
    shutil.rmtree(folder, ignore_errors=True)
    return bench.registry.download(champion, folder)


def _read_seen(file: Path) -> NDArray[np.uint64]:
    """Keys that a model was trained or tuned on. Raises UnusableVersion: a comparison without them is not fair."""
    try:
        return pd.read_parquet(file)["key"].to_numpy(np.uint64)  # type: ignore[no-any-return]
    except (OSError, ValueError, KeyError) as error:
        raise UnusableVersion(f"which rows it has seen cannot be read from its {SEEN}: {error}") from error


def _score(bench: Workbench, study: Study, folder: Path, *, recipe: str) -> Scores:
    """The scores of the model in `folder`, by the code in its snapshot."""
    work = folder.with_name(folder.name + "-scores")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    job = Job(
        name=f"{study.name}-{folder.name}",
        study=study.name,
        recipe=recipe,
        parameters={},
        dataset=str(study.dataset.folder),
        output=str(work / "output"),
        kind="evaluate",
        model=str(folder / MODEL),
        threads=len(os.sched_getaffinity(0)),
    )
    return evaluate_model(job, snapshot=folder / SNAPSHOT, folder=work, stop=bench.stop)


def evaluate_model(job: Job, *, snapshot: Path, folder: Path, stop: threading.Event) -> Scores:
    """Run the evaluation `job` with the packages in the `snapshot` archive; `folder` is for its files.

    Raises TrialFailed with the job's own words where the model cannot be loaded or scored, RetryableError where the
    process was killed (memory may have been short), Interrupted where `stop` was set.
    """
    packages = folder / "snapshot"
    try:
        with zipfile.ZipFile(snapshot) as archive:
            archive.extractall(packages)
    except zipfile.BadZipFile as error:
        raise TrialFailed(f"its code in {snapshot.name} cannot be unpacked: {error}") from error
    order, answer, log = folder / "job.json", folder / RESULT, folder / "log.txt"
    order.write_text(json.dumps(job.to_dict()))
    command = [sys.executable, "-P", "-m", "retuner_training", str(order), str(answer)]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    with log.open("wb") as output:
        returned = _run(command, environment, folder, output, stop)
    if returned < 0:
        name = signal.Signals(-returned).name
        raise RetryableError(f"The process that scored {job.name} was killed by {name}: is there memory enough?")
    if returned != 0 or not answer.exists():
        raise TrialFailed(_last_words(answer, log))
    result = json.loads(answer.read_text())
    rows, mistakes = pd.read_parquet(Path(job.output) / SCORES), Path(job.output) / MISTAKES
    return Scores(
        rows=rows,
        metrics=result["metrics"],
        standard_errors=result["standard_errors"],
        mistakes=json.loads(mistakes.read_text()) if mistakes.exists() else [],
    )


def _run(
    command: list[str], environment: dict[str, str], folder: Path, output: IO[bytes], stop: threading.Event
) -> int:
    """The exit code of the command. Its process has ended when this returns or raises."""
    process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
    try:
        while process.poll() is None:
            if stop.wait(0.05):
                raise Interrupted("Stopped while a model was evaluated; continue with: retune run --resume")
        return process.returncode
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """An evaluation takes no notice of a request to stop, so that it is killed where it goes on."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(answer: Path, log: Path) -> str:
    if answer.exists():
        reason = json.loads(answer.read_text()).get("reason")
        if reason:
            return redact(str(reason))
    lines = log.read_text(errors="replace").strip().splitlines()
    return redact(lines[-1]) if lines else "the evaluation ended without a word"
