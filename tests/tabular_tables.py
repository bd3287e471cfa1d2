"""A made-up table of customers: numbers, texts, booleans, missing values, and a target that depends on them."""

import numpy as np
import pandas as pd


def make_customers(rows: int = 600, *, seed: int = 0) -> pd.DataFrame:
    """Columns age, plan, city, paid and the target churned (no, yes, maybe)."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": random.integers(18, 90, rows).astype(float),
            "plan": random.choice(["basic", "plus", "pro", "team", "trial", "gift"], rows),
            "city": random.choice(["Oslo", "Bergen", "Lund", None], rows),
            "paid": random.choice([True, False], rows),
        }
    )
    likely = table["plan"].isin(["trial", "gift"]) ^ ~table["paid"]
    table["churned"] = np.where(likely, "yes", np.where(table["age"] > 70, "maybe", "no"))
    table.loc[::19, "age"] = np.nan
    return table
