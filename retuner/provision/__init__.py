"""A workspace of Azure ML with all that it needs: made where it is missing, looked at, and taken away again."""
