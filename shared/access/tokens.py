"""Bearer tokens: JWTs that are checked against the keys (JWKS) of an OpenID Connect provider or of the local issuer.

An identity carries the role, the unit, for a leader the team and for another system its scopes; nothing else of a token
is used.
"""

import asyncio
import time
import warnings
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, get_args
from uuid import UUID

import httpx
import msgspec
import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet, RSAKey
from joserfc.jwt import JWTClaimsRegistry

from shared import units
from shared.access.identity import ANYONE, Identity
from shared.access.permissions import LEVELS, Scope, TokenRole
from shared.days import now
from shared.errors import ForeignArea, Problem, Unauthenticated
from shared.jurisdiction import lineage
from shared.settings import Settings

log = structlog.get_logger()

ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "EdDSA", "Ed25519"]
# What a token may say of its own type: nothing, RFC 7519's or RFC 9068's. One for another purpose is none for us.
_TYPES = {"", "jwt", "application/jwt", "at+jwt", "application/at+jwt"}
# The clocks of a provider and of this service may differ by so much.
LEEWAY_SECONDS = 60
MOST_OF_A_TOKEN = 8_192
_MOST_OF_A_SUBJECT = 255
_RSA_BITS = 2_048
# A leader's team may be placed anew; so long may an answer still be given by where it was.
_TEAM_HOLDS_SECONDS = 60


class Claims(msgspec.Struct):
    """The claims that are used of a token."""

    sub: str
    exp: int
    role: TokenRole
    unit: str
    team: str = ""
    # Separated by spaces, as in OAuth 2; those of other services are none of ours.
    scope: str = ""


class KeysUnavailable(Problem):
    """Nobody can be known before the provider of the keys has answered once."""

    status, name = 503, "keys-unavailable"
    vi, en = (
        "Chưa lấy được khóa để kiểm tra mã truy cập; hãy thử lại sau ít giây.",
        "The keys that tokens are checked against could not be read; try again in a few seconds.",
    )
    headers = {"Retry-After": "2"}  # noqa: RUF012


# Where a service knows teams: the unit of one, None for one that it does not know.
UnitOfTeam = Callable[[UUID], Awaitable[str | None]]


def _identity(typ: object, claims: Claims) -> Identity | None:
    """Whom a signed token names; None for one of another purpose or whose claims do not fit each other."""
    if not isinstance(typ, str) or typ.lower() not in _TYPES:
        return None
    # What cannot be printed can neither be stored (NUL) nor distinguished from something else.
    if not (0 < len(claims.sub) <= _MOST_OF_A_SUBJECT and claims.sub.strip() and claims.sub.isprintable()):
        return None
    unit = units.get(claims.unit)
    if unit is None or LEVELS.get(claims.role, unit.level) != unit.level:
        return None
    team = ""
    if claims.role == "team_leader":
        try:
            team = str(UUID(claims.team))
        except ValueError:
            return None
    named = frozenset(claims.scope.split()) if claims.role == "system" else frozenset()
    return Identity(claims.role, claims.sub, claims.unit, team, named.intersection(get_args(Scope)))


class Tokens:
    """Checks tokens against the JWKS of a file or a URL, and remembers those it has checked until they expire."""

    def __init__(self, settings: Settings, unit_of_team: UnitOfTeam | None = None) -> None:
        self._settings = settings
        self._unit_of_team = unit_of_team
        self._claims = JWTClaimsRegistry(
            now=lambda: int(now().timestamp()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
        )
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._checked: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    async def identity(self, authorization: str | None) -> Identity:
        """The caller named by an Authorization header; ANYONE without one, Unauthenticated for a bad one.

        ForeignArea for a leader whose team is another unit's.
        """
        if authorization is None:
            return ANYONE
        if len(authorization) > MOST_OF_A_TOKEN:
            raise Unauthenticated()
        scheme, _, named = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated()
        # Blanks around it make no other token of it, nor another entry.
        token = named.strip()
        known = self._checked.get(token)
        if known is not None and known[0] > now().timestamp():
            return known[1]
        identity = await self._check(token)
        holds_until = identity.holds_until
        if identity.role == "team_leader" and self._unit_of_team is not None:
            unit = await self._unit_of_team(UUID(identity.team))
            if unit is None:
                # Where nothing is known of the team, there is nothing of it either.
                return identity
            if identity.unit not in lineage(unit):
                raise ForeignArea(unit=identity.unit)
            holds_until = min(holds_until, now().timestamp() + _TEAM_HOLDS_SECONDS)
        self._checked[token] = (holds_until, identity)
        if len(self._checked) > 10_000:
            self._checked.popitem(last=False)
        return identity

    async def _check(self, token: str) -> Identity:
        for fresh in (False, True):
            keys = await self._load_keys(fresh)
            try:
                with warnings.catch_warnings():
                    # Providers go on saying EdDSA where RFC 9864 now has Ed25519.
                    warnings.simplefilter("ignore", SecurityWarning)
                    decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
                self._claims.validate(decoded.claims)
                claims = msgspec.convert(decoded.claims, Claims, strict=False)
            except (JoseError, ValueError):  # msgspec.ValidationError is a ValueError
                continue
            if (identity := _identity(decoded.header.get("typ", ""), claims)) is None:
                break
            return identity._replace(holds_until=claims.exp + float(LEEWAY_SECONDS))
        raise Unauthenticated()

    async def _load_keys(self, fresh: bool) -> KeySet:
        """The JWKS, read once; again only when a token fails and the last reading is half a minute old.

        While the provider is gone its last keys go on holding. KeysUnavailable before it has ever answered.
        """
        if self._keys is not None and not fresh:
            return self._keys
        async with self._fetching:
            if time.monotonic() - self._fetched_at > (1 if self._keys is None else 30):
                try:
                    self._keys = _strong(KeySet.import_key_set(msgspec.json.decode(await self._read_keys())))
                except (httpx.HTTPError, OSError, JoseError, ValueError, KeyError, TypeError) as error:
                    log.warning("keys could not be read", source=self._settings.jwks, reason=type(error).__name__)
                self._fetched_at = time.monotonic()
        if self._keys is None:
            raise KeysUnavailable()
        return self._keys

    async def _read_keys(self) -> bytes:
        source = self._settings.jwks
        if source.startswith(("http://", "https://")):
            async with httpx.AsyncClient(timeout=5) as client:
                return (await client.get(source)).raise_for_status().content
        return Path(source or self._settings.keys / "jwks.json").read_bytes()  # noqa: ASYNC240 (a small local file, once)


def _strong(keys: KeySet) -> KeySet:
    """The keys without those of RSA that are too short to be trusted (RFC 7518, 3.3)."""
    return KeySet([key for key in keys.keys if not (isinstance(key, RSAKey) and key.public_key.key_size < _RSA_BITS)])


async def caller_of(
    request: Request, _documented: Annotated[object, Depends(HTTPBearer(auto_error=False))]
) -> Identity:
    tokens: Tokens = request.app.state.service.tokens
    return await tokens.identity(request.headers.get("authorization"))


# The seam of access: every command and every read that needs a caller takes this one parameter.
Caller = Annotated[Identity, Depends(caller_of)]
