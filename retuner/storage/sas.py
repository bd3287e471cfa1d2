"""Checks a shared access signature (SAS) before it is used: what can be told from its text alone, without a request.

A SAS is the query string that grants access to a container: `sp` permissions, `st` and `se` its times, `spr` protocols,
`sr` scope (c container, d directory, b blob), `sip` addresses, `si` a stored policy, `skoid` the identity that signed
it, `ss` and `srt` on account SAS alone, `sig` the signature. No finding ever repeats `sig`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

LONGEST = timedelta(days=7)
LONG = timedelta(hours=24)
SKEW = timedelta(minutes=15)
"""Clocks may differ by so much, as Azure says: a start should be that old."""
_WORDS = {"r": "read", "w": "write", "c": "create", "l": "list", "d": "delete", "a": "add"}
_ENOUGH = {"upload": "cw", "read": "r"}
_HARMLESS = {"upload": "cw", "read": "rl"}

Use = Literal["upload", "read"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing about a SAS that somebody should know: an error refuses it, a warning is logged."""

    severity: Severity
    message: str


@dataclass(frozen=True)
class Place:
    """The part of a storage account that a store uses."""

    account_url: str
    container: str
    prefix: str = ""

    @property
    def container_url(self) -> str:
        return f"{self.account_url.rstrip('/')}/{self.container}"

    @property
    def url(self) -> str:
        """Address of the store's root: the container, or the prefix in it."""
        return f"{self.container_url}/{quote(self.prefix)}".rstrip("/")


def token_of(sas: str) -> str:
    """The query string of a SAS that was given as such, with a leading '?', or as a whole address."""
    text = sas.strip()
    return text.partition("?")[2] if "?" in text else text


def permissions_of(sas: str, default: str = "") -> str:
    """The letters of the SAS's permissions; `default` where a stored policy holds them."""
    return parse_qs(token_of(sas)).get("sp", [default])[0]


def expiry_of(sas: str) -> datetime | None:
    """When the SAS ends; None where a stored policy says it."""
    return _time(parse_qs(token_of(sas)).get("se", [""])[0])


def is_loopback(address: str) -> bool:
    """Whether the address names this machine, as an emulator's does."""
    return urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")


def check_sas(sas: str, use: Use, place: Place, *, now: datetime, until: datetime | None = None) -> list[Finding]:
    """All findings about a SAS meant for `use` of `place`; `until` is when the plan ends. Errors come first."""
    fields = {name: values[0] for name, values in parse_qs(token_of(sas)).items()}
    if "sig" not in fields:
        return [Finding("error", f"The {use} SAS is no SAS: it has no 'sig=' in it. {_how_to_make(use, place)}")]
    found = [
        *_about_kind(fields, use, place),
        *_about_place(sas.strip(), fields, use, place),
        *_about_times(fields, use, place, now, until),
        *_about_permissions(fields, use, place),
        *_about_network(fields, use, place),
    ]
    return sorted(found, key=lambda finding: finding.severity)


def _about_kind(fields: dict[str, str], use: Use, place: Place) -> Iterator[Finding]:
    if "ss" in fields or "srt" in fields:
        yield Finding(
            "error",
            f"The {use} SAS is an account SAS (ss={fields.get('ss')}, srt={fields.get('srt')}), which opens more than "
            f"the container {place.container}. {_how_to_make(use, place)}",
        )
    elif "skoid" not in fields:
        yield Finding(
            "warning",
            f"The {use} SAS is signed with the account's key: only a new key revokes it. Prefer a user delegation SAS "
            f"(az storage container generate-sas --auth-mode login --as-user).",
        )


def _about_place(sas: str, fields: dict[str, str], use: Use, place: Place) -> Iterator[Finding]:
    """A token alone does not name its container; a whole address does."""
    if fields.get("sr") == "b":
        yield Finding(
            "error",
            f"The {use} SAS is for a single blob (sr=b), and a study writes many. {_how_to_make(use, place)}",
        )
    if fields.get("sr") == "c" and place.prefix:
        yield Finding(
            "warning",
            f"The {use} SAS opens the whole container {place.container}, and only {place.prefix}/ is used: where the "
            f"account has a hierarchical namespace, make one for that directory.",
        )
    address = unquote(sas.partition("?")[0]).rstrip("/") if "://" in sas else None
    if address is not None and not _contains(address, unquote(place.url)):
        yield Finding(
            "error",
            f"The {use} SAS is for {address}, and the parameters name {unquote(place.url)}: correct the account, the "
            f"container or the prefix, or make a SAS for that place.",
        )


