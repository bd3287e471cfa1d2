"""From a file with a table to a dataset: what is read, what is refused, which rows belong to which part."""

import gzip
from datetime import datetime
from decimal import Decimal

import pandas as pd
import pytest
from tabular_tables import make_customers

from retuner_training.errors import InvalidInput
from retuner_training.tabular.prepare import prepare
from retuner_training.tabular.raw_table import read_table

OPTIONS = {"target_column": "churned", "split_seed": 0, "faulty_rows": "refuse"}


@pytest.fixture
def write(tmp_path):
    """Writes a data frame, a text or bytes into a file."""

    def to_file(content, name="customers.csv"):
        file = tmp_path / name
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif isinstance(content, str):
            file.write_text(content)
        elif name.endswith(".parquet"):
            content.to_parquet(file)
        else:
            content.to_csv(file, index=False)
        return file

    return to_file


def parts_of(tables):
    return tables["examples"].set_index("key")["part"]


def test_csv_gzip_and_parquet_of_one_table_give_the_same_dataset(write):
    table = make_customers()
    tables = [prepare(write(table, name), OPTIONS)[0] for name in ("a.csv", "a.csv.gz", "a.parquet")]
    for other in tables[1:]:
        pd.testing.assert_frame_equal(other["features"], tables[0]["features"])
        pd.testing.assert_frame_equal(other["examples"], tables[0]["examples"])


def test_numbers_are_floats_and_all_else_is_text(write):
    table = make_customers().assign(kind=lambda rows: rows["plan"].astype("category"), cost=[Decimal("1.5")] * 600)
    tables, statistics = prepare(write(table, "a.parquet"), OPTIONS)
    kinds = {"age": "double", "plan": "string", "city": "string", "paid": "string", "kind": "string", "cost": "double"}
    assert statistics["columns"] == kinds
    assert tables["features"]["age"].dtype == "float64"
    assert set(tables["features"]["paid"]) == {"True", "False"}
    assert statistics["classes"].keys() == {"maybe", "no", "yes"}


def test_a_tenth_of_every_class_is_for_testing_and_a_tenth_for_tuning(write):
    tables, statistics = prepare(write(make_customers(3000)), OPTIONS)
    examples = tables["examples"]
    for _, rows in examples.groupby("target"):
        shares = rows["part"].value_counts(normalize=True)
        assert shares[["test", "tune"]].between(0.06, 0.14).all()
    assert statistics["rows"] == examples["part"].value_counts().to_dict()


def test_rows_keep_key_and_part_when_rows_come_columns_move_and_types_change(write):
    table = make_customers()
    before = parts_of(prepare(write(table), OPTIONS)[0])
    later = pd.concat([make_customers(200, seed=1), table])[["churned", "paid", "plan", "city", "age"]]
    later.loc[later["churned"] == "maybe", "churned"] = "no"
    after = parts_of(prepare(write(later.assign(age=later["age"].astype("Float64")), "b.parquet"), OPTIONS)[0])
    moved = (after[~after.index.duplicated()].reindex(before.index[~before.index.duplicated()])).to_frame("after")
    moved["before"] = before[~before.index.duplicated()]
    assert moved["after"].notna().all()
    assert (moved["after"] != moved["before"]).mean() < 0.01  # the lowest of a small class may change


def test_equal_rows_belong_to_one_part_whatever_their_class(write):
    table = pd.concat([make_customers(), make_customers().assign(churned="no")])
    examples = prepare(write(table), OPTIONS)[0]["examples"]
    assert (examples.groupby("key")["part"].nunique() == 1).all()


def test_the_split_seed_changes_the_parts_and_not_the_keys(write):
    file = write(make_customers())
    one, two = (prepare(file, {**OPTIONS, "split_seed": seed})[0]["examples"] for seed in (0, 1))
    assert one["key"].equals(two["key"])
    assert not one["part"].equals(two["part"])


