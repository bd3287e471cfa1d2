"""Where the signatures for a container come from: given in a block, or minted here for hours and renewed."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from retuner.errors import UserError
from retuner.storage.blob_client import client_options
from retuner.storage.blob_errors import ask
from retuner.storage.credentials import BlobCredentials, ConnectionString, Identity, SasPair, ServicePrincipal
from retuner.storage.sas import LONGEST, Place, Use, check_sas, expiry_of, is_loopback, permissions_of, token_of

LIFETIME = timedelta(hours=8)
SPARE = timedelta(minutes=30)
"""A signature is renewed when less than this would be left at the end of what it is asked for."""
EARLIER = timedelta(minutes=15)
"""A start in the past, for clocks that are late."""

Right = Literal["upload", "read", "list"]
Clock = Callable[[], datetime]
Mint = Callable[[str, datetime, datetime], str]
"""Permissions, start and expiry in; a SAS for the container out."""

_PERMISSIONS: dict[Right, str] = {"upload": "cw", "read": "r", "list": "rl"}
_log = logging.getLogger(__name__)


class Signatures(Protocol):
    """Signatures for one container."""

    @property
    def can_read(self) -> bool:
        """Whether there is a signature to read with."""

    def token(self, right: Right, seconds: float = 0) -> str:
        """A SAS with that right, good for `seconds` from now. Raises UserError or RetryableError."""


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def open_signatures(
    credentials: BlobCredentials, place: Place, *, until: datetime | None = None, now: Clock = utc_now
) -> Signatures:
    """Signatures for `place` from any kind of credentials. Raises UserError for a SAS that will not do."""
    if isinstance(credentials, SasPair):
        return GivenSignatures(credentials, place, until=until, now=now)
    if isinstance(credentials, ConnectionString):
        return MintedSignatures(mint_with_key(credentials, place), now=now)
    if not place.account_url.startswith("https://"):
        raise UserError(f"An identity's token is sent over https only: storage.account_url is {place.account_url}.")
    return MintedSignatures(mint_as_identity(_token_credential(credentials.principal), place), now=now)


class GivenSignatures:
    """The two signatures of a block, checked when this is made: errors refuse them, warnings are logged."""

    def __init__(self, pair: SasPair, place: Place, *, until: datetime | None, now: Clock) -> None:
        given: dict[Use, str | None] = {"upload": pair.upload_sas, "read": pair.read_sas}
        self._tokens = {use: token_of(sas) for use, sas in given.items() if sas}
        self._now = now
        self._place = place
        findings = [
            finding
            for use, sas in given.items()
            if sas
            for finding in check_sas(sas, use, place, now=now(), until=until)
        ]
        for finding in findings:
            if finding.severity == "warning":
                _log.warning("%s", finding.message)
        errors = [finding.message for finding in findings if finding.severity == "error"]
        if errors:
            raise UserError(" ".join(errors))

    @property
    def can_read(self) -> bool:
        return "read" in self._tokens

    def token(self, right: Right, seconds: float = 0) -> str:
        """The given SAS for that right. Raises UserError where there is none, or it expires too early."""
        use: Use = "upload" if right == "upload" else "read"
        token = self._tokens.get(use)
        if token is None:
            raise UserError(
                f"Nothing can be read from {self._place.url} with an upload SAS: add a read SAS to the block."
            )
        if right == "list" and "l" not in permissions_of(token, default="l"):
            raise UserError(f"Names in {self._place.url} cannot be listed: make the read SAS of the block with sp=rl.")
        end = expiry_of(token)
        if end is not None and end <= self._now() + timedelta(seconds=seconds):
            raise UserError(
                f"The {use} SAS for {self._place.container} expires at {end:%Y-%m-%d %H:%M} UTC, too early "
                f"for what has to be done with it ({seconds:.0f} s): put a new one into the block, and start again: "
                f"what was done is kept."
            )
        return token


@dataclass(frozen=True)
class _Minted:
    token: str
    expiry: datetime


class MintedSignatures:
    """Signatures with the least permissions, minted when asked for and again before they run out."""

    can_read = True

    def __init__(self, mint: Mint, *, now: Clock = utc_now) -> None:
        self._mint = mint
        self._now = now
        self._minted: dict[Right, _Minted] = {}
        self._lock = threading.Lock()

    def token(self, right: Right, seconds: float = 0) -> str:
        """A SAS that is good for `seconds`, and for at most 7 days."""
        now = self._now()
        wanted = min(timedelta(seconds=seconds) + SPARE, LONGEST - EARLIER)
        with self._lock:
            minted = self._minted.get(right)
            if minted is None or minted.expiry < now + wanted:
                expiry = now + max(LIFETIME, wanted)
                minted = _Minted(self._mint(_PERMISSIONS[right], now - EARLIER, expiry), expiry)
                self._minted[right] = minted
        return minted.token


def parse_connection_string(text: str) -> dict[str, str]:
    """Fields of a connection string by name, `BlobEndpoint` among them. Raises UserError without repeating any."""
    fields = dict(part.split("=", 1) for part in text.strip().split(";") if "=" in part)
    if "SharedAccessSignature" in fields:
        raise UserError("The connection string holds a SAS: put it into a block 'Retuner Blob SAS' instead.")
    missing = [name for name in ("AccountName", "AccountKey") if not fields.get(name)]
    if missing:
        raise UserError(f"The connection string has no {' and no '.join(missing)}: copy it from the portal again.")
    protocol = fields.get("DefaultEndpointsProtocol", "https")
    suffix = fields.get("EndpointSuffix", "core.windows.net")
    fields.setdefault("BlobEndpoint", f"{protocol}://{fields['AccountName']}.blob.{suffix}")
    return fields


def mint_with_key(credentials: ConnectionString, place: Place) -> Mint:
    """Sign with the account's key."""
    fields = parse_connection_string(credentials.text)
    account, key = fields["AccountName"], fields["AccountKey"]

    def mint(permissions: str, start: datetime, expiry: datetime) -> str:
        return _sign(account, place, permissions, start, expiry, account_key=key)

    return mint


