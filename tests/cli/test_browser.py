"""What a person does in the Prefect UI: open the form, change the number of trials, start, watch, read the leaderboard.

RETUNER_PICTURES names a folder for the pictures: form.png and the trials' two in docs/images were taken so.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from browser import LIMIT
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from station import Station

TRIALS = 9


def test_a_person_starts_a_retune_in_the_ui_and_reads_its_leaderboard(station: Station, page: Page, tmp_path: Path):
    pictures = Path(os.environ.get("RETUNER_PICTURES") or tmp_path)
    ui = f"http://127.0.0.1:{station.port}"
    station.up()  # another file's tests may have taken it down
    deployment = station.deployment("retune/local")["id"]
    before = {run["id"] for run in flow_runs(station, deployment)}

    page.goto(f"{ui}/deployments/deployment/{deployment}/run")
    trials = field(page, "Trials (Optional)")
    expect(trials).to_have_value("6", timeout=LIMIT)  # what prefect.yaml says
    expect(page.get_by_text("Hyperparameter sets to try.")).to_be_visible()
    trials.fill(str(TRIALS))
    trials.evaluate("input => input.scrollIntoView({block: 'center'})")
    page.screenshot(path=pictures / "form.png")
    submit(page)

    run = next(one["id"] for one in flow_runs(station, deployment) if one["id"] not in before)
    page.goto(f"{ui}/runs/flow-run/{run}")
    page.get_by_role("tablist").get_by_text("Task Runs", exact=True).click()
    page.get_by_placeholder("Search by run name").fill("trial-")
    expect(page.get_by_role("link", name=re.compile(r"^trial-\d{4}$"))).to_have_count(TRIALS, timeout=LIMIT)
    assert station.wait_for(run)["state_type"] == "COMPLETED"
    green = page.get_by_text("Completed", exact=True)
    expect(green).to_have_count(TRIALS + 2, timeout=LIMIT)  # and the flow run's own, and the retraining's
    page.get_by_role("button", name="Recenter graph (c)").click()
    page.wait_for_timeout(1000)  # it glides there
    page.screenshot(path=pictures / "trials.png")

    page.goto(f"{ui}/runs/flow-run/{run}")  # without the search, which the artifacts heed as well
    page.get_by_role("tablist").get_by_text("Artifacts", exact=True).click()
    page.get_by_text("Task runs", exact=True).last.scroll_into_view_if_needed()
    page.mouse.wheel(0, 3000)  # those of task runs are fetched when they come into view
    page.get_by_role("link", name="leaderboard-faq-ranker").click()
    expect(page.get_by_text("best first").first).to_be_visible(timeout=LIMIT)
    rows = page.get_by_role("row")
    expect(rows).to_have_count(TRIALS + 1, timeout=LIMIT)
    page.screenshot(path=pictures / "trials-leaderboard.png")


def submit(page: Page) -> None:
    """Send the form; a server whose SQLite is locked refuses it, and a person sends it again."""
    for _ in range(3):
        page.get_by_role("button", name="Submit").click()
        with suppress(PlaywrightTimeout):
            page.wait_for_url("**/deployment/*tab=Runs*", timeout=LIMIT // 3)
            return
    raise AssertionError("the form was not taken")


def field(page: Page, title: str) -> Locator:
    """The input below a title: Prefect's form does not tie the two together."""
    return page.locator(f"xpath=//*[normalize-space(.)='{title}']/following::input[1]").first


def flow_runs(station: Station, deployment: str) -> list[dict[str, str]]:
    """Those that somebody started: the schedule's come and go by themselves."""
    found = station.call("POST", "flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})
    return [run for run in found if not run["auto_scheduled"]]