def test_whole_numbers_and_booleans_name_classes(write):
    table = make_customers()
    for values in (table["churned"].eq("no").astype(float), table["churned"].eq("no")):
        _, statistics = prepare(write(table.assign(churned=values), "a.parquet"), OPTIONS)
        assert set(statistics["classes"]) in ({"0", "1"}, {"True", "False"})


def test_faulty_rows_can_be_left_out_and_are_counted(write):
    table = make_customers()
    table.loc[[3, 5], "churned"] = None
    table.loc[7, "churned"] = "rare"
    tables, statistics = prepare(write(table), {**OPTIONS, "faulty_rows": "drop"})
    assert list(statistics["faulty"].values()) == [2, 1]
    assert (len(tables["features"]), statistics["read"]) == (597, 600)


ROWS = "age,plan,churned\n" + "".join(f"{n},p{n % 3},{'yes' if n % 2 else 'no'}\n" for n in range(40))
BAD_FILES = [
    ("", "customers.csv is empty"),
    ("age,plan,churned\n", "holds no rows"),
    (
        ROWS.replace("churned", "left"),
        "no column 'churned' for the target: .* to one of age, plan, left",
    ),
    (ROWS.replace(",", ";"), "one column, 'age;plan;churned': separate columns by commas, not by ';'"),
    (ROWS.replace("plan", "age"), "more than one column 'age'"),
    (ROWS.replace("plan", " "), "column 2 has no name"),
    (ROWS.replace("\n5,p2,yes", "\n5,p2,yes,1"), "line 7 has 4 columns where the header has 3"),
    (ROWS.replace(",no\n", ",no,1\n").replace(",yes\n", ",yes,1\n"), "more columns than the header names"),
    (ROWS.replace("\n5,p2", '\n5,"p2'), "is not a CSV file"),
    (ROWS.encode() + b"1,\xe9,no\n", "not UTF-8: it holds the byte 0xe9"),
    (ROWS.replace("yes", "no"), "holds the class 'no' alone"),
    (ROWS.replace("\n5,p2,yes", "\n5,p2,"), r"1 of 40 rows have no target in the column 'churned' \(row 6\)"),
    (ROWS.replace("\n5,p2,yes", "\n5,p2,rare"), r"class with fewer than 3 different rows.*\(row 6 has 'rare'\)"),
    (ROWS.replace("yes", "1.5").replace("no", "2"), r"row 2 has 1\.5: this recipe learns classes"),
    (ROWS.replace("yes", "").replace("no", ""), "40 of 40 rows have no target"),
    ("churned\nno\nyes\n", "no column but the target"),
]


@pytest.mark.parametrize(("content", "words"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_what_is_wrong_with_a_file_is_said_in_one_sentence_that_names_it(write, content, words):
    with pytest.raises(InvalidInput, match=words) as error:
        prepare(write(content), OPTIONS)
    assert "customers.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_parquet_or_no_gzip_are_told(write):
    with pytest.raises(InvalidInput, match=r"a\.parquet is not a readable Parquet file"):
        read_table(write("age,plan\n", "a.parquet"))
    with pytest.raises(InvalidInput, match=r"a\.csv\.gz cannot be read"):
        read_table(write("age,plan\n", "a.csv.gz"))
    with pytest.raises(InvalidInput, match=r"a\.csv\.gz is not a whole gzip file"):
        read_table(write(gzip.compress(ROWS.encode())[:-20], "a.csv.gz"))


def test_a_column_of_another_type_is_named(write):
    table = make_customers().assign(since=datetime(2026, 1, 1))
    with pytest.raises(InvalidInput, match=r"a\.parquet: The column 'since' holds datetime64.*leave it out"):
        prepare(write(table, "a.parquet"), OPTIONS)


def test_the_row_numbers_of_pandas_are_no_column(write):
    table = make_customers()
    table.index = table.index + 5
    assert "__index_level_0__" not in read_table(write(table.sample(frac=1, random_state=0), "a.parquet"))


def test_an_unknown_option_is_told(write):
    with pytest.raises(InvalidInput, match="Unknown option for preparing a table"):
        prepare(write(ROWS), {**OPTIONS, "min_text": 3})
