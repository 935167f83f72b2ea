"""Whom a token names and what it opens: its claims fit each other, and another system may do what its scopes say."""

import json
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from shared.access.issuer import issue_token
from shared.access.permissions import Scope
from shared.access.tokens import LEEWAY_SECONDS, Tokens
from shared.days import now
from shared.errors import Unauthenticated
from shared.settings import settings
from tests.clock import at
from tests.conftest import COMMUNE, PROVINCE, Antt, eventually
from tests.incidents.conftest import a_case, a_patrol, a_team, kind_of

OTHER_COMMUNE = "2025:26785"
TIP = {"unit": COMMUNE, "content": "x"}
MEMBERS, CHANGES = f"/teams/v1/members?unit={COMMUNE}", "/incidents/v1/changes"
FIGURES = f"/stats/v1/counters?unit={COMMUNE}&from=2025-11-02&to=2025-11-03"

# What each scope opens, as requests: GET without a body, POST with one.
OPENS: dict[str, list[tuple[str, Any]]] = {
    "report": [
        ("/incidents/v1/tips", TIP),
        ("/incidents/v1/cases", a_case()),
        ("/incidents/v1/activities", a_patrol()),
        ("/incidents/v1/tips/duplicates/check", TIP),
    ],
    "records": [("/incidents/v1/cases", None), ("/incidents/v1/activities", None), (CHANGES, None)],
    "registry": [
        (MEMBERS, None),
        ("/teams/v1/teams", None),
        (
            "/teams/v1/teams",
            {
                "unit": COMMUNE,
                "name": "Tổ 1",
                "from_on": "2025-11-01",
                "decision": {"number": "1", "signed_on": "2025-10-28", "signer": "A"},
            },
        ),
    ],
    "figures": [(FIGURES, None), (f"/stats/v1/breakdown?unit={PROVINCE}&from=2024-07-01&to=2024-09-30", None)],
}


@pytest.mark.parametrize("scope", ["", *get_args(Scope)])
async def test_another_system_may_do_what_its_scopes_say_and_without_one_nothing(antt: Antt, scope: str) -> None:
    system = antt.token("system", PROVINCE, scopes=[scope] if scope else [])
    for opened_by, requests in OPENS.items():
        for path, body in requests:
            answer = await (antt.http.get(path, headers=system) if body is None else antt.post(path, body, system))
            if opened_by == scope:
                assert answer.status_code in (200, 201), (path, answer.text)
            else:
                assert kind_of(answer) == (403, "forbidden"), path


async def test_several_scopes_open_what_each_of_them_opens(antt: Antt) -> None:
    system = antt.token("system", PROVINCE, scopes=["report", "figures"])
    assert (await antt.http.get(FIGURES, headers=system)).status_code == 200
    assert (await antt.post("/incidents/v1/tips", TIP, system)).status_code == 201
    assert kind_of(await antt.get(CHANGES, system)) == (403, "forbidden")


async def test_a_system_without_a_scope_does_not_even_what_anyone_may(antt: Antt) -> None:
    nothing = antt.token("system", PROVINCE, scopes=[])
    public = "/stats/v1/counters?unit=2025:79&from=2024-07-01&to=2024-07-31"
    assert kind_of(await antt.http.get(public, headers=nothing)) == (403, "forbidden")
    assert kind_of(await antt.post("/incidents/v1/tips", TIP, nothing)) == (403, "forbidden")


@pytest.mark.parametrize("service", ["teams", "incidents"])
async def test_only_who_oversees_the_province_has_it_counted_anew(antt: Antt, service: str) -> None:
    path = f"/{service}/v1/recount"
    for role, unit, status in (
        ("operator", PROVINCE, 200),
        ("operator", "2025:79", 200),
        ("system", PROVINCE, 200),
        ("operator", "2024:96", 403),
        ("system", "2024:96", 403),
        ("system", COMMUNE, 403),
        ("province_officer", PROVINCE, 403),
        ("commune_officer", COMMUNE, 403),
    ):
        answer = await antt.get(path, antt.token(role, unit))  # type: ignore[arg-type]
        assert answer.status_code == status, (role, unit)


async def test_a_leader_does_not_act_in_the_name_of_another_unit_than_the_teams(antt: Antt) -> None:
    team = await a_team(antt)

    async def known() -> bool:
        return (
            await antt.get("/incidents/v1/activities", antt.token("team_leader", OTHER_COMMUNE, team))
        ).status_code == 403

    await eventually(known)
    for path in ("/incidents/v1/tips", "/incidents/v1/activities", "/teams/v1/members", f"/teams/v1/teams/{team}"):
        foreign = await antt.get(path, antt.token("team_leader", OTHER_COMMUNE, team))
        assert kind_of(foreign) == (403, "foreign-area"), path
        assert (await antt.get(path, antt.token("team_leader", COMMUNE, team))).status_code == 200, path


