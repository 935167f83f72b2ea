"""Who calls and what they may do: bearer JWTs checked against a JWKS, and one table of roles and reach.

An embedded issuer, whose key `antt run` makes, lets `antt token` work without an identity
provider; ANTT_JWKS replaces it by any OpenID Connect provider's keys. An identity carries the
role, the unit, for a leader the team and for another system its scopes; nothing else of a token is used.
"""

import asyncio
import math
import time
import warnings
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args
from uuid import UUID

import httpx
import msgspec
import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeySet, RSAKey
from joserfc.jwt import JWTClaimsRegistry

from shared import units
from shared.days import now
from shared.errors import Forbidden, ForeignArea, Problem, Unauthenticated, UnknownUnit
from shared.jurisdiction import area as area_of
from shared.jurisdiction import lineage
from shared.secrets import write_once
from shared.settings import Settings

log = structlog.get_logger()

TokenRole = Literal["operator", "province_officer", "commune_officer", "team_leader", "system"]
Scope = Literal["report", "records", "registry", "figures"]
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

# Of which level the unit is in whose name a role acts. Another system is of any.
LEVELS: dict[str, units.Level] = {
    "operator": "province", "province_officer": "province", "commune_officer": "commune", "team_leader": "commune",
}  # fmt: skip

ALL, AREA, TEAM = "every unit served", "the units of the caller's area", "the caller's own team"

# Who may do what, and how far that reaches. "anyone" is a request without a token; "system:report" is another
# system whose token has the scope "report" (hands in and passes on), "system:records" (reads what is on record and
# follows it), "system:registry" (keeps teams, members and training), "system:figures" (reads figures: a dashboard).
MAY: dict[str, dict[str, str]] = {
    "report_tip": {
        "anyone": ALL, "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:report": AREA,
        "operator": AREA,
    },
    "date_tip": {"commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA},
    "pass_on_tip": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA,
    },
    "handle_tip": {"commune_officer": AREA, "province_officer": AREA, "operator": AREA},
    "read_tips": {"commune_officer": AREA, "province_officer": AREA, "operator": AREA, "team_leader": TEAM},
    "check_duplicates": {"commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA},
    "see_informant": {"commune_officer": AREA, "province_officer": AREA},
    "audit_looks": {"province_officer": AREA, "operator": AREA},
    "handle_case": {"commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA},
    "enter_activity": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA,
    },
    "confirm_activity": {"commune_officer": AREA, "province_officer": AREA, "operator": AREA},
    "read_records": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:records": AREA, "operator": AREA,
    },
    "read_changes": {"commune_officer": AREA, "province_officer": AREA, "system:records": AREA, "operator": AREA},
    "keep_webhooks": {"system:records": AREA, "operator": AREA},
    "read_registry": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:registry": AREA, "operator": AREA,
    },
    "keep_registry": {"commune_officer": AREA, "province_officer": AREA, "system:registry": AREA, "operator": AREA},
    "read_counters": {
        "team_leader": AREA, "commune_officer": AREA, "province_officer": AREA, "system:figures": AREA, "operator": AREA,
    },
    "load_places": {"province_officer": AREA, "operator": AREA},
    # Each row of an import is decided as a single request of the same caller.
    "import_records": {
        "team_leader": TEAM, "commune_officer": AREA, "province_officer": AREA, "system:report": AREA, "operator": AREA,
    },
    "handle_imports": {"province_officer": AREA, "operator": AREA},
    "recount": {"system:figures": AREA, "operator": AREA},
}  # fmt: skip


