"""The toy whose training raises what a database's driver may: its address, with the password."""

from toy_recipe.recorded import RecordedRecipe

URL = "postgresql://me:hunter2@db.example/faq"


class LeakingRecipe(RecordedRecipe):
    def fit(self, tables, parameters, progress, resources):
        raise ConnectionError(f"{URL} does not answer")


recipe = LeakingRecipe()
