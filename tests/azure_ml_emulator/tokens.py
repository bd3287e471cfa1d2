"""Bearer tokens: signed, with an end, and revocable."""

import secrets
import time
from dataclasses import dataclass, field

import jwt

from azure_ml_emulator.errors import ServiceError


@dataclass
class Tokens:
    """Issues the tokens of one emulator. The signing key lives in memory alone."""

    tenant: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """The service principal's."""
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _revoked: set[str] = field(default_factory=set)

    def issue(self, subject: str, audience: str, seconds: float) -> str:
        issued = int(time.time())
        claims = {
            "iss": f"https://sts.windows.net/{self.tenant}/",
            "aud": audience,
            "sub": subject,
            "oid": subject,
            "appid": subject,
            "tid": self.tenant,
            "iat": issued - 300,
            "nbf": issued - 300,
            "exp": issued + int(seconds),
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def check(self, header: str | None) -> str:
        """The token of an Authorization header. Raises 401 where it is missing, foreign, revoked or over."""
        scheme, _, token = (header or "").partition(" ")
        if scheme != "Bearer":
            raise ServiceError(401, "AuthenticationFailed", "The request has no bearer token.")
        if token in self._revoked:
            raise ServiceError(401, "ExpiredAuthenticationToken", "The access token was revoked.")
        try:
            jwt.decode(token, self._key, algorithms=["HS256"], options={"verify_aud": False})
        except jwt.ExpiredSignatureError:
            raise ServiceError(401, "ExpiredAuthenticationToken", "The access token has expired.") from None
        except jwt.InvalidTokenError:
            raise ServiceError(401, "InvalidAuthenticationToken", "The access token is invalid.") from None
        return token

    def revoke(self, header: str | None) -> None:
        """Accept the token of an Authorization header no more."""
        self._revoked.add((header or "").partition(" ")[2])
