"""What a study is about, for tests that care for a part of it or for none."""

from typing import Any

from retuner.search.records import StudyIdentity


def identity(**changes: Any) -> StudyIdentity:
    """A random search of nothing on the sample, with these fields instead."""
    fields: dict[str, Any] = {
        "dataset": "sample-0a1b",
        "recipe": "faq_ranker",
        "snapshot": "ff00",
        "metric": "gain@1",
        "direction": "maximize",
        "space": {},
        "sampler": "random",
        "stopping": "none",
        "delay": 1,
        "interval": 1,
        "seed": 0,
    }
    return StudyIdentity(**{**fields, **changes})
