"""Raw files as people have them: all that can be read, and one clear sentence for each kind that cannot."""

import csv
import gzip
from io import StringIO

import pytest
from raw_faq import ANSWERS, DATE, DUPLICATES, OPTIONS, QUESTIONS, read_rows, write_faq, write_rows

from retuner_training.errors import InvalidInput
from retuner_training.faq.prepare import prepare


@pytest.fixture
def source(tmp_path):
    return write_faq(tmp_path / "raw")


def refusal(source, **options):
    with pytest.raises(InvalidInput) as caught:
        prepare(source, {**OPTIONS, **options})
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


# --- reading


def write_quoted(file, rows):
    """As a program writes it that quotes a field where a quote, tab or line break is in it."""
    buffer = StringIO()
    csv.writer(buffer, delimiter="\t", lineterminator="\n").writerows(rows)
    file.write_bytes(gzip.compress(buffer.getvalue().encode()))


def test_quoted_texts_may_hold_tabs_quotes_and_line_breaks(source):
    text = 'First line\nsecond "quoted"\tline of topic 0'
    rows = [*read_rows(source / DUPLICATES), ["7777", "90", text, DATE]]
    write_quoted(source / DUPLICATES, rows)
    texts = prepare(source, OPTIONS)[0]["texts"].set_index("id")["text"]
    assert texts[7777] == 'first line second "quoted" line of topic 0'
    assert len(texts) == 49


def test_quotes_in_a_file_without_quoting_are_kept(source):
    rows = read_rows(source / DUPLICATES)
    rows[3][2], rows[5][2] = '"this" is undefined in topic 0', 'an unclosed " quote and "another'
    write_rows(source / DUPLICATES, rows)
    texts = prepare(source, OPTIONS)[0]["texts"].set_index("id")["text"]
    assert texts[1003] == '"this" is undefined in topic 0'
    assert texts[1005] == 'an unclosed " quote and "another'
    assert len(texts) == 48


def test_quotes_in_two_rows_of_a_file_without_quoting_do_not_swallow_what_is_between(source):
    rows = read_rows(source / DUPLICATES)
    rows[3][2], rows[5][2] = '"opened in one row', 'closed in another"'
    write_rows(source / DUPLICATES, rows)
    texts = prepare(source, OPTIONS)[0]["texts"].set_index("id")["text"]
    assert texts[1003] == '"opened in one row'
    assert len(texts) == 48


def test_quotes_in_a_file_with_quoting_are_read_back(source):
    rows = read_rows(source / DUPLICATES)
    rows[3][2] = 'say "topic 0" again'
    write_quoted(source / DUPLICATES, rows)
    texts = prepare(source, OPTIONS)[0]["texts"].set_index("id")["text"]
    assert texts[1003] == 'say "topic 0" again'


def test_texts_that_look_like_missing_values_are_texts(source):
    rows = read_rows(source / DUPLICATES)
    rows[0][2], rows[1][2] = "null", "NaN"
    write_rows(source / DUPLICATES, rows)
    texts = prepare(source, OPTIONS)[0]["texts"].set_index("id")["text"]
    assert (texts[1000], texts[1001]) == ("null", "nan")


