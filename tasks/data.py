"""Tasks of the data: fetch and prepare it, put it into the store."""

from pathlib import Path

from prefect import unmapped

from retuner.data.dataset import Dataset
from retuner.stages import prepare, unchanged
from retuner.workbench import Workbench
from tasks.stage import stage


@stage(name="prepare", task_run_name="prepare")
def prepare_dataset(bench: Workbench) -> Dataset:
    """Fetch the raw data and make the dataset; one that is there already is not built again."""
    return prepare.prepare_dataset(bench)


@stage(name="store", task_run_name="store-{file.name}")
def store_file(bench: Workbench, dataset: Dataset, file: Path) -> None:
    """Put one file of the dataset into the store."""
    prepare.store_file(bench, dataset, file)


@stage(name="look-for-news", task_run_name="look-for-news")
def find_unchanged(bench: Workbench, dataset: Dataset) -> str | None:
    """The finished study that a new one would only repeat, if any."""
    return unchanged.find_unchanged(bench, dataset)


def store_dataset(bench: Workbench, dataset: Dataset) -> None:
    """One mapped task a file, then the manifest: a manifest that is there means that all files are."""
    files = prepare.files_to_store(dataset)
    store_file.map(unmapped(bench), unmapped(dataset), files).result()
    store_file(bench, dataset, dataset.folder / prepare.MANIFEST)
