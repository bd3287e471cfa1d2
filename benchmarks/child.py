"""One measured function in a process of its own: `python -m benchmarks.child MODULE:FUNCTION ARGUMENTS RESULT`.

The module is imported before the clock starts. RESULT is a JSON file: what the function returned, CPU seconds of the
call (with those of its ended child processes) and the peak of resident memory in MB.
"""

import json
import resource
import sys
from importlib import import_module
from pathlib import Path


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(address: str, arguments: str, result: str) -> None:
    """Call the function with the keyword arguments in the JSON object `arguments`."""
    module, _, function = address.partition(":")
    call = getattr(import_module(module), function)
    cpu = cpu_seconds()
    value = call(**json.loads(arguments))
    measured = {
        "value": value,
        "cpu": cpu_seconds() - cpu,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    Path(result).write_text(json.dumps(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
