"""What a person fills in for one flow run: the form in the Prefect UI, the parameter file and the command's flags.

Each group is one parameter of the flow. Every field has a title, a description, bounds and a sensible default;
unknown names are refused.
"""

from retuner.parameters.compute import AzureMlCompute, DaskCompute
from retuner.parameters.conduct import Event, Gate, Notify, Rule, Start
from retuner.parameters.fields import TAGS, Group, ModelName, RecipeName, StudyName
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

    model_name: ModelName = "FAQ_ranker"
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
