"""When a flow run begins, when its model replaces the champion, and who is told."""

from typing import Annotated, Literal

from pydantic import Field

from retuner.parameters.fields import Group

Rule = Literal["better", "significant"]
Event = Literal["failure", "champion"]


class Gate(Group):
    """When the new model replaces the champion."""

    rule: Rule = Field(
        default="better",
        title="Rule",
        description="`better`: the difference is above the margin; `significant`: its 95 % interval is.",
        json_schema_extra={"position": 0},
    )
    margin: float = Field(
        default=0,
        ge=0,
        le=1_000_000,
        title="Margin",
        description="By how much of the objective the challenger must be ahead: 0.005 is half a point of a gain.",
        json_schema_extra={"position": 1},
    )
    min_gain: float = Field(
        default=0,
        ge=0,
        le=1_000_000,
        title="Least objective of a first champion",
        description="Where there is no champion yet, the challenger must reach this value.",
        json_schema_extra={"position": 2},
    )
    replace_unloadable: bool = Field(
        default=False,
        title="Replace a champion that cannot be loaded",
        description="A champion that cannot be scored is kept, unless this is set.",
        json_schema_extra={"position": 3},
    )


class Notify(Group):
    """Who is told, and of what."""

    blocks: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")], ...] = Field(
        default=(),
        title="Notification blocks",
        description="Prefect blocks as type/name, such as slack-webhook/our-team; empty tells nobody.",
        json_schema_extra={"position": 0},
    )
    events: tuple[Event, ...] = Field(
        default=("failure", "champion"),
        title="Events",
        description="`failure`: something went wrong; `champion`: a new model version became the champion.",
        json_schema_extra={"position": 1},
    )


class Start(Group):
    """Under which circumstances a flow run begins."""

    lease_wait_minutes: float = Field(
        default=0,
        ge=0,
        le=1440,
        title="Minutes to wait for another retune",
        description="While another retune of the model is at work, this one waits for so long; 0 refuses it at once.",
        json_schema_extra={"position": 0},
    )
    skip_if_unchanged: bool = Field(
        default=False,
        title="Skip if nothing changed",
        description="End at once where data, code and parameters are those of the last finished retune.",
        json_schema_extra={"position": 1},
    )
