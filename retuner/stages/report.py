"""The report of a study, made from the ledger and put into the store; of an ended study as of one that runs."""

import tempfile
from pathlib import Path

from retuner.report import make_report
from retuner.search.follow import look
from retuner.search.ledger import Ledger
from retuner.settings import Settings
from retuner.storage.names import report_file
from retuner.storage.store import Store


def store_report(study: str, ledger: Ledger, store: Store, settings: Settings) -> tuple[str, str]:
    """Make the report and put it into the store; returns its location there and its HTML.

    Raises UserError where the study is unknown or has no trial yet.
    """
    page = make_report(look(ledger, study, settings), ledger, store)
    name = report_file(study)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_text(page, encoding="utf-8")
        store.put(file, name)
    return store.location(name), page
