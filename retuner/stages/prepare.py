"""Stage 1: fetch the raw data, make the dataset, put it into the store."""

from pathlib import Path

from retuner.data.dataset import Dataset
from retuner.storage.names import dataset_folder
from retuner.workbench import Workbench
from retuner_training.dataset import MANIFEST


def prepare_dataset(bench: Workbench) -> Dataset:
    """The dataset of the parameters; one that is there already is not built again."""
    return bench.dataset


def files_to_store(dataset: Dataset) -> list[Path]:
    """All files of the dataset but the manifest, which goes last: a manifest that is there means all is there."""
    return sorted(file for file in dataset.folder.iterdir() if file.name != MANIFEST)


def store_file(bench: Workbench, dataset: Dataset, file: Path) -> None:
    """Put one file of the dataset into the store; nothing is sent where it is there already."""
    bench.check_stop()
    bench.store.put(file, f"{dataset_folder(dataset.name)}/{file.name}")