def test_no_token_is_issued_whose_role_does_not_fit_its_unit(data: Path) -> None:
    for role, unit in (("commune_officer", PROVINCE), ("operator", COMMUNE), ("province_officer", "2024:718")):
        with pytest.raises(ValueError, match="names a"):
            issue_token(settings(), role, unit)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="scope"):
        issue_token(settings(), "operator", PROVINCE, scopes=["report"])


@pytest.fixture
def signed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tokens]:
    """What checks tokens against this key's public half."""

    def tokens(key: Any) -> Tokens:
        (tmp_path / "jwks.json").write_text(json.dumps(KeySet([key]).as_dict(private=False)))
        return Tokens(settings().model_copy(update={"jwks": str(tmp_path / "jwks.json")}))

    return tokens


def bearer(key: Any, alg: str, **others: Any) -> str:
    """A token that is right but for what is told."""
    claims = {
        "iss": settings().issuer,
        "aud": settings().audience,
        "sub": "an officer",
        "exp": int(now().timestamp()) + 600,
        "role": "commune_officer",
        "unit": COMMUNE,
    }
    from joserfc.jws import JWSRegistry

    header = {"alg": alg, "kid": key.kid, "typ": others.pop("typ", "JWT")}
    return f"Bearer {jwt.encode(header, claims | others, key, registry=JWSRegistry(algorithms=[alg]))}"


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
async def test_a_token_signed_with_an_edwards_curve_is_taken_by_either_name(
    data: Path, signed_by: Callable[..., Tokens], alg: str
) -> None:
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = bearer(key, alg)
    assert (await signed_by(key).identity(token)).subject == "an officer"


@pytest.mark.parametrize(("bits", "taken"), [(1024, False), (2048, True)])
async def test_a_key_of_rsa_under_2048_bits_signs_nothing(
    data: Path, signed_by: Callable[..., Tokens], bits: int, taken: bool
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        key = RSAKey.generate_key(bits, auto_kid=True)
        token, tokens = bearer(key, "RS256"), signed_by(key)
        if taken:
            assert (await tokens.identity(token)).unit == COMMUNE
        else:
            with pytest.raises(Unauthenticated):
                await tokens.identity(token)


async def test_a_providers_clock_may_be_a_minute_ahead_or_behind(data: Path) -> None:
    key = ECKey.import_key(json.loads((settings().keys / "issuer.json").read_text()))
    right_now = int(now().timestamp())
    tokens = Tokens(settings())
    for late, taken in ((LEEWAY_SECONDS - 20, True), (LEEWAY_SECONDS + 20, False)):
        for claims in ({"nbf": right_now + late}, {"iat": right_now + late}, {"exp": right_now - late}):
            if taken:
                assert (await tokens.identity(bearer(key, "ES256", **claims))).unit == COMMUNE
            else:
                with pytest.raises(Unauthenticated):
                    await tokens.identity(bearer(key, "ES256", **claims))


async def test_a_token_checked_before_ends_as_one_checked_anew(data: Path) -> None:
    tokens, instant = Tokens(settings()), now()
    with at(instant) as clock:
        short = f"Bearer {issue_token(settings(), 'commune_officer', COMMUNE, valid=timedelta(seconds=10))}"
        await tokens.identity(short)
        clock.instant = instant + timedelta(seconds=10 + LEEWAY_SECONDS - 2)
        await tokens.identity(short)
        clock.instant = instant + timedelta(seconds=10 + LEEWAY_SECONDS + 2)
        with pytest.raises(Unauthenticated):
            await tokens.identity(short)


async def test_a_token_with_varied_blanks_is_one_token(data: Path) -> None:
    tokens = Tokens(settings())
    token = issue_token(settings(), "commune_officer", COMMUNE)
    for blanks in range(50):
        assert (await tokens.identity(f"bearer {' ' * blanks}{token}{' ' * blanks}")).unit == COMMUNE
    assert len(tokens._checked) == 1


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "application/at+jwt"])
async def test_an_access_token_may_say_so(data: Path, typ: str) -> None:
    key = ECKey.import_key(json.loads((settings().keys / "issuer.json").read_text()))
    assert (await Tokens(settings()).identity(bearer(key, "ES256", typ=typ))).unit == COMMUNE


async def test_scopes_of_other_services_are_none_of_ours(data: Path) -> None:
    key = ECKey.import_key(json.loads((settings().keys / "issuer.json").read_text()))
    token = bearer(key, "ES256", role="system", scope="openid figures profile")
    assert (await Tokens(settings()).identity(token)).scopes == {"figures"}
    assert (await Tokens(settings()).identity(bearer(key, "ES256", scope="figures"))).scopes == frozenset()


async def test_a_leaders_team_is_named_in_one_way(data: Path) -> None:
    key, team = ECKey.import_key(json.loads((settings().keys / "issuer.json").read_text())), uuid4()
    token = bearer(key, "ES256", role="team_leader", team=str(team).upper())
    assert (await Tokens(settings()).identity(token)).team == str(team)
