"""A report's HTML as its reader has it: the words, the attributes, and whether every element is closed."""

from collections import Counter
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "wbr", "input"}
IMPLIED = {"td": {"td", "tr", "tbody"}, "tr": {"tr", "tbody"}}
"""Elements whose end tag may be left out before these begin or end."""


class Page(HTMLParser):
    """The text of each section and every attribute; open elements are counted."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: Counter[str] = Counter()
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._imply(tag)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def _imply(self, tag):
        while self._open and tag in IMPLIED.get(self._open[-1], ()):
            self._open.pop()

    def handle_endtag(self, tag):
        if tag != self._open[-1]:
            self._imply(tag)
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())
