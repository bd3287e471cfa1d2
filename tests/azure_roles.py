"""Azure's built-in roles, as its documentation defines them in what concerns a retune: actions and their exceptions."""

_ML = "Microsoft.MachineLearningServices/workspaces"
BUILT_IN = {
    "AzureML Data Scientist": (
        (f"{_ML}/*/read", f"{_ML}/*/action", f"{_ML}/*/delete", f"{_ML}/*/write"),
        (
            f"{_ML}/delete",
            f"{_ML}/write",
            f"{_ML}/computes/*/write",
            f"{_ML}/computes/*/delete",
            f"{_ML}/computes/listKeys/action",
            f"{_ML}/listKeys/action",
        ),
    ),
    "AzureML Compute Operator": ((f"{_ML}/computes/*", f"{_ML}/notebooks/vm/*"), ()),
}