def test_windows_line_ends_and_a_byte_order_mark_are_taken_off(source):
    for name in (QUESTIONS, DUPLICATES, ANSWERS):
        data = gzip.decompress((source / name).read_bytes())
        (source / name).write_bytes(gzip.compress(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")))
    assert prepare(source, OPTIONS)[1]["questions"] == 4


# --- unusable input


def test_a_missing_file_is_named(source):
    (source / ANSWERS).unlink()
    assert f"{source / ANSWERS} is missing" in refusal(source)


def test_an_empty_file_is_named(source):
    (source / DUPLICATES).write_bytes(b"")
    assert f"{source / DUPLICATES} is empty" in refusal(source)


def test_a_file_without_rows_is_named(source):
    (source / DUPLICATES).write_bytes(gzip.compress(b""))
    assert f"{source / DUPLICATES} holds no rows" in refusal(source)


def test_a_file_that_is_not_gzip_is_named_with_what_to_do(source):
    (source / QUESTIONS).write_bytes(gzip.decompress((source / QUESTIONS).read_bytes()))
    message = refusal(source)
    assert f"{source / QUESTIONS} is not a readable gzip file" in message
    assert "compress the file with gzip" in message


def test_a_truncated_gzip_file_is_named(source):
    data = (source / DUPLICATES).read_bytes()
    (source / DUPLICATES).write_bytes(data[: len(data) // 2])
    assert f"{source / DUPLICATES} is cut off" in refusal(source)


def test_a_damaged_gzip_file_is_named(source):
    data = bytearray((source / DUPLICATES).read_bytes())
    data[60:70] = b"\xff" * 10
    (source / DUPLICATES).write_bytes(bytes(data))
    assert str(source / DUPLICATES) in refusal(source)


def test_unreadable_utf8_is_named_with_its_line(source):
    data = gzip.decompress((source / DUPLICATES).read_bytes()).replace(b"topic 0 in case 4", b"topic \xe4 in case 4")
    (source / DUPLICATES).write_bytes(gzip.compress(data))
    assert "line 5 holds the byte 0xe4" in refusal(source)


def test_a_wrong_delimiter_is_told_by_the_columns_found(source):
    write_rows(source / DUPLICATES, read_rows(source / DUPLICATES), delimiter=";")
    message = refusal(source)
    assert "48 of 48 rows do not have the 4 columns Id, AnswerId, Text0, CreationDate separated by tabs" in message
    assert "row 1 has 1 column," in message


def test_a_missing_column_is_told_by_row(source):
    rows = read_rows(source / QUESTIONS)
    rows[2] = rows[2][:3]
    write_rows(source / QUESTIONS, rows)
    message = refusal(source)
    assert "1 of 4 rows" in message
    assert "row 3 has 3 columns" in message


def test_a_missing_column_in_a_quoted_file_is_told_by_record(source):
    rows = read_rows(source / DUPLICATES)
    rows[0][2] = "two\nlines"
    rows[4] = rows[4][:2]
    write_quoted(source / DUPLICATES, rows)
    assert "1 of 48 rows do not have the 4 columns" in (message := refusal(source))
    assert "row 5 has 2 columns" in message


def test_an_id_that_is_no_number_is_told_by_row(source):
    rows = read_rows(source / DUPLICATES)
    rows[1][1] = "ninety"
    write_rows(source / DUPLICATES, rows)
    assert "AnswerId must be a whole number, but row 2 has 'ninety'" in refusal(source)


def test_a_header_line_is_recognised(source):
    write_rows(source / QUESTIONS, [["Id", "AnswerId", "Text0", "CreationDate"], *read_rows(source / QUESTIONS)])
    message = refusal(source)
    assert "row 1 has 'Id'" in message
    assert "header line" in message


@pytest.mark.parametrize(("name", "number"), [(QUESTIONS, "10"), (DUPLICATES, "1000"), (ANSWERS, "90")])
def test_a_repeated_id_is_named_with_its_row(source, name, number):
    rows = read_rows(source / name)
    write_rows(source / name, [*rows, rows[0]])
    message = refusal(source)
    assert str(source / name) in message
    assert f"Id {number} in row {len(rows) + 1}" in message


def test_two_questions_with_one_answer_are_refused(source):
    write_rows(source / QUESTIONS, [*read_rows(source / QUESTIONS), ["99", "91", "Again?", DATE]])
    assert "repeat the AnswerId of an earlier row: 1 in all (AnswerId 91 in row 5)" in refusal(source)


def test_a_question_without_its_answer_is_named(source):
    write_rows(source / ANSWERS, read_rows(source / ANSWERS)[1:])
    assert f"{QUESTIONS} has rows whose AnswerId is no Id in {ANSWERS}: 1 in all (Id 10 in row 1)" in refusal(source)


def test_a_question_without_duplicates_is_named(source):
    rows = [row for row in read_rows(source / DUPLICATES) if row[1] != "92"]
    write_rows(source / DUPLICATES, rows)
    message = refusal(source)
    assert str(source / QUESTIONS) in message
    assert f"without a duplicate in {DUPLICATES}: 1 in all (Id 12 in row 3)" in message


def test_a_duplicate_of_no_question_is_named(source):
    write_rows(source / DUPLICATES, [*read_rows(source / DUPLICATES), ["5", "555", "Whose?", DATE]])
    assert f"of no question in {QUESTIONS}: 1 in all (Id 5 in row 49)" in refusal(source)


def test_faulty_rows_can_be_left_out_and_are_counted(source):
    questions, duplicates = read_rows(source / QUESTIONS), read_rows(source / DUPLICATES)
    unanswered, unasked = ["20", "777", "No answer?", DATE], ["21", "94", "No duplicate?", DATE]
    write_rows(source / ANSWERS, [*read_rows(source / ANSWERS), ["94", "Nobody asks."]])
    write_rows(source / QUESTIONS, [*questions, questions[0], unanswered, unasked])
    write_rows(source / DUPLICATES, [*duplicates, duplicates[0], ["11", "90", "A question.", DATE]])
    tables, statistics = prepare(source, {**OPTIONS, "faulty_rows": "drop"})
    assert tables["questions"]["id"].tolist() == [10, 11, 12, 13]
    assert len(tables["texts"]) == 48
    assert list(statistics["faulty"].values()) == [1, 1, 1, 1, 1]


def test_min_text_that_leaves_nothing_tells_the_longest_texts(source):
    message = refusal(source, min_text=1000)
    assert "min_text = 1000 leaves no question" in message
    assert "the longest question has 16 characters and the longest duplicate 35" in message


def test_min_dupes_that_leaves_nothing_tells_the_most_duplicates(source):
    assert "the most duplicates that a question has are 12" in refusal(source, min_dupes=13)


def test_one_question_alone_cannot_be_matched(source):
    rows = [row for row in read_rows(source / DUPLICATES) if row[1] == "90" or row[0].endswith("0")]
    write_rows(source / DUPLICATES, rows)
    assert "leaves one question only" in refusal(source)


def test_too_few_duplicates_to_train_on_are_refused(tmp_path):
    source = write_faq(tmp_path, duplicates=2)
    assert "No text is left for training" in refusal(source, min_dupes=1)


@pytest.mark.parametrize(
    ("option", "value"), [("match", 1), ("match", 40_000), ("faulty_rows", "mend"), ("colour", "red")]
)
def test_an_impossible_option_is_named(source, option, value):
    assert option in refusal(source, **{option: value})
