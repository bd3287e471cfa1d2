"""The bundled sample: the breast cancer data that scikit-learn ships (569 real cases, 30 measurements each).

W. N. Street, W. H. Wolberg, O. L. Mangasarian, "Nuclear feature extraction for breast tumor diagnosis" (1993).
"""

from pathlib import Path

SAMPLE = "breast_cancer.csv"


def write_sample(folder: Path) -> None:
    """Write the table, with the classes `benign` and `malignant` in the column `target`, into `folder`."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    names = dict(enumerate(data.target_names))
    data.frame.assign(target=data.target.map(names)).to_csv(folder / SAMPLE, index=False)
