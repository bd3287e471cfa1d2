"""One Azure ML workspace, signed in to when it is first needed, and asked with a time limit."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from retuner.azure_ml.calls import default_sign_in, import_sdk, in_time
from retuner.azure_ml.errors import SignInExpired, Throttled, ask

Answer = TypeVar("Answer")
CALL_SECONDS = 120.0
"""A call without an answer for so long is given up: the SDK itself would wait for ever."""
LONGEST_PAUSE = 300.0
"""Seconds that a service which wants to be left alone is left alone at most: the study's own limits wait with it."""
PAUSE_AFTER_STOP = 5.0
"""Seconds of that once a stop is heard; then the nodes are given back."""
LONG_PAUSE = 10.0
"""A pause that somebody who watches should know the reason of."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkspaceName:
    """Which workspace."""

    subscription_id: str
    resource_group: str
    workspace: str

    @property
    def scope(self) -> str:
        """The workspace's resource id, as Azure's portal takes it in links."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )


class Workspace:
    """Its calls raise RetryableError or UserError; a token that has expired is renewed once a call.

    After an answer with Retry-After the next call waits for so long, whoever makes it. Once `stop` is set it waits
    PAUSE_AFTER_STOP at most: what gives nodes back must come through, and soon.

    `advice` is the next step for a person by HTTP status, where the caller knows a better one than the general.
    """

    def __init__(
        self,
        name: WorkspaceName,
        *,
        advice: Mapping[int, str],
        sign_in: Callable[[], Any] | None = None,
        call_seconds: float = CALL_SECONDS,
        stop: threading.Event | None = None,
    ) -> None:
        self.name = name
        self._advice = advice
        self._sign_in = sign_in or default_sign_in
        self._call_seconds = call_seconds
        self._stop = stop or threading.Event()
        self._opened: Any = None
        self._kept: dict[str, Any] = {}
        self._not_before = 0.0

    def ask(self, what: str, call: Callable[[], Answer], *, seconds: float | None = None) -> Answer:
        """The call's answer, or an error that begins with `what`. `seconds`, where it may take longer than others."""
        limit = seconds or self._call_seconds
        self._leave_alone()
        try:
            return ask(what, lambda: in_time(call, limit), self._advice)
        except SignInExpired:
            self._opened = None
            self._kept.clear()
            return ask(what, lambda: in_time(call, limit), self._advice)
        except Throttled as error:
            self._not_before = time.monotonic() + min(error.seconds, LONGEST_PAUSE)
            if error.seconds > LONG_PAUSE:
                held = "" if error.seconds <= LONGEST_PAUSE else f", of which {LONGEST_PAUSE:.0f} s are waited"
                _log.warning("Azure ML asks to be left alone for %.0f s%s.", error.seconds, held)
            raise

    def _leave_alone(self) -> None:
        """Wait as long as the service has asked for."""
        left = self._not_before - time.monotonic()
        if left > 0 and self._stop.wait(left):
            time.sleep(min(PAUSE_AFTER_STOP, max(0.0, self._not_before - time.monotonic())))

    def open(self) -> Any:
        """The SDK's workspace; to be called within `ask`."""
        if self._opened is None:
            import_sdk()
            from azureml.core import Workspace

            self._opened = Workspace.get(
                self.name.workspace,
                auth=self._sign_in(),
                subscription_id=self.name.subscription_id,
                resource_group=self.name.resource_group,
            )
        return self._opened

    def handle(self) -> Any:
        """The SDK's workspace without a look whether it is there; to be called within `ask`."""
        import_sdk()
        from azureml.core import Workspace

        return Workspace(
            self.name.subscription_id,
            self.name.resource_group,
            self.name.workspace,
            auth=self._sign_in(),
            _disable_service_check=True,
        )

    def keep(self, key: str, make: Callable[[Any], Answer]) -> Answer:
        """What `make` makes of the workspace, made once for every token; to be called within `ask`."""
        if key not in self._kept:
            self._kept[key] = make(self.open())
        return cast(Answer, self._kept[key])
