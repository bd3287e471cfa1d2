"""How long a job on Dask may go on after its own seconds until it is stopped from here."""

GRACE_SECONDS = 30.0
"""In which a training imports, loads, and sees by itself that its time is over."""
PATIENCE_SECONDS = 30.0
"""From the request to stop to the restart of its worker."""
STOP_ALLOWANCE = GRACE_SECONDS + PATIENCE_SECONDS
"""What a job may hold its worker beside its training."""