def _contains(outer: str, inner: str) -> bool:
    """Whether the address `inner` lies in `outer`; the protocol is another finding."""
    outer, inner = (address.partition("://")[2] for address in (outer, inner))
    return f"{inner}/".startswith(f"{outer}/")


def _about_times(
    fields: dict[str, str], use: Use, place: Place, now: datetime, until: datetime | None
) -> Iterator[Finding]:
    start, end = (_time(fields[name]) if name in fields else None for name in ("st", "se"))
    if start is not None and start > now:
        yield Finding(
            "error",
            f"The {use} SAS is not valid before {start:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M} UTC here: "
            f"wait, set this machine's clock, or make one without a start.",
        )
    elif start is not None and now - start < SKEW:
        yield Finding(
            "warning",
            f"The {use} SAS starts at {start:%Y-%m-%d %H:%M} UTC, less than 15 minutes ago: machines whose clock is "
            f"behind are refused at first; make it without a start, or with one 15 minutes ago.",
        )
    if end is not None:
        yield from _about_end(end, use, place, now, until)
    elif "si" in fields:
        yield Finding(
            "warning",
            f"The {use} SAS follows the stored access policy '{fields['si']}': its times cannot be checked from here.",
        )
    else:
        yield Finding(
            "error", f"The {use} SAS has no readable expiry (se={fields.get('se')}). {_how_to_make(use, place)}"
        )


def _about_end(end: datetime, use: Use, place: Place, now: datetime, until: datetime | None) -> Iterator[Finding]:
    said = f"{end:%Y-%m-%d %H:%M} UTC"
    if end <= now:
        yield Finding("error", f"The {use} SAS expired at {said}. {_how_to_make(use, place)}")
    elif end - now > LONGEST:
        yield Finding("error", f"The {use} SAS is valid until {said}, longer than 7 days. {_how_to_make(use, place)}")
    elif until is not None and end < until:
        yield Finding(
            "error",
            f"The {use} SAS expires at {said}, before the search may end ({until:%Y-%m-%d %H:%M} UTC): make one that "
            f"lasts longer, or lower budget.max_minutes.",
        )
    elif end - now > LONG:
        yield Finding("warning", f"The {use} SAS is valid until {said}, longer than 24 hours: hours are enough.")


def _about_permissions(fields: dict[str, str], use: Use, place: Place) -> Iterator[Finding]:
    given = fields.get("sp")
    if given is None:
        if "si" not in fields:
            yield Finding("error", f"The {use} SAS grants nothing (no 'sp=' in it). {_how_to_make(use, place)}")
        return
    needed = "w" if use == "upload" else "r"
    if needed not in given:
        yield Finding(
            "error", f"The {use} SAS has no {_WORDS[needed]} permission (sp={given}). {_how_to_make(use, place)}"
        )
    more = [letter for letter in given if letter not in _HARMLESS[use]]
    if more:
        words = ", ".join(_WORDS.get(letter, letter) for letter in more)
        yield Finding("warning", f"The {use} SAS grants more than it needs ({words}): sp={_ENOUGH[use]} is enough.")


def _about_network(fields: dict[str, str], use: Use, place: Place) -> Iterator[Finding]:
    local = is_loopback(place.account_url)
    if fields.get("spr") != "https" and not local:
        allowed = fields.get("spr", "https,http")
        yield Finding("error", f"The {use} SAS permits plain http (spr={allowed}). {_how_to_make(use, place)}")
    if "sip" not in fields and not local:
        yield Finding(
            "warning", f"The {use} SAS works from every address: where yours is fixed, limit it to that (--ip)."
        )


def _how_to_make(use: Use, place: Place) -> str:
    account = (urlsplit(place.account_url).hostname or "").partition(".")[0]
    return (
        f"Make one with: az storage container generate-sas --account-name {account} --name {place.container} "
        f"--permissions {_ENOUGH[use]} --expiry <UTC time within hours> --https-only --auth-mode login --as-user"
    )


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
