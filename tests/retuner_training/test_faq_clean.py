"""Cleaning, and the keys of cleaned texts."""

from hashlib import sha256

import numpy as np
import pandas as pd
import pytest

from retuner_training.faq.clean import clean, plain
from retuner_training.split import keys


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("<p>How do I <b>Sort</b>?</p>", "how do i sort ?"),
        ("Why <pre><code>x = '<a>';</code></pre> fails", "why fails"),
        ("Use <code>map</code> here", "use here"),
        ("See https://example.com/a?b=c#d now", "see now"),
        ("See www.example.com now", "see now"),
        ("a &amp; b &quot;c&quot;", 'a b "c"'),
        ("a &lt;div&gt; with &#39;x&#39;", "a div with 'x'"),
        ("if a < b and c > d", "if a b and c d"),
        ("one\n\ttwo\xa0three ", "one two three"),
        ("before <!-- <b>not</b> this --> after", "before after"),
        ("<pre class='x'>a\nb</pre>A\u0301", "a\u0301"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_text_is_cleaned(raw, cleaned):
    assert clean(pd.Series([raw], dtype="object")).tolist() == [cleaned]


@pytest.mark.parametrize(
    "raw",
    [
        "&amp;lt;b&amp;gt; bold",
        "&amp;amp;amp;",
        "<<b>i>x</i>",
        "&lt;code&gt;x&lt;/code&gt;",
        "wwwhttp://a.b.c ww<b>w.x.y</b>",
        "http&#58;//a.b/c",
        "HTTP://A.B \u0130stanbul",
        "<code>never closed",
        "a<pre>b</code>c</pre>d",
    ],
)
def test_cleaning_twice_changes_nothing(raw):
    once = clean(pd.Series([raw]))
    assert clean(once).tolist() == once.tolist()


def test_the_index_and_the_name_stay():
    texts = pd.Series(["A", "B"], index=[7, 3], name="Text0")
    pd.testing.assert_series_equal(clean(texts), pd.Series(["a", "b"], index=[7, 3], name="Text0", dtype="str"))


def test_people_see_case_and_code_but_no_markup():
    assert plain(pd.Series(["<p>Why is <code>A &lt; B</code>\n wrong?</p>"])).tolist() == ["Why is A < B wrong?"]


def test_a_key_is_the_first_eight_bytes_of_the_hash():
    found = keys(pd.Series(["how do i sort", ""]))
    wanted = [int.from_bytes(sha256(text).digest()[:8], "little") for text in (b"how do i sort", b"")]
    assert found.dtype == np.uint64
    assert found.tolist() == wanted
