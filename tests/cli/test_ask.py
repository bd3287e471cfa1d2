"""What `retune ask` shows of answers."""

from cli.ask import answer_lines


def answers(*probabilities: float) -> list[dict[str, object]]:
    return [
        {"id": number, "question": f"How? {number}", "answer": "So.", "probability": probability}
        for number, probability in enumerate(probabilities)
    ]


def test_answers_of_which_none_is_likely_are_not_shown_as_if_one_matched():
    lines = answer_lines(answers(0.004, 0.001))
    assert lines[0] == "No answer is likely: the best one has a probability of 0.4%."
    assert lines[1:3] == ["1. How? 0  (0%)", "   So."]


def test_the_best_of_many_decides():
    assert answer_lines(answers(0.62, 0.0)) == ["1. How? 0  (62%)", "   So.", "2. How? 1  (0%)", "   So."]
