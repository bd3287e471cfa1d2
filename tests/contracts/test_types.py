"""No type of a library that a backend wraps crosses the protocols: another backend, or the SDK's next version, fits."""

import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest

from retuner.compute.azure_ml import AzureMlTarget
from retuner.compute.dask import DaskTarget
from retuner.compute.target import ComputeTarget
from retuner.registry.azure_ml import AzureMlRegistry
from retuner.registry.mlflow import MlflowRegistry
from retuner.registry.registry import Registry
from retuner.storage.blob import BlobStore
from retuner.storage.folder import FolderStore
from retuner.storage.store import Store

PROTOCOLS = {
    ComputeTarget: (AzureMlTarget, DaskTarget),
    Registry: (AzureMlRegistry, MlflowRegistry),
    Store: (BlobStore, FolderStore),
}
PAIRS = [(protocol, kind) for protocol, kinds in PROTOCOLS.items() for kind in (protocol, *kinds)]
OURS = ("retuner", "retuner_training")
PLAIN = ("builtins", "collections", "collections.abc", "datetime", "pathlib", "typing", "types")


def members(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def types_of(annotation: Any, seen: set[Any]) -> Iterator[Any]:
    """Every class that the annotation is made of, and those that the fields of our dataclasses are made of."""
    if annotation in seen:
        return
    seen.add(annotation)
    parts = get_args(annotation)
    for part in parts:
        yield from types_of(part, seen)
    if isinstance(annotation, type):
        yield annotation
        if is_dataclass(annotation):
            hints = get_type_hints(annotation)
            for field in fields(annotation):
                yield from types_of(hints[field.name], seen)


@pytest.mark.parametrize(("protocol", "kind"), PAIRS, ids=lambda kind: kind.__name__)
def test_what_goes_in_and_out_is_plain_or_ours(protocol, kind):
    for name in members(protocol):
        member = inspect.getattr_static(kind, name)
        function = member.fget if isinstance(member, property) else member
        for annotation in get_type_hints(function).values():
            for found in types_of(annotation, set()):
                package = found.__module__.partition(".")[0]
                assert package in OURS or found.__module__ in PLAIN, f"{kind.__name__}.{name}: {found}"


def test_the_check_sees_a_foreign_type():
    from azure.storage.blob import BlobProperties

    assert [found.__module__.partition(".")[0] for found in types_of(list[BlobProperties], set())] == ["azure"]
