"""What a process that was killed leaves behind: its study is found by its free lease, and made ready to be resumed."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

from retuner.azure_ml.identity import AzureMlIdentity
from retuner.compute import open_target
from retuner.compute.snapshot import Snapshot
from retuner.errors import UserError
from retuner.parameters import AzureMlCompute, DaskCompute
from retuner.search.entries import CLEANED
from retuner.search.lease import hold_lease, is_held
from retuner.search.ledger import Ledger
from retuner.search.records import StudyRecord, now
from retuner.search.states import StudyState, TrialState
from retuner.search.transitions import set_aside
from retuner.settings import Settings
from retuner.stages.search import GIVEN_BACK, KEPT, compute_of, end_of, note_kept_nodes
from retuner_training.redaction import redact

_LIVE = (TrialState.ASKED, TrialState.SUBMITTED, TrialState.RUNNING, TrialState.LOST)
_SAME_WRITE = timedelta(seconds=5)
FindIdentity = Callable[[DaskCompute | AzureMlCompute], AzureMlIdentity | None]
"""Who signs in to the compute target of a study; it may lie in a block."""


@dataclass(frozen=True)
class LeftBehind:
    """A study that nobody worked on any more, and what was done about it."""

    study: str
    jobs: int
    """Jobs that were still alive on the compute target and were asked to stop."""
    trials: int
    """Trials that the ledger still called live."""
    fault: str | None = None
    """Why it could not be cleaned up; it is tried again the next time."""
    is_open: bool = True
    """Whether it can be continued; one that has ended left only its compute target to be cleaned."""

    @property
    def line(self) -> str:
        """For the operator."""
        found = f"{self.study}: {self.trials} trials without a process, {self.jobs} jobs stopped"
        what_next = f"continue with: retune run --resume {self.study}" if self.is_open else "its nodes were given back"
        return f"{found}; {self.fault or what_next}"


def clean_up_studies(settings: Settings, find_identity: FindIdentity) -> list[LeftBehind]:
    """Every study that was left: stop its jobs, give back its nodes, say whether it can be resumed.

    That is an open one whose lease is free, and one that ended without giving its nodes back.

    Trials keep their attempts, so that a resumed study first asks for the results that they may have left in storage.
    """
    with Ledger(settings.ledger_url) as ledger:
        studies = [one.study for one in ledger.studies() if not _is_clean(one.study)]
        found = [_clean_up(study, ledger, settings, find_identity) for study in studies]
    return [one for one in found if one is not None]


def clean_up_others(
    study: str, model_name: str, ledger: Ledger, settings: Settings, find_identity: FindIdentity
) -> list[LeftBehind]:
    """What other studies of the model have not given back; the caller holds its lease, and works on `study`.

    While it does, no clean-up looks at them: it cannot tell which study of the model is the one that is worked on.
    """
    others = [one.study for one in ledger.studies(model_name) if one.study.name != study]
    left = [one for one in others if not _has_given_back(one)]
    found = [_clean_up_alone(one, ledger, settings, find_identity) for one in left]
    return [one for one in found if one is not None]


def _has_given_back(study: StudyRecord) -> bool:
    return KEPT not in study.target or bool(study.target.get(GIVEN_BACK, False))


def _is_clean(study: StudyRecord) -> bool:
    """Whether it has given all back; an open one must have been cleaned up too, and nobody have worked on it since."""
    if study.state is not StudyState.OPEN:
        return _has_given_back(study)
    done = study.stages.get(CLEANED)
    return done is not None and study.updated - datetime.fromisoformat(done["at"]) < _SAME_WRITE


def _clean_up(study: StudyRecord, ledger: Ledger, settings: Settings, find_identity: FindIdentity) -> LeftBehind | None:
    """None where somebody works on the model, or where nothing was left."""
    if _is_at_work(study.model_name, settings):
        return None
    with ExitStack() as held:
        try:
            held.enter_context(hold_lease(study.model_name, settings))
            study = ledger.study(study.name)  # a flow run may have worked on it since it was listed
        except UserError as error:
            if _is_at_work(study.model_name, settings):
                return None  # somebody has just begun to work on it
            fault = f"it cannot be cleaned up yet: {redact(str(error))}"
            return LeftBehind(study.name, jobs=0, trials=0, fault=fault, is_open=study.state is StudyState.OPEN)
        return None if _is_clean(study) else _clean_up_alone(study, ledger, settings, find_identity)


def _is_at_work(model_name: str, settings: Settings) -> bool:
    """Whether somebody holds the model's lease; where that cannot be seen, the study's own fault will say why."""
    try:
        return is_held(model_name, settings)
    except UserError:
        return False


def _clean_up_alone(
    study: StudyRecord, ledger: Ledger, settings: Settings, find_identity: FindIdentity
) -> LeftBehind | None:
    jobs, fault = 0, None
    try:
        if study.target:
            jobs = _stop_jobs(study, ledger, settings, find_identity)
            ledger.update_study(study.name, target={**study.target, GIVEN_BACK: True})
    except Exception as error:  # noqa: BLE001 - one study must not keep the others from being cleaned up
        fault = f"its compute target cannot be cleaned up yet ({type(error).__name__}): {redact(str(error))}"
    live = [trial for trial in ledger.trials(study.name) if trial.state in _LIVE]
    ledger.write_trials(study.name, [set_aside(trial, "its flow run ended without a word") for trial in live])
    left = LeftBehind(study.name, jobs=jobs, trials=len(live), fault=fault, is_open=study.state is StudyState.OPEN)
    if fault is None:
        ledger.write_stage(study.name, CLEANED, {"at": now().isoformat(), "jobs": jobs, "trials": len(live)})
    return left if jobs or live or fault else None


def _stop_jobs(study: StudyRecord, ledger: Ledger, settings: Settings, find_identity: FindIdentity) -> int:
    """Ask the study's jobs on its compute target to stop, and give back its nodes; returns how many jobs there were."""
    snapshot = study.identity.snapshot
    archive = settings.home / "snapshots" / f"{snapshot}.zip"
    compute = compute_of(study.target)  # the parameters may be those of a later start
    target = open_target(
        compute,
        Snapshot(snapshot, archive, study.identity.recipe),
        settings,
        node_secrets=lambda _: {},  # nothing is submitted
        identity=find_identity(compute),
    )
    try:
        try:
            jobs = target.find(study.name)
            target.cancel(jobs)  # first: they cost until they end, whatever has become of the cluster
        finally:
            target.scale(study.target.get(KEPT, 0), 0)
            note_kept_nodes(ledger, study.name, 0)  # whatever becomes of the rest, these cost no more
        return len(jobs)
    finally:
        target.close(end_of(study))
