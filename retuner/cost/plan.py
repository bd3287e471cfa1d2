"""What a retune will take, in node hours, money and minutes. Pure arithmetic: nothing is asked and nothing started."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from retuner.azure_ml.region import Quota
from retuner.cost.estimates import Durations
from retuner.cost.limits import Limits
from retuner.cost.prices import Price
from retuner.cost.purse import Purse
from retuner.cost.spending import Bill, Rates, rounded
from retuner.cost.usage import Usage

HOURS_A_MONTH = 730


@dataclass(frozen=True)
class Fits:
    """Whether what is expected stays within the budget; None where there is no limit, or no price to tell."""

    cost: bool | None
    minutes: bool | None
    trials: int
    """Of the trials, so many are tried before a limit ends the search."""


@dataclass(frozen=True)
class Plan:
    """An estimate, made before anything is started."""

    trials: int
    nodes: int
    durations: Durations
    rates: Rates
    price: Price | None
    low_priority: bool
    limits: Limits
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
            idle=self.trials_at_once * self.rates.idle_seconds + self._spare_seconds,
        )

    @property
    def bill(self) -> Bill:
        """What that costs; nobody knows beforehand which attempts will move to dedicated nodes."""
        return Bill(self.rates, self.usage)

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
    def _spare_seconds(self) -> float:
        """Of nodes that are kept up beside the final training, longer than an idle node is."""
        tail = max(0.0, self.durations.retrain.seconds - self.rates.idle_seconds)
        return max(0, self.rates.kept_nodes - 1) * tail

    @property
    def trials_at_once(self) -> int:
        """Trials that may be in flight, each on a node: `max_cost` must suffice though each takes its longest."""
        return Purse(self.rates, self.max_cost).bears([1] * self.nodes)

    @property
    def fits(self) -> Fits:
        """The plan beside the limits of the budget."""
        usd, whole = self.bill.usd, self.max_minutes
        return Fits(
            cost=None if usd is None or self.max_cost is None else usd <= self.max_cost,
            minutes=None if whole is None else self.minutes <= whole and self.is_final_in_time,
            trials=min(self.trials, self._trials_in_cost(), self._trials_in_minutes()),
        )

    @property
    def is_final_in_time(self) -> bool:
        """Whether the final training is expected to end within what is kept for it."""
        return self.durations.retrain.seconds <= self.limits.final

    def _trials_in_cost(self) -> int:
        """Trials of the expected length that are submitted before what is left could be too little for the next."""
        if self.max_cost is None or self.rates.usd_per_hour is None:
            return self.trials
        others = (self.trials_at_once - 1) * (self.rates.startup_seconds + self.rates.idle_seconds)
        least = (Purse(self.rates, self.max_cost).committed([1]).usd or 0.0) + (self.rates.usd(others) or 0.0)
        each = self.rates.usd(self.durations.trial.seconds) or math.inf
        return max(1, 1 + math.floor((self.max_cost - least) / each))

    def _trials_in_minutes(self) -> int:
        """Trials that have ended when the search must make way for the final training."""
        if self.limits.search is None:
            return self.trials
        waves = math.floor((self.limits.search - self.rates.startup_seconds) / self.durations.trial.seconds)
        return max(0, waves) * self.trials_at_once

    @property
    def vcpus_needed(self) -> int | None:
        """Of the nodes that work at the same time, be it because they are kept up."""
        nodes = max(self.trials_at_once, self.rates.kept_nodes)
        return self.vcpus_per_node and self.vcpus_per_node * nodes

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
            **self.bill.document(),
            "price": self._price(),
            "priorities": self._priorities(),
            "min_nodes_1": self._min_nodes_1(),
            "if_our_side_dies": {"node_hours": rounded(self.bound / 3600), "usd": self._usd_of_bound()},
            "vcpus": {"needed": self.vcpus_needed, "quota": self._quota()},
            "kept_nodes": {"nodes": self.rates.kept_nodes, "usd_a_day": self._usd(self.rates.kept_nodes * 24 * 3600)},
            "moved": {"after": self.rates.moves_after, "usd_per_hour": self.rates.moved_usd_per_hour},
            "budget": {"max_cost": self.max_cost, "max_minutes": self.max_minutes, "fits": asdict(self.fits)},
            "notes": list(self.notes),
        }

    def _usd(self, seconds: float) -> float | None:
        usd = self.rates.usd(seconds)
        return None if usd is None else rounded(usd)

    def _usd_of_bound(self) -> float | None:
        """At the price of dedicated nodes, where all jobs may have moved to them."""
        usd = self.rates.usd(self.bound, is_moved=self.rates.moves_after is not None)
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
