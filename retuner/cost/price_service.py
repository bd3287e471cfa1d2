"""The Azure Retail Prices API: public, without a login. Asked briefly, since an estimate is not worth a long wait."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from retuner.errors import RetryableError

CALL_SECONDS = 3.0
"""Longest wait for the network, each time."""
ALL_SECONDS = 8.0
"""Longest wait for all pages of an answer."""


@dataclass(frozen=True)
class ServicePrice:
    """USD for an hour of one Linux node."""

    dedicated: float
    low_priority: float | None
    """None where no meter for it is listed."""


@dataclass(frozen=True)
class _Meter:
    region: str
    low_priority: bool
    usd_per_hour: float


def ask(url: str, vm_size: str, region: str) -> ServicePrice | None:
    """The price of a size in a region, None where the service lists none. Raises RetryableError."""
    meters = _linux_meters(url, f"armSkuName eq '{_quoted(vm_size)}' and armRegionName eq '{_quoted(region)}'")
    dedicated = [meter.usd_per_hour for meter in meters if not meter.low_priority]
    low_priority = [meter.usd_per_hour for meter in meters if meter.low_priority]
    return ServicePrice(min(dedicated), min(low_priority, default=None)) if dedicated else None


def regions(url: str, vm_size: str) -> list[str]:
    """The regions in which a size has a price. Raises RetryableError."""
    return sorted({meter.region for meter in _linux_meters(url, f"armSkuName eq '{_quoted(vm_size)}'")})


def _linux_meters(url: str, condition: str) -> list[_Meter]:
    query = f"serviceName eq 'Virtual Machines' and {condition} and priceType eq 'Consumption'"
    try:
        return [
            _Meter(item["armRegionName"], item["meterName"].endswith(" Low Priority"), float(item["retailPrice"]))
            for item in _items(f"{url}?{urlencode({'$filter': query})}")
            if item["unitOfMeasure"] == "1 Hour"
            and not item["productName"].endswith(" Windows")
            and not item["meterName"].endswith(" Spot")
        ]
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise RetryableError(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise RetryableError("its answer is not as its documentation says") from None


def _items(address: str) -> Iterator[dict[str, Any]]:
    """All items of an answer, page by page."""
    deadline, host, page = time.monotonic() + ALL_SECONDS, urlsplit(address).netloc, address
    while page:
        if urlsplit(page).netloc != host:
            raise RetryableError(f"its next page lies on another host, {urlsplit(page).netloc}")
        if time.monotonic() > deadline:
            raise RetryableError(f"its answer took longer than {ALL_SECONDS:.0f} s")
        with urlopen(Request(page, headers={"User-Agent": "retuner"}), timeout=CALL_SECONDS) as answer:
            document = json.load(answer)
        yield from document["Items"]
        page = document["NextPageLink"]


def _quoted(value: str) -> str:
    return value.replace("'", "''")
