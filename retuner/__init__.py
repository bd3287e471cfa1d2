"""retuner: retunes a model when its data has changed."""

from retuner.watch import watch

__all__ = ["watch"]
