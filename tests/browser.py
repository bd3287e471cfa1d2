"""A page in Chromium, as wide as on a small laptop."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from missing import lacking
from playwright.sync_api import Page, sync_playwright

HOW_TO_GET_IT = "Chromium is not installed: apt-get install chromium, or, without root, playwright install chromium"
LIMIT = 120_000
"""Milliseconds."""


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        chromium = found or playwright.chromium.executable_path
        if not Path(chromium).exists():
            lacking(HOW_TO_GET_IT)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
        page.set_default_timeout(LIMIT)
        yield page
        browser.close()
