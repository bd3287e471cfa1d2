"""What a retune will take, in node hours, money and minutes. Pure arithmetic: nothing is asked and nothing started."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from retuner.azure_ml.region import Quota
from retuner.cost.estimates import Durations
from retuner.cost.prices import Price
from retuner.cost.purse import Purse
from retuner.cost.spending import Rates, Usage, rounded

HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Plan:
    """An estimate, made before anything is started."""

    trials: int
    nodes: int
    durations: Durations
    rates: Rates
    price: Price | None
    low_priority: bool
    max_cost: float | None = None
    max_minutes: float | None = None
    vcpus_per_node: int | None = None
    quota: Quota | None = None
    notes: tuple[str, ...] = ()
    """One sentence each on what the figures do not say."""

    @property
    def usage(self) -> Usage:
        """Node seconds as they are expected: each node is started once, and idles once, at the end."""
        return Usage(
            work=self.trials * self.durations.trial.seconds,
            retrain=self.durations.retrain.seconds,
            startup=self.trials_at_once * self.rates.startup_seconds,
            idle=self.trials_at_once * self.rates.idle_seconds,
        )

    @property
    def is_bound(self) -> bool:
        """Whether it says what is used at most, as nothing tells what to expect."""
        return self.durations.trial.is_bound

    @property
    def minutes(self) -> float:
        """Expected minutes until the final training has ended; the idle time of nodes comes after that."""
        waves = math.ceil(self.trials / self.trials_at_once)
        search = self.rates.startup_seconds + waves * self.durations.trial.seconds
        return (search + self.durations.retrain.seconds) / 60

    @property
    def trials_at_once(self) -> int:
        """Trials that may be in flight, each on a node: `max_cost` must suffice though each takes its longest."""
        return min(self.nodes, Purse(self.rates, self.max_cost).affordable)

    @property
    def bound(self) -> float:
        """Node seconds that are used at most from the moment on at which all of our side is dead.

        Every job carries its longest duration; so long run those in flight, and then the nodes idle away.
        """
        overhead = self.rates.startup_seconds + self.rates.idle_seconds
        searching = self.trials_at_once * (self.rates.trial_seconds + overhead)
        return max(searching, self.rates.final_seconds + self.trials_at_once * overhead)

    def to_dict(self) -> dict[str, Any]:
        """The plan as one JSON object; `usd` is null where no price is known."""
        usd_per_hour = self.rates.usd_per_hour
        return {
            "trials": self.trials,
            "nodes": self.nodes,
            "trials_at_once": self.trials_at_once,
            "trial_seconds": asdict(self.durations.trial),
            "retrain_seconds": asdict(self.durations.retrain),
            "startup_seconds": self.rates.startup_seconds,
            "idle_seconds": self.rates.idle_seconds,
            "minutes": rounded(self.minutes),
            "is_bound": self.is_bound,
            **self.usage.document(usd_per_hour),
            "price": self._price(),
            "priorities": self._priorities(),
            "min_nodes_1": self._min_nodes_1(),
            "if_our_side_dies": {"node_hours": rounded(self.bound / 3600), "usd": self._usd(self.bound)},
            "vcpus": {"needed": self.vcpus_per_node and self.vcpus_per_node * self.nodes, "quota": self._quota()},
            "budget": {"max_cost": self.max_cost, "max_minutes": self.max_minutes},
            "notes": list(self.notes),
        }

    def _usd(self, seconds: float) -> float | None:
        usd = self.rates.usd(seconds)
        return None if usd is None else rounded(usd)

    def _price(self) -> dict[str, Any] | None:
        if self.price is None:
            return None
        return {"usd_per_hour": self.rates.usd_per_hour, "is_low_priority": self.low_priority, **asdict(self.price)}

    def _priorities(self) -> dict[str, Any] | None:
        """The total on dedicated and on low priority nodes, where the two have different prices."""
        price = self.price
        if price is None or price.dedicated == price.low_priority:
            return None
        hours = self.usage.total / 3600
        return {
            "dedicated": {"usd": rounded(hours * price.dedicated)},
            "low_priority": {"usd": rounded(hours * price.low_priority), "is_estimate": price.low_priority_is_estimate},
        }

    def _min_nodes_1(self) -> dict[str, float | None]:
        """One node that is kept up: what it saves each retune, and what it costs a day and a month."""
        saved = self.rates.startup_seconds + self.rates.idle_seconds
        return {
            "saves_minutes_before_first_trial": rounded(self.rates.startup_seconds / 60),
            "saves_usd": self._usd(saved),
            "costs_usd_a_day": self._usd(24 * 3600),
            "costs_usd_a_month": self._usd(HOURS_A_MONTH * 3600),
        }

    def _quota(self) -> dict[str, Any] | None:
        return asdict(self.quota) if self.quota else None
