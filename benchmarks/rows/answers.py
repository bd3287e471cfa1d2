"""How long a person waits for an answer."""

import statistics
from typing import Any

from benchmarks.bench import Bench
from benchmarks.result import Goal, Result

DUPLICATES = 6
PARAMETERS = {"match": 5}


def model_of_many(bench: Bench) -> dict[str, Any]:
    """A model trained on very many FAQs: its file and dataset, its size and what its training took."""
    folder = bench.new_folder("faqs")
    bench.child("answers:write_faqs", folder=str(folder), questions=bench.scale.faqs, duplicates=DUPLICATES)
    options = {**bench.options, "min_dupes": DUPLICATES}
    dataset = bench.child("training:prepare", raw=str(folder), home=str(folder / "home"), options=options).value
    model = str(folder / "model" / "model.joblib")
    parameters = {**PARAMETERS, **dict(bench.scale.ranker)}
    made = bench.child("answers:train_model", dataset=dataset["folder"], parameters=parameters, file=model)
    return {"file": model, "dataset": dataset["folder"], "cpu": made.cpu, **made.value}


def answer(bench: Bench) -> Result:
    """One question ranked against very many FAQs."""
    model = bench.once(model_of_many)
    asked = {"file": model["file"], "dataset": model["dataset"], "asked": bench.scale.asked}
    found = bench.repeat(lambda: bench.child("answers:ask", **asked).value["seconds"])
    return Result(
        f"one question ranked against {bench.scale.faqs} FAQs, median of {bench.scale.asked}",
        [1000 * statistics.median(seconds) for seconds in found],
        unit="ms",
        goal=Goal("<", 50),
        beside=f"slowest {1000 * max(map(max, found)):.0f} ms; faq_ranker with match {PARAMETERS['match']}, saved as a "
        f"final training saves it: {model['megabytes']:.0f} MB, trained in {model['cpu']:.0f} CPU s",
    )


NEEDS = {answer: (model_of_many,)}
ROWS = (answer,)
