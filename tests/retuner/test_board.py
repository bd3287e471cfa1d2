"""What a thread that waits for a trial hears meanwhile."""

import threading
from pathlib import Path

from coordinator_bench import Bench
from fake_target import FakeTarget

from retuner.search.ledger import Ledger


def test_whoever_waits_hears_of_each_job_while_the_target_has_it(tmp_path: Path):
    target, told, heard = FakeTarget(), [], threading.Event()

    def hear(job: str) -> None:
        told.append(job)
        if len(told) == 1:
            target.lose(job)  # so that there is another
        heard.set()

    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        bench = Bench(ledger)
        coordinator = bench.coordinator(target, trials=1)
        target.on_poll = lambda: heard.wait(10)  # the first job does not end before
        waiter = threading.Thread(target=coordinator.wait, args=(0, hear))
        waiter.start()
        coordinator.run()
        waiter.join(10)
    assert told == [f"{bench.study.name}-t0000-a1", f"{bench.study.name}-t0000-a2"]
