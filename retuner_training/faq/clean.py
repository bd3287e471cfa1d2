"""Cleaning of texts."""

import re
from html import unescape

import pandas as pd

_CODE = re.compile(r"<(pre|code)\b[^<>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<!--.*?-->|</?[a-z][^<>]*>", re.DOTALL | re.IGNORECASE)
_URL = re.compile(r"(?:https?|ftp)://\S+|\bwww\.\S+")
# What is left of these once the entities are decoded would be read as a tag or an entity when cleaned again.
_MARKUP = str.maketrans("<>&", "   ")


def clean(texts: pd.Series) -> pd.Series:
    """The texts as the models read them, with the same index; cleaning twice changes nothing.

    Code blocks, tags and URLs are out, HTML entities decoded, letters lower, white space folded; missing becomes "".
    """
    cleaned = [_clean(text) if isinstance(text, str) else "" for text in texts]
    return pd.Series(cleaned, index=texts.index, name=texts.name, dtype="str")


def plain(texts: pd.Series) -> pd.Series:
    """The texts as people read them: tags out, HTML entities decoded, white space folded, case and code kept."""
    shown = [" ".join(unescape(_TAG.sub(" ", text)).split()) if isinstance(text, str) else "" for text in texts]
    return pd.Series(shown, index=texts.index, name=texts.name, dtype="str")


def _clean(text: str) -> str:
    if "<" in text:
        text = _TAG.sub(" ", _CODE.sub(" ", text))
    if "&" in text:
        text = unescape(text)
    return " ".join(_URL.sub(" ", text.translate(_MARKUP).lower()).split())