def mint_as_identity(credential: Any, place: Place) -> Mint:
    """Sign with a user delegation key, which the account hands to an identity with the role for it."""
    from azure.storage.blob import BlobServiceClient

    service = BlobServiceClient(place.account_url, credential=credential, **client_options())

    def mint(permissions: str, start: datetime, expiry: datetime) -> str:
        key = ask(
            f"No user delegation key was given out by {place.account_url}",
            lambda: service.get_user_delegation_key(start, expiry),
        )
        return _sign(str(service.account_name), place, permissions, start, expiry, user_delegation_key=key)

    return mint


def _sign(account: str, place: Place, permissions: str, start: datetime, expiry: datetime, **key: Any) -> str:
    from azure.storage.blob import generate_container_sas

    protocol = "https" if place.account_url.startswith("https://") else "https,http"
    try:
        token = generate_container_sas(
            account, place.container, permission=permissions, start=start, expiry=expiry, protocol=protocol, **key
        )
    except ValueError:
        token = None
    if token is None:
        raise UserError("The connection string's AccountKey is not a key: copy it from the portal again.")
    return str(token)


def _token_credential(principal: ServicePrincipal | None) -> Any:
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    if principal is None:
        return DefaultAzureCredential()
    return ClientSecretCredential(principal.tenant_id, principal.client_id, principal.client_secret)


def find_place(account_url: str | None, container: str, prefix: str, credentials: BlobCredentials) -> Place:
    """The place that parameters and credentials name together. Raises UserError where they disagree."""
    known = _account_of(credentials)
    if account_url and known and account_url.rstrip("/") != known.rstrip("/"):
        raise UserError(f"storage.account_url is {account_url}, and the block is for {known}: correct one of them.")
    url = account_url or known
    if not url:
        raise UserError(
            "storage.account_url is empty: give https://<account>.blob.core.windows.net, or a block with it."
        )
    if not url.startswith("https://") and not is_loopback(url):
        raise UserError(f"storage.account_url is {url}: use https, or whoever listens can read the signature.")
    return Place(url.rstrip("/"), container, prefix.strip("/"))


def _account_of(credentials: BlobCredentials) -> str | None:
    if isinstance(credentials, ConnectionString):
        return parse_connection_string(credentials.text)["BlobEndpoint"]
    return credentials.account_url if isinstance(credentials, Identity) else None
