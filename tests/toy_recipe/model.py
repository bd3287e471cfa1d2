"""The toy's model: a module of its own, so that shipping the package means more than shipping one file."""

import numpy as np


class ToyModel:
    def __init__(self, quality):
        self.quality = quality

    def predict_proba(self, frame):
        positive = np.full(len(frame), self.quality)
        return np.column_stack([1 - positive, positive])
