"""Who asks, polls and tells: the one thread that uses the live study and the compute target.

The flow's main thread calls `run`; each mapped trial waits in a thread of its own with `wait`. Every state is written
into the ledger before the act that it announces: submitted before the job is sent, the reason for a stop before the job
is asked to stop, the end before who waits is told. What a crash leaves behind is therefore always known. A look at the
target first decides, then writes all that is new in one transaction, then acts.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from retuner.compute.target import ComputeTarget, JobState, JobStatus
from retuner.errors import RetryableError, RetunerError, UserError
from retuner.search.ahead import Ahead
from retuner.search.board import NoticeBoard
from retuner.search.budget import FAILURES_PER_NODE, SearchBudget, check_success
from retuner.search.draws import planned_trials
from retuner.search.entries import ALL_TRIALS, SEARCH
from retuner.search.failures import keep_last_words
from retuner.search.ledger import Ledger
from retuner.search.patience import Pace, Patience
from retuner.search.progress import Progress, Scores
from retuner.search.records import StudyRecord, TrialRecord
from retuner.search.states import StudyState, TrialState
from retuner.search.study import LiveStudy, plan_of
from retuner.search.transitions import (
    StopReason,
    ask_to_stop,
    finish,
    is_trial_job,
    observe,
    set_aside,
    start_attempt,
    stopped,
)
from retuner_training.job import Job

MakeJob = Callable[[str, dict[str, Any]], Job]
"""Job name and hyperparameters to the job; it knows the storage, the coordinator does not."""


@dataclass
class _Flight:
    """A trial whose job is on the compute target, or on its way there."""

    trial: TrialRecord
    sent: bool = False
    stop: StopReason | None = None
    cancelled: bool = False
    """Whether the target has been told to stop it."""


class Coordinator:
    """Runs the trials of one study to their end. One instance serves one `run`."""

    def __init__(
        self,
        ledger: Ledger,
        study: StudyRecord,
        *,
        target: ComputeTarget,
        budget: SearchBudget,
        make_job: MakeJob,
        stop: threading.Event | None = None,
        on_change: Callable[[Progress], None] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._ledger = ledger
        self._name = study.name
        self._target = target
        self._budget = budget
        self._make_job = make_job
        self._stop = stop or threading.Event()
        self._on_change = on_change
        self._pace = pace or Pace()
        self._patience = Patience(self._pace)
        self._board = NoticeBoard()
        self._live = LiveStudy(plan_of(study))
        self._ahead = Ahead(0 if self._live.learns else target.ahead)
        planned = planned_trials(study.identity.space, study.identity.sampler, budget.trials)
        self._scores = Scores(self._name, planned=planned, direction=study.identity.direction)
        self._asked = 0
        self._pending: deque[TrialRecord] = deque()
        self._flights: dict[str, _Flight] = {}
        self._unwritten: dict[int, TrialRecord] = {}
        self._unposted: list[TrialRecord] = []
        self._told: set[int] = set()
        self._adopted = False
        self._orphans: list[str] = []
        """Jobs that may be alive, and for which nobody waits: yet to be stopped."""
        self._closing: _Closing | None = "done" if _is_searched(study, budget) else None
        self._closed_at = 0.0
        self._failed_here = 0
        self._started = time.monotonic()

    def wait(self, slot: int, on_job: Callable[[str], None] = lambda job: None) -> TrialRecord | None:
        """For other threads: block until trial number `slot` has ended; None where the slot is not needed.

        `on_job` is told each of its jobs once the target has it. A cancelled trial is returned as such. Raises
        FatalError where the search broke off.
        """
        return self._board.wait(slot, on_job)

    def is_told(self, trial: TrialRecord) -> bool:
        """Whether the trial had ended before, and an earlier process said so."""
        return trial.number in self._told

    def abandon(self, error: BaseException) -> None:
        """Release all who wait where `run` will not be called."""
        self._board.close(error=error)

    @property
    def study(self) -> str:
        return self._name

    def progress(self) -> Progress:
        """The search as it is now."""
        return self._scores.snapshot(seconds=time.monotonic() - self._started, stopped=self._closing == "stopped")

    def run(self) -> Progress:
        """Work until all trials have ended, the budget is over, or the stop event is set.

        A stopped study stays open and can be resumed: `Progress.stopped` is set. Raises UserError where too few
        trials succeeded (the study is then failed), or the error of a target that did not answer for too long.
        """
        try:
            self._restore()
            while not self._is_over():
                self._look()
                self._pause()
            self._conclude()
        except BaseException as error:
            self._board.close(error=error)
            with suppress(RetunerError):
                self._target.cancel(list(self._flights))
            raise
        self._board.close(stopped=self._closing == "stopped")
        return self.progress()

    def _look(self) -> None:
        """One round: stop what must end, collect what is new, start what there is room for."""
        try:
            self._close_in_time()
            self._flush()
            self._adopt()
            changed = self._collect()
            if self._closing is None and self._is_hopeless():
                self._close("failing")
            if self._closing is None:
                changed = self._fill_slots() or changed
            self._flush()
            self._send_cancels()
            self._send_jobs()
        except RetryableError as error:
            limit = self._pace.stop if self._closing == "stopped" else self._pace.patience
            self._patience.failed(error, limit=limit)
            return
        self._patience.answered(changed=changed)
        if changed and self._on_change is not None:
            self._on_change(self.progress())

    def _pause(self) -> None:
        if self._stop.is_set():
            time.sleep(self._pace.shortest)
        elif self._patience.is_tried:
            self._stop.wait(self._patience.seconds)
        elif self._target.news.wait(self._patience.seconds):
            self._target.news.clear()

    def _is_over(self) -> bool:
        if self._flights or self._unwritten or self._orphans:
            return False
        return self._closing is not None or not self._has_more()

    def _has_more(self) -> bool:
        return bool(self._pending) or self._asked < self._scores.planned

    # beginning: what the ledger knows

    def _restore(self) -> None:
        for trial in self._ledger.trials(self._name):
            if trial.number != self._asked:
                lost = f"The ledger has lost trial {self._asked} of {self._name}"
                raise UserError(f"{lost}: restore it from a backup, or start anew with another --seed.")
            self._asked += 1
            if trial.state.is_finished():
                self._told.add(trial.number)
            elif trial.attempts and trial.attempts[-1].reason == "pruned":
                # decided, and its job told or alive still: then it is stopped as an orphan
                trial = self._budget.account(stopped(trial))
                self._unwritten[trial.number] = trial
            self._scores.move(None, trial)
            if trial.state.is_finished() or self._closing == "done":
                values = [value for _, value in trial.reports]
                self._live.restore(trial.parameters, trial.state, value=trial.value, reports=values)
                self._unposted.append(trial)
                continue
            self._live.ask(trial.parameters)
            if trial.number < self._scores.planned:
                self._pending.append(trial)
            else:
                self._move(trial, set_aside(trial, "not needed: fewer trials are asked for now"))
        self._flush()

    def _adopt(self) -> None:
        """Watch the jobs that are alive first, and stop those that nobody waits for."""
        if self._adopted:
            return
        alive = {name for name in self._target.find(self._name) if is_trial_job(name, self._name)}
        wanted = {start_attempt(trial, self._name).attempts[-1].job: trial for trial in self._pending}
        self._orphans += sorted(alive - set(wanted))
        living = {trial.number for job, trial in wanted.items() if job in alive}
        self._pending = deque(sorted(self._pending, key=lambda trial: (trial.number not in living, trial.number)))
        self._adopted = True

    # one look

    def _collect(self) -> bool:
        """Take in what the target says of all jobs; whether there was any news."""
        steps = {name: _last_step(flight.trial) for name, flight in self._flights.items() if flight.sent}
        if not steps and self._target.nodes:  # without any the target must look for new ones
            return False
        statuses = self._target.poll(steps)
        for name in steps:
            self._take_in(name, statuses.get(name, JobStatus(JobState.LOST)))
        return bool(self._unwritten)

    def _take_in(self, name: str, status: JobStatus) -> None:
        flight = self._flights[name]
        trial = observe(flight.trial, status)
        prune = self._report(trial, since=len(flight.trial.reports))
        if status.state.is_finished():
            del self._flights[name]
            ended = finish(trial, status, attempts=self._budget.attempts, preemptions=self._budget.preemptions)
            self._move(flight.trial, keep_last_words(ended, self._name, self._target))
            return
        if prune and not flight.stop:
            flight.stop = "pruned"
            trial = ask_to_stop(trial, "pruned")
        if trial is not flight.trial:
            self._move(flight.trial, trial)
        flight.trial = trial

    def _report(self, trial: TrialRecord, *, since: int) -> bool:
        """Tell the live study the reports after the first `since`; whether the trial shall stop."""
        prune = False
        for index in range(since, len(trial.reports)):
            prune = self._live.report(trial.number, index + 1, trial.reports[index][1]) or prune
        return prune

    def _move(self, before: TrialRecord | None, after: TrialRecord) -> None:
        """A trial has changed: count it, write it at the next flush, and pass on what has ended."""
        after = self._budget.account(after)
        self._scores.move(before, after)
        self._unwritten[after.number] = after
        if after.state is TrialState.LOST:
            self._pending.appendleft(after)
        elif after.state.is_finished():
            self._failed_here += after.state is TrialState.FAILED
            self._live.tell(after.number, after.state, after.value)
            self._ahead.heard(after)
            self._unposted.append(after)
        elif after.state is TrialState.CANCELLED:
            self._unposted.append(after)

    def _flush(self) -> None:
        """Write what has changed in one transaction; then, and only then, tell those who wait."""
        if self._unwritten:
            self._ledger.write_trials(self._name, list(self._unwritten.values()))
            self._unwritten.clear()
        for trial in self._unposted:
            self._board.post(trial)
        self._unposted.clear()

    def _send_cancels(self) -> None:
        flights = {name: flight for name, flight in self._flights.items() if flight.stop and not flight.cancelled}
        if flights or self._orphans:
            self._target.cancel([*flights, *self._orphans])
        self._orphans.clear()
        for flight in flights.values():
            flight.cancelled = True

    def _fill_slots(self) -> bool:
        """Ask as many trials as there is room for, and make their attempts known; whether there were any."""
        nodes, to_come = self._target.nodes, len(self._pending) + self._scores.planned - self._asked
        slots = self._budget.slots(nodes, ahead=self._ahead.jobs(nodes, to_come))
        if slots < 1 and not self._flights:
            self._flush()
            raise RetryableError("The compute target has no node at the moment: check that its workers run.")
        room = self._budget.room(slots - len(self._flights), self._pending)
        if room < 1 and not self._flights and self._has_more():
            self._close("cost")
        while len(self._pending) < room and self._asked < self._scores.planned:
            number, parameters = self._live.ask()
            self._asked += 1
            trial = TrialRecord(number, TrialState.ASKED, parameters)
            self._pending.append(trial)
            self._move(None, trial)
        starting = [self._pending.popleft() for _ in range(min(room, len(self._pending)))]
        for trial in starting:
            submitted = start_attempt(trial, self._name)
            self._flights[submitted.attempts[-1].job] = _Flight(submitted)
            self._move(trial, submitted)
        return bool(starting)

    def _send_jobs(self) -> None:
        for name, flight in self._flights.items():
            if not flight.sent and not self._stop.is_set():
                self._target.submit(self._make_job(name, flight.trial.parameters))
                flight.sent = True
                self._board.post_job(flight.trial.number, name)

    # the end

    def _close_in_time(self) -> None:
        """Begin to close where it is time to, and leave jobs to the clean-up that do not end in time."""
        if self._stop.is_set():
            self._close("stopped")
        elif self._closing is None and self._is_out_of_time():
            self._close("minutes")
        grace = self._pace.stop if self._closing == "stopped" else self._pace.close
        if self._closing and time.monotonic() - self._closed_at > grace:
            self._give_up_flights()

    def _give_up_flights(self) -> None:
        """End what does not answer: with its last report where that was decided, else open to be collected later."""
        for flight in self._flights.values():
            decided = flight.stop in ("pruned", "minutes")
            ended = stopped(flight.trial) if decided else set_aside(flight.trial, "its job did not stop in time")
            self._move(flight.trial, ended)
        self._flights.clear()

    def _is_out_of_time(self) -> bool:
        minutes = self._budget.minutes
        return minutes is not None and time.monotonic() - self._started > 60 * minutes

    def _is_hopeless(self) -> bool:
        """Whether so many trials failed, and none succeeded, that the next ones would fail as well."""
        states = self._scores.states
        if self._failed_here < FAILURES_PER_NODE or states[TrialState.COMPLETED] or states[TrialState.PRUNED]:
            return False
        return self._failed_here >= FAILURES_PER_NODE * max(1, self._target.nodes)

    def _close(self, closing: _Closing) -> None:
        """Start nothing more, and ask what is in flight to stop."""
        if self._closing in (closing, "stopped"):
            return
        self._closing, self._closed_at = closing, time.monotonic()
        unsent = [name for name, flight in self._flights.items() if not flight.sent]
        for trial in [*self._pending, *(self._flights.pop(name).trial for name in unsent)]:
            if trial.attempts and trial.attempts[-1].ended is None:  # whose answer may have been lost
                self._orphans.append(trial.attempts[-1].job)
            self._move(trial, set_aside(trial, f"not started ({_CLOSING_WORDS[closing]})"))
        self._pending.clear()
        for flight in self._flights.values():
            if not flight.stop:
                flight.stop = "minutes" if closing == "minutes" else "stopped"
                asked = ask_to_stop(flight.trial, flight.stop)
                self._move(flight.trial, asked)
                flight.trial = asked

    def _conclude(self) -> None:
        """Say in the ledger how the search ended, unless it was stopped."""
        if self._closing in ("stopped", "done"):
            return
        trials = self._ledger.trials(self._name)
        try:
            check_success(self._name, trials, budget=self._budget)
        except UserError as error:
            self._ledger.update_study(self._name, state=StudyState.FAILED, message=str(error))
            raise
        stage = {"trials": self._budget.trials, "ended_by": self._closing or ALL_TRIALS, **self._scores.best()}
        self._ledger.write_stage(self._name, SEARCH, stage)


_Closing = Literal["stopped", "minutes", "cost", "failing", "done"]
_CLOSING_WORDS = {
    "stopped": "the search was stopped",
    "minutes": "the search's minutes were over",
    "cost": "budget.max_cost does not bear another trial",
    "failing": "all trials failed",
}


def _is_searched(study: StudyRecord, budget: SearchBudget) -> bool:
    """Whether an earlier process finished the search of at least as many trials."""
    stage = study.stages.get(SEARCH)
    return stage is not None and stage["trials"] >= budget.trials


def _last_step(trial: TrialRecord) -> int:
    return trial.reports[-1][0] if trial.reports else -1