class Identity(NamedTuple):
    """The caller of one request."""

    role: str = "anyone"
    subject: str = "anyone"
    unit: str = ""
    team: str = ""
    scopes: frozenset[str] = frozenset()
    # Until when the token holds, in seconds since 1970, the leeway included.
    holds_until: float = math.inf

    def extent(self, action: str) -> str | None:
        """How far the caller may do this: ALL, AREA or TEAM; None when not at all."""
        if self.role != "system":
            return MAY[action].get(self.role)
        return next((MAY[action][f"system:{scope}"] for scope in self.scopes if f"system:{scope}" in MAY[action]), None)

    def may(self, action: str) -> bool:
        """Whether the caller may do this at all, wherever."""
        return self.extent(action) is not None

    def require(self, action: str, unit: str, team: str | None = None) -> None:
        """Raise unless the caller may do `action` on a record of `unit` (and of `team`, for its leader).

        Without a token that is 401, with the wrong role 403 `forbidden`, elsewhere 403 `foreign-area`.
        """
        reach = self.extent(action)
        if reach is None:
            raise Unauthenticated() if self.role == "anyone" else Forbidden(action=action)
        if reach == AREA and unit not in area_of(self.unit):
            raise ForeignArea(unit=unit)
        if reach == TEAM and (team is None or str(team) != self.team):
            raise ForeignArea(unit=unit)

    def require_role(self, action: str) -> None:
        """Raise as `require` does unless the role may do this somewhere; for what comes before a record is known."""
        if not self.may(action):
            raise Unauthenticated() if self.role == "anyone" else Forbidden(action=action)

    def reach(self, action: str, unit: str | None) -> tuple[UUID | None, list[str] | None]:
        """What a list is narrowed to: the team, for its leader, and the units, `unit` and below where one is named.

        Raises as `require` does, and UnknownUnit for a unit that is none.
        """
        self.require_role(action)
        if unit is not None and units.get(unit) is None:
            raise UnknownUnit(unit=unit)
        below = area_of(unit) if unit is not None else None
        if self.extent(action) == TEAM:
            return UUID(self.team), sorted(below) if below is not None else None
        area = area_of(self.unit) if below is None else area_of(self.unit) & below
        if not area:
            raise ForeignArea(unit=unit)
        return None, sorted(area)


ANYONE = Identity()


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
    # What cannot be printed can neither be stored (NUL) nor told from something else.
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


def make_issuer(settings: Settings) -> None:
    """Make the embedded issuer's keys at the first start of a local run; `antt run` alone does so."""
    private, public = settings.keys / "issuer.json", settings.keys / "jwks.json"
    if not private.exists():
        key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
        write_once(private, msgspec.json.encode(key.as_dict(private=True)))
    if not public.exists():
        key = ECKey.import_key(msgspec.json.decode(private.read_bytes()))
        write_once(public, msgspec.json.encode({"keys": [key.as_dict(private=False)]}))


class NoIssuer(ValueError):
    """Here nobody gives tokens but the provider that the settings name."""


def issue_token(
    settings: Settings,
    role: TokenRole,
    unit: str,
    team: str = "",
    valid: timedelta = timedelta(days=30),
    scopes: Collection[str] = (),
) -> str:
    """A token of the embedded issuer for this role and unit, for a leader the team, for another system its scopes.

    Raises ValueError.
    """
    if role not in get_args(TokenRole):
        raise ValueError(f"unknown role {role}")
    known = units.get(unit)
    if known is None:
        raise ValueError(f"unknown unit {unit}")
    if LEVELS.get(role, known.level) != known.level:
        raise ValueError(f"a token of {role} names a {LEVELS[role]}, and {unit} is a {known.level}")
    if role == "team_leader":
        if not team:
            raise ValueError("a team leader's token names the team")
        UUID(team)
    if unknown := set(scopes).difference(get_args(Scope)):
        raise ValueError(f"unknown scope {', '.join(sorted(unknown))}")
    if scopes and role != "system":
        raise ValueError("only another system's token has scopes")
    if settings.jwks or not settings.local:
        raise NoIssuer("tokens come from the provider of ANTT_JWKS: only a local run has an issuer of its own")
    if not (settings.keys / "issuer.json").exists():
        raise NoIssuer(f"{settings.data} has no issuer yet: `antt run` makes it at its first start")
    key = ECKey.import_key(msgspec.json.decode((settings.keys / "issuer.json").read_bytes()))
    issued = int(now().timestamp())
    claims = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": f"{role}:{team or unit}",
        "iat": issued,
        "exp": issued + int(valid.total_seconds()),
        "role": role,
        "unit": unit,
        "team": team,
        "scope": " ".join(scopes),
    }
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)
