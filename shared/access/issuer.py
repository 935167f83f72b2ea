"""The issuer of a local run, whose key `antt run` makes, so that `antt token` works without an identity provider.

Where ANTT_JWKS names a provider, nobody gives tokens but that.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import get_args
from uuid import UUID

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from shared import units
from shared.access.permissions import LEVELS, Scope, TokenRole
from shared.access.secrets import write_once
from shared.days import now
from shared.settings import Settings


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
