"""Others follow the registry as they follow incidents: `/changes` and webhooks, of the events that teams emits alone."""

import asyncio

from services.incidents import app as incidents
from services.teams import app as teams
from shared.service import work
from tests.conftest import COMMUNE, PROVINCE, Antt, eventually
from tests.receiver import receiving
from tests.teams import factories as registry

CHANGES, WEBHOOKS = "/teams/v1/changes", "/teams/v1/webhooks"
OTHER_COMMUNE = "2025:25747"


async def test_changes_of_the_registry_come_in_the_order_of_their_commits_to_whom_they_concern(antt: Antt) -> None:
    team = await registry.team(antt)
    member = await registry.member(antt, team)
    operator = antt.token("operator", PROVINCE)
    page = (await antt.get(CHANGES, operator)).json()
    assert [event["type"] for event in page["items"]] == ["TeamCreated", "MemberRecognised"]
    created, recognised = page["items"]
    assert (created["subject"], created["source"]) == (team, f"/antt/{PROVINCE}/teams")
    assert recognised["data"]["links"] == {"member_id": member, "team_id": team}
    # Who a person is stands in no event.
    assert "Trần" not in (await antt.get(CHANGES, operator)).text
    only = (await antt.get(CHANGES, operator, types="MemberRecognised")).json()
    assert [event["id"] for event in only["items"]] == [recognised["id"]]
    assert (await antt.get(CHANGES, antt.token("commune_officer", COMMUNE))).json()["items"] == page["items"]
    assert (await antt.get(CHANGES, antt.token("system", OTHER_COMMUNE))).json()["items"] == []


async def test_an_event_of_another_service_is_no_type_here(antt: Antt) -> None:
    operator = antt.token("operator", PROVINCE)
    assert (await antt.get(CHANGES, operator, types="TipReceived")).status_code == 422
    made = await antt.post(WEBHOOKS, {"url": "https://example.vn/", "types": ["TipReceived"]}, operator)
    assert made.status_code == 422
    document = (await antt.get("/teams/v1/openapi.json")).json()
    types = document["components"]["schemas"]["MakeWebhook"]["properties"]["types"]["items"]["enum"]
    assert "TeamCreated" in types
    assert "TipReceived" not in types


async def test_a_webhook_of_the_registry_gets_its_events_signed_and_in_order(antt: Antt) -> None:
    async with receiving() as receiver:
        made = await antt.post(WEBHOOKS, {"url": receiver.url}, antt.token("operator", PROVINCE))
        assert made.status_code == 201, made.text
        team = await registry.team(antt)
        await registry.member(antt, team)
        await eventually(lambda: len(receiver.deliveries) == 2)
        assert [each.event["type"] for each in receiver.deliveries] == ["TeamCreated", "MemberRecognised"]
        assert all(each.signed_by(made.json()["secret"]) for each in receiver.deliveries)
        standing = (await antt.get(f"{WEBHOOKS}/{made.json()['id']}", antt.token("operator", PROVINCE))).json()
        assert standing["delivery"]["dead_letters"] == 0
        assert standing["delivery"]["position"].startswith("teams:1:")


async def test_over_kafka_the_process_of_jobs_delivers_for_teams_too(antt_on_kafka: Antt) -> None:
    # What `antt work` does (deploy/cli.py).
    working = asyncio.create_task(work({"incidents": incidents.jobs(), "teams": teams.jobs()}))
    async with receiving() as receiver:
        made = await antt_on_kafka.post(WEBHOOKS, {"url": receiver.url}, antt_on_kafka.token("operator", PROVINCE))
        assert made.status_code == 201, made.text
        team = await registry.team(antt_on_kafka)
        await eventually(lambda: receiver.subjects == [team])
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
