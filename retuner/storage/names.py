"""Names of files in a store: relative paths with forward slashes, the same for every kind of store."""

from pathlib import PurePosixPath

from retuner.errors import UserError


def dataset_folder(dataset: str) -> str:
    """Where the files of a dataset lie."""
    return f"datasets/{dataset}"


def job_folder(study: str, job: str) -> str:
    """Where the files lie that a job leaves."""
    return f"jobs/{study}/{job}"


def evaluation_file(study: str) -> str:
    """The comparison of a study's challenger with the champion."""
    return f"evaluations/{study}.json"


def report_file(study: str) -> str:
    """The report of a study."""
    return f"reports/{study}.html"


def check_name(name: str) -> str:
    """The name, where it is a plain relative path. Raises UserError where it leaves the store or is ambiguous."""
    parts = PurePosixPath(name).parts
    plain = name == "/".join(parts) and all(part not in ("", ".", "..") for part in parts)
    if not parts or not plain or "\\" in name or "\0" in name or name.startswith("/"):
        raise UserError(f"'{name}' is no name in a store: use a relative path such as 'datasets/faq/texts.parquet'.")
    return name
