"""The environment of the nodes: one Docker image, written down whole and named by its hash."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from packaging.requirements import Requirement

from retuner.errors import UserError

FOLDER = Path(__file__).parents[2] / "deployments" / "azure_ml"
DOCKERFILE = "Dockerfile"
LOCK = "requirements.txt"


@dataclass(frozen=True)
class NodeEnvironment:
    """Either an image that exists, or the Dockerfile of one that is to be built."""

    name: str
    image: str | None = None
    dockerfile: str | None = None


def node_environment(
    image: str | None, folder: Path = FOLDER, *, requirements: Sequence[Requirement] = ()
) -> NodeEnvironment:
    """The environment for `image`, or for the Dockerfile and the lock in `folder`: the same content, the same name.

    `requirements` are a recipe's own; an image that was named must hold them already.
    """
    if image:
        return NodeEnvironment(f"retuner-{_hash(image)}", image=image)
    try:
        dockerfile = (folder / DOCKERFILE).read_text()
        lock = (folder / LOCK).read_text()
    except OSError as error:
        raise UserError(
            f"The nodes' environment cannot be read from {folder} ({error.strerror}): name an image in compute.image."
        ) from None
    lines = [dockerfile.rstrip(), install_line(lock), *([extra_line(lock, requirements)] if requirements else [])]
    text = "\n".join(lines) + "\n"
    return NodeEnvironment(f"retuner-{_hash(text)}", dockerfile=text)


def install_line(lock: str) -> str:
    """One RUN line for the packages of a lock, as Azure ML builds from the Dockerfile's text alone."""
    return f"RUN pip install --no-cache-dir --no-deps {' '.join(_quoted(lock))}"


def extra_line(lock: str, requirements: Sequence[Requirement]) -> str:
    """A second RUN line for a recipe's own requirements: the lock is named again, so that pip keeps its versions."""
    return f"RUN pip install --no-cache-dir {' '.join([*_quoted(lock), *(quote(str(one)) for one in requirements)])}"


def _quoted(lock: str) -> list[str]:
    packages = [line.split("#")[0].strip() for line in lock.splitlines()]
    return [f"'{package}'" for package in packages if package]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
