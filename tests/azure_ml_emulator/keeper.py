"""Runs a command and ends it, with all that it started, once standard input closes: so no job outlives the emulator."""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    job = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_end_with_parent, args=(job,), daemon=True).start()
    code = job.wait()
    return code if code >= 0 else 128 - code


def _end_with_parent(job: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 1):  # unbuffered: a thread that holds the lock of sys.stdin would break the interpreter's end
        pass
    os.killpg(job.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
