"""The toy as a recipe that reports at every step, though it says that it reports at every fourth."""

from toy_recipe import ToyRecipe


class ChattyRecipe(ToyRecipe):
    period = 4


recipe = ChattyRecipe()
