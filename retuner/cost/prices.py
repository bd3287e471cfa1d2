"""What a node costs an hour: from the Azure Retail Prices API, from what it said before, or from the table here."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from retuner.cost import price_service
from retuner.errors import RetryableError, UserError
from retuner.search.records import now
from retuner.settings import Settings
from retuner_training.result import write_whole

TABLE = Path(__file__).with_name("prices.json")
FRESH = timedelta(days=7)
"""Prices that the service gave within that time are not asked for again."""
LOW_PRIORITY_SHARE = 0.2
"""Of the dedicated price, where no list price is known: Azure says `up to 80 % off`. For comparison; never counted."""
PRICE_DIGITS = 6
"""Azure lists no price with more; a share of one has digits that nobody can read."""
SERVICE_SOURCE, TABLE_SOURCE, GIVEN_SOURCE = "Azure Retail Prices API", "table in the repository", "given"


@dataclass(frozen=True)
class Price:
    """USD for one node for one hour, at list price, and where that was read."""

    dedicated: float
    low_priority: float
    low_priority_is_estimate: bool
    date: str
    """ISO date of which the prices are."""
    source: str
    vm_size: str | None = None
    region: str | None = None
    note: str | None = None
    """Why it is not the service's price of now."""

    @property
    def origin(self) -> str:
        """Whose it is and of which day, as every figure in money says it: `list price of 2026-06-18`."""
        return f"price given on {self.date}" if self.source == GIVEN_SOURCE else f"list price of {self.date}"

    def usd_per_hour(self, *, low_priority: bool) -> float:
        """What a node of that kind is counted at. An estimate may be too low: the dedicated price takes its place."""
        return self.low_priority if low_priority and not self.low_priority_is_estimate else self.dedicated


def given_price(usd_per_hour: float) -> Price:
    """The price that a person told, whatever the kind of node."""
    return Price(
        dedicated=usd_per_hour,
        low_priority=usd_per_hour,
        low_priority_is_estimate=False,
        date=now().date().isoformat(),
        source=GIVEN_SOURCE,
    )


def find_price(vm_size: str, region: str, settings: Settings) -> Price:
    """The price of Linux nodes of a size in a region such as `eastus2`.

    The service is asked only where it has not answered within a week, and for a few seconds at most; where it cannot be
    reached, the newer of its last answer and the table is taken. Raises UserError with the names that are near where
    size or region are unknown.
    """
    region = region.lower().replace(" ", "")
    vm_size = _spelled(vm_size)
    cached = _read_cache(settings).get(_key(vm_size, region))
    if cached is not None and date.fromisoformat(cached.date) > now().date() - FRESH:
        return cached
    try:
        found = price_service.ask(settings.prices_url, vm_size, region)
    except RetryableError as problem:
        return _without_service(vm_size, region, cached, str(problem))
    if found is None:
        raise _unknown_to_service(vm_size, region, settings)
    price = _price(found.dedicated, found.low_priority, vm_size, region, source=SERVICE_SOURCE)
    _write_cache(settings, price)
    return price


def vcpus(vm_size: str) -> int | None:
    """Virtual CPUs of a node, None for a size that the table does not know."""
    found: int | None = _table()["vcpus"].get(_spelled(vm_size))
    return found


def _without_service(vm_size: str, region: str, cached: Price | None, problem: str) -> Price:
    table = _table()
    note = f"The price service cannot be reached ({problem})."
    if cached is not None and cached.date >= table["date"]:
        return replace(cached, note=note)
    sizes: dict[str, dict[str, float]] = table["usd_per_hour"]
    where = f"the table of {table['date']}, which is used because the price service cannot be reached ({problem})"
    next_step = "Give the price with --price-per-hour, or try again when the service can be reached."
    if vm_size not in sizes:
        raise UserError(f"The VM size {vm_size} is not in {where}: {_near(vm_size, list(sizes))}. {next_step}")
    if region not in sizes[vm_size]:
        raise UserError(f"The region '{region}' is not in {where}: {_near(region, list(sizes[vm_size]))}. {next_step}")
    return replace(
        _price(sizes[vm_size][region], None, vm_size, region, source=TABLE_SOURCE), date=table["date"], note=note
    )


def _unknown_to_service(vm_size: str, region: str, settings: Settings) -> UserError:
    """The service knows no such price: say whether the size or the region is wrong."""
    try:
        regions = price_service.regions(settings.prices_url, vm_size)
    except RetryableError:
        regions = []
    if regions:
        return UserError(f"Azure has no price of {vm_size} in the region '{region}': {_near(region, regions)}.")
    return UserError(
        f"Azure has no price of the VM size '{vm_size}': {_near(vm_size, list(_table()['vcpus']))}. "
        f"Sizes are written like Standard_D4_v2."
    )


def _near(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"similar names: {', '.join(near)}" if near else f"known are {', '.join(sorted(known)[:8])}"


def _price(dedicated: float, low_priority: float | None, vm_size: str, region: str, *, source: str) -> Price:
    return Price(
        dedicated=dedicated,
        low_priority=round(LOW_PRIORITY_SHARE * dedicated, PRICE_DIGITS) if low_priority is None else low_priority,
        low_priority_is_estimate=low_priority is None,
        date=now().date().isoformat(),
        source=source,
        vm_size=vm_size,
        region=region,
    )


def _spelled(vm_size: str) -> str:
    """The size as Azure spells it: its filters distinguish upper and lower case, people do not."""
    known: dict[str, str] = {name.lower(): name for name in _table()["vcpus"]}
    return known.get(vm_size.lower(), vm_size)


def _table() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(TABLE.read_text())
    return content


def _key(vm_size: str, region: str) -> str:
    return f"{vm_size} {region}".lower()


def _read_cache(settings: Settings) -> dict[str, Price]:
    """What the service said before; nothing where the file is not as we write it."""
    try:
        entries = json.loads(_cache_file(settings).read_text())
        return {key: Price(**entry) for key, entry in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_cache(settings: Settings, price: Price) -> None:
    entries = {**_read_cache(settings), _key(price.vm_size or "", price.region or ""): price}
    text = json.dumps({key: asdict(entry) for key, entry in entries.items()}, indent=1)
    with suppress(OSError):  # a home that cannot be written costs a question the next time, nothing else
        settings.home.mkdir(parents=True, exist_ok=True)
        write_whole(_cache_file(settings), lambda part: part.write_text(text))


def _cache_file(settings: Settings) -> Path:
    return settings.home / "prices.json"
