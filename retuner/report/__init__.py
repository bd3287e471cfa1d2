"""The report of a study: one self-contained HTML file that says why its result can be trusted."""

from retuner.report.contents import gather
from retuner.report.page import render
from retuner.search.ledger import Ledger
from retuner.search.records import now
from retuner.search.view import StudyView
from retuner.storage.store import Store


def make_report(view: StudyView, ledger: Ledger, store: Store) -> str:
    """The HTML of the study's report, from what ledger and store hold. Raises UserError where it has no trial yet."""
    return render(gather(view, ledger, store), made=now())
