"""`python -m retuner_training JOB.json RESULT.json`: one job without any compute target around it."""

import contextlib
import json
import signal
import sys
import threading
from dataclasses import MISSING, fields
from pathlib import Path

from retuner_training.errors import InvalidInput
from retuner_training.job import Job

USAGE = "Usage: python -m retuner_training JOB.json RESULT.json"
EXIT_CODES = {"completed": 0, "failed": 1, "stopped": 3}
EXIT_BAD_JOB = 2


def read_job(file: Path) -> Job:
    """The job in a JSON file. Raises InvalidInput with the file and the field that is wrong."""
    try:
        given = json.loads(file.read_text())
    except OSError as error:
        raise InvalidInput(f"The job file {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidInput(f"The job file {file} is not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise InvalidInput(f"The job file {file} holds a {type(given).__name__}, not an object of fields.")
    known = {field.name: field.default is MISSING for field in fields(Job)}
    missing = [name for name, required in known.items() if required and name not in given]
    unknown = sorted(set(given) - set(known))
    if missing or unknown:
        faults = f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        raise InvalidInput(f"The job file {file} has the wrong fields ({faults}); known are {', '.join(known)}.")
    return Job(**given)


def main(arguments: list[str]) -> int:
    """Run the job; reports go to stdout as one JSON object a line. Returns the exit code."""
    if len(arguments) != 2:
        sys.stderr.write(USAGE + "\n")
        return EXIT_BAD_JOB
    try:
        job = read_job(Path(arguments[0]))
    except InvalidInput as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_JOB
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    lines = sys.stdout

    def send(step: int, value: float) -> None:
        lines.write(json.dumps({"step": step, "value": value}) + "\n")
        lines.flush()

    # late: so that a bad job file is answered without the seconds that these imports take
    from retuner_training.result import write_result
    from retuner_training.run import run_job

    with contextlib.redirect_stdout(sys.stderr):  # what a recipe prints must not mix with the reports
        result = run_job(job, send=send, stop_asked=stop.is_set)
    write_result(result, Path(arguments[1]))
    if result.reason is not None:
        sys.stderr.write(f"{result.traceback or ''}{job.name} {result.outcome}: {result.reason}\n")
    return EXIT_CODES[result.outcome]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
