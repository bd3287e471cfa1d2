"""What a person fills in for one flow run: the form in the Prefect UI, the parameter file and the command's flags.

Each group is one parameter of the flow. Every field has a title, a description, bounds and a sensible default;
unknown names are refused.
"""

from typing import Any

from pydantic import model_validator

from retuner.parameters.compute import AzureMlCompute, DaskCompute
from retuner.parameters.conduct import Event, Gate, Notify, Rule, Start
from retuner.parameters.fields import TAGS, GivenModelName, Group, ModelName, RecipeName, StudyName, model_name_of
from retuner.parameters.places import AzureMlRegistry, BlobStorage, FolderStorage, MlflowRegistry
from retuner.parameters.study import Budget, Data, FaultyRows, Sampler, Search, Stopping

__all__ = [
    "TAGS",
    "AzureMlCompute",
    "AzureMlRegistry",
    "BlobStorage",
    "Budget",
    "DaskCompute",
    "Data",
    "Event",
    "FaultyRows",
    "FolderStorage",
    "Gate",
    "GivenModelName",
    "Group",
    "MlflowRegistry",
    "ModelName",
    "Notify",
    "Parameters",
    "RecipeName",
    "Rule",
    "Sampler",
    "Search",
    "Start",
    "Stopping",
    "StudyName",
]


class Parameters(Group):
    """All parameters of the flow `retune`, as a parameter file or the command line gives them."""

    model_name: ModelName = ""
    recipe: RecipeName = "faq_ranker"
    data: Data = Data()
    search: Search = Search()
    budget: Budget = Budget()
    compute: DaskCompute | AzureMlCompute = DaskCompute()
    storage: FolderStorage | BlobStorage = FolderStorage()
    registry: MlflowRegistry | AzureMlRegistry = MlflowRegistry()
    gate: Gate = Gate()
    start: Start = Start()
    notify: Notify = Notify()

    @model_validator(mode="before")
    @classmethod
    def _name_model(cls, values: Any) -> Any:
        """Give the model its recipe's name where nobody named it: the form and the command leave it empty."""
        if not isinstance(values, dict):
            return values
        recipe = values.get("recipe", cls.model_fields["recipe"].default)
        if not isinstance(recipe, str):
            return values
        return {**values, "model_name": model_name_of(recipe, values.get("model_name"))}
