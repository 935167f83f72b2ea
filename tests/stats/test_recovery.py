"""antt recover: a database restored to an earlier time, what stops, and how the figures come to be those of the tables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import asyncpg
import pytest

from deploy.recovery import NothingAhead, NothingRestored, recover, redate
from services.stats.proof.rebuild import rebuild
from services.stats.proof.verify import NotTheSameOutbox, verify
from shared.days import now, today
from shared.errors import ClocksDiffer
from shared.log import Mark, SourceWentBack
from shared.log.kafka import KafkaLog, last_record, relay_for_ever
from shared.settings import Service, Settings, settings
from tests.clock import at
from tests.conftest import COMMUNE, INCIDENTS, PROVINCE, Antt, eventually
from tests.stats.writing import report, sql


class Backups:
    """Copies of databases, put back in their place while everything runs."""

    def __init__(self, databases: dict[str, str], admin: asyncpg.Connection) -> None:
        self._names = {service: url.split("/")[3].split("?")[0] for service, url in databases.items()}
        self._admin = admin
        self.made: list[str] = []

    async def take(self, service: Service) -> str:
        """Copy the database as it is; connections to it are cut meanwhile."""
        name, backup = self._names[service], f"{self._names[service]}_{len(self.made)}"
        await self._admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await self._cut(name)
        await self._admin.execute(f"CREATE DATABASE {backup} TEMPLATE {name} STRATEGY FILE_COPY")
        await self._admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        self.made.append(backup)
        return backup

    async def restore(self, service: Service, backup: str) -> None:
        """Put the copy in the place of the database."""
        name = self._names[service]
        await self._admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {backup} STRATEGY FILE_COPY")

    async def _cut(self, name: str) -> None:
        await self._admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)

    async def remove(self) -> None:
        """Forget the copies."""
        for backup in self.made:
            await self._admin.execute(f"DROP DATABASE {backup} WITH (FORCE)")


@pytest.fixture
async def backups(databases: dict[str, str]) -> AsyncIterator[Backups]:
    """Copies of this test's databases."""
    name = databases["stats"].split("/")[3].split("?")[0]
    admin = await asyncpg.connect(databases["stats"].replace(name, "postgres"))
    made = Backups(databases, admin)
    yield made
    await made.remove()
    await admin.close()


async def report_again(antt: Antt, times: int) -> str:
    """Report tips to a service that may just be finding its database again."""

    async def once() -> str | None:
        answer = await antt.post("/incidents/v1/tips", {"unit": COMMUNE, "content": "Gây rối"})
        return answer.headers["antt-position"] if answer.status_code == 201 else None

    return [str(await eventually(once)) for _ in range(times)][-1]


async def topic_has(settings: Settings, position: str) -> bool:
    last = await last_record(settings, INCIDENTS)
    return last is not None and position == f"incidents:{last.generation}:{last.seq}"


async def counting_is_down(antt: Antt, reason: str) -> bool:
    return reason in (await antt.http.get("/stats/health/status")).json()["down"].get("counting", "")


@pytest.mark.parametrize("new_tips", [2, 6])
async def test_after_a_restoration_recover_and_rebuild_give_the_figures_of_the_tables(
    antt: Antt, backups: Backups, new_tips: int
) -> None:
    await antt.counters(await report(antt, 3))
    backup = await backups.take("incidents")
    assert (await antt.counters(await report_again(antt, 4)))["tips_received"] == 7
    await backups.restore("incidents", backup)
    # The outbox is shorter than what was counted, or longer with other events in the same places.
    await report_again(antt, new_tips)
    await eventually(lambda: counting_is_down(antt, "SourceWentBack"))
    with pytest.raises(SourceWentBack):
        await rebuild(settings())
    recovered = await recover(settings(), "incidents")
    assert (recovered.generation, recovered.after_seq, recovered.ahead) == (2, 3, {"stats": (1, 7)})
    await eventually(lambda: counting_is_down(antt, "CountedBeyondRecovery"))
    assert (await antt.counters())["tips_received"] == 7
    with pytest.raises(NothingRestored):
        await recover(settings(), "incidents")
    comparison = (await rebuild(settings())).comparison
    assert {(d.indicator, d.was, d.now) for d in comparison.differences} == {
        ("tips_received", 7, 3 + new_tips),
        ("tips_from_citizens", 7, 3 + new_tips),
    }
    position = await report_again(antt, 1)
    assert position == f"incidents:2:{3 + new_tips + 1}"
    assert (await antt.counters(position))["tips_received"] == 3 + new_tips + 1
    assert (await verify(settings(), antt.http)).right


async def test_over_kafka_the_relay_stops_and_tells_the_new_generation_after_the_recovery(
    antt_on_kafka: Antt, backups: Backups
) -> None:
    antt = antt_on_kafka
    await antt.counters(await report(antt, 3))
    backup = await backups.take("incidents")
    assert (await antt.counters(await report_again(antt, 4)))["tips_received"] == 7
    await backups.restore("incidents", backup)
    await report_again(antt, 6)
    with pytest.raises(SourceWentBack):
        await relay_for_ever(settings(), INCIDENTS)
    recovered = await recover(settings(), "incidents")
    assert (recovered.generation, recovered.after_seq) == (2, 3)
    assert recovered.ahead == {"stats": (1, 7), "kafka": (1, 7)}
    relay = asyncio.create_task(relay_for_ever(settings(), INCIDENTS))
    position = await report_again(antt, 1)
    await eventually(lambda: topic_has(settings(), position))
    rebuilt = await rebuild(settings())
    assert rebuilt.comparison.differing > 0
    assert (await antt.counters(position))["tips_received"] == 10
    assert (await verify(settings(), antt.http)).right
    # A later rebuild passes over what was lost, too.
    again = await rebuild(settings())
    assert (again.events, again.comparison.differing) == (10, 0)
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)


async def test_over_kafka_a_recovery_is_told_although_nothing_new_happens_at_the_source(
    antt_on_kafka: Antt, backups: Backups
) -> None:
    antt = antt_on_kafka
    await antt.counters(await report(antt, 3))
    backup = await backups.take("incidents")
    assert (await antt.counters(await report_again(antt, 4)))["tips_received"] == 7
    await backups.restore("incidents", backup)
    await eventually(lambda: answers(antt))
    with pytest.raises(SourceWentBack):
        await relay_for_ever(settings(), INCIDENTS)
    await recover(settings(), "incidents")
    relay = asyncio.create_task(relay_for_ever(settings(), INCIDENTS))
    differences = (await rebuild(settings())).comparison.differences
    assert {(d.indicator, d.was, d.now) for d in differences} == {
        ("tips_received", 7, 3),
        ("tips_from_citizens", 7, 3),
    }
    # What was taken back lies in the topic still; who goes on from there passes over it before it has heard of anything.
    [at] = await sql(
        "stats",
        """SELECT p.generation, p.seq, p.event_id, p.recorded_at, p.offset FROM positions p
        JOIN counter_sets s ON s.id = p.set_id WHERE s.serving AND p.source = 'incidents'""",
    )
    async with aclosing(KafkaLog(settings()).follow(INCIDENTS, Mark(**at), 100)) as batches:
        async for batch in batches:
            assert batch.records == []
            if batch.watermark is not None:
                break
    assert (await rebuild(settings())).comparison.differing == 0
    assert (await verify(settings(), antt.http)).right
    assert (await antt.counters())["tips_received"] == 3

    async def heard_again() -> bool:
        return "log" not in (await antt.get("/stats/health/status")).json()["down"]

    await eventually(heard_again)
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)


async def clock_jumps(ahead: timedelta) -> None:
    """The clock of the database's machine ran so far ahead while something was told, and was set right again."""
    await sql(
        "incidents",
        "SELECT setval('outbox_clock', (extract(epoch FROM now() + $1::interval) * 1000000)::bigint)",
        ahead,
    )


async def test_what_was_told_while_a_clock_ran_ahead_is_told_anew_as_of_now(antt: Antt) -> None:
    await antt.counters(await report(antt, 2))
    before = await sql("incidents", "SELECT id, recorded_at FROM outbox ORDER BY seq")
    await clock_jumps(timedelta(days=40))
    assert (await antt.counters(await report(antt, 3)))["tips_received"] == 5
    known_today = {"known_at": today().isoformat()}
    assert (await antt.counters(**known_today))["tips_received"] == 2
    dated = await redate(settings(), "incidents")
    assert (dated.generation, dated.after_seq, dated.ahead) == (2, 2, {"stats": (1, 5)})
    with pytest.raises(NothingAhead):
        await redate(settings(), "incidents")
    await eventually(lambda: counting_is_down(antt, "CountedBeyondRecovery"))
    # Nothing changes but the day on which it is known.
    found = (await rebuild(settings())).comparison.differences
    assert {(d.indicator, d.recorded_on, d.was, d.now) for d in found if d.indicator == "tips_received"} == {
        ("tips_received", today(), 2, 5),
        ("tips_received", today() + timedelta(days=40), 3, 0),
    }
    assert (await antt.counters(**known_today))["tips_received"] == 5
    position = await report_again(antt, 1)
    assert position == "incidents:2:6"
    assert (await antt.counters(position, **known_today))["tips_received"] == 6
    assert (await verify(settings(), antt.http)).right
    after = await sql("incidents", "SELECT id, recorded_at FROM outbox ORDER BY seq")
    assert after[:2] == before
    assert [row["recorded_at"] for row in after] == sorted(row["recorded_at"] for row in after)
    assert after[-1]["recorded_at"] <= now()
    with pytest.raises(asyncpg.RaiseError):
        await sql("incidents", "UPDATE outbox SET recorded_at = now()")


@pytest.mark.parametrize("ahead", [timedelta(minutes=20), timedelta(days=40)])
async def test_over_kafka_what_was_told_ahead_of_time_is_told_anew(antt_on_kafka: Antt, ahead: timedelta) -> None:
    antt = antt_on_kafka
    relay = asyncio.create_task(relay_for_ever(settings(), INCIDENTS))
    await antt.counters(await report(antt, 2))
    await clock_jumps(ahead)
    last = await report(antt, 3)
    if ahead < timedelta(hours=1):
        assert (await antt.counters(last))["tips_received"] == 5
        assert (await redate(settings(), "incidents")).ahead == {"stats": (1, 5), "kafka": (1, 5)}
        await eventually(lambda: topic_has(settings(), "incidents:2:5"))
        assert (await rebuild(settings())).events == 5
    else:
        # A broker takes nothing that is dated more than an hour ahead: it was never told, and now it is.
        assert (await redate(settings(), "incidents")).ahead == {}
        assert (await antt.counters("incidents:2:5"))["tips_received"] == 5
    known_today = {"known_at": today().isoformat()}
    assert (await antt.counters(await report_again(antt, 1), **known_today))["tips_received"] == 6
    assert (await verify(settings(), antt.http)).right
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)


async def test_where_no_clock_ran_ahead_nothing_is_dated_anew(antt: Antt) -> None:
    await report(antt, 1)
    before = await sql("incidents", "SELECT * FROM outbox")
    with pytest.raises(NothingAhead):
        await redate(settings(), "incidents")
    await clock_jumps(timedelta(days=40))
    await report(antt, 1)
    with at(now() + timedelta(minutes=1)), pytest.raises(ClocksDiffer):
        await redate(settings(), "incidents")
    assert (await sql("incidents", "SELECT * FROM outbox ORDER BY seq LIMIT 1")) == before


@pytest.mark.parametrize("new_tips", [0, 4, 6])
async def test_verify_compares_no_figures_with_tables_that_lack_what_was_counted(
    antt_on_kafka: Antt, backups: Backups, monkeypatch: pytest.MonkeyPatch, new_tips: int
) -> None:
    antt = antt_on_kafka
    monkeypatch.setattr("services.stats.proof.verify._PATIENCE_SECONDS", 1)
    await antt.counters(await report(antt, 3))
    backup = await backups.take("incidents")
    await antt.counters(await report_again(antt, 4))
    await backups.restore("incidents", backup)
    await eventually(lambda: answers(antt))
    if new_tips:
        # As many as were lost, or more: the positions alone would say that nothing is wrong.
        await report_again(antt, new_tips)
    with pytest.raises(NotTheSameOutbox):
        await verify(settings(), antt.http)
    await recover(settings(), "incidents")
    with pytest.raises(NotTheSameOutbox):
        await verify(settings(), antt.http)


async def answers(antt: Antt) -> bool:
    return (await antt.get("/incidents/v1/recount", antt.token("operator", PROVINCE))).status_code == 200


async def test_where_nothing_was_restored_recover_refuses_unless_forced(antt: Antt) -> None:
    await antt.counters(await report(antt, 2))
    with pytest.raises(NothingRestored):
        await recover(settings(), "incidents")
    with pytest.raises(NothingRestored):
        await recover(settings(), "teams")
    forced = await recover(settings(), "incidents", force=True)
    assert (forced.generation, forced.after_seq, forced.ahead) == (2, 2, {})
    # Nothing was lost, so nobody has to begin again.
    await sql(
        "incidents",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    position = await report_again(antt, 1)
    assert position == "incidents:2:3"
    assert (await antt.counters(position))["tips_received"] == 3
    assert (await rebuild(settings())).comparison.differing == 0


async def test_a_backup_older_than_an_earlier_recovery_opens_a_generation_that_nobody_has_seen(
    antt: Antt, backups: Backups
) -> None:
    await antt.counters(await report(antt, 2))
    backup = await backups.take("incidents")
    for generation, tips in ((2, 3), (3, 4)):
        await antt.counters(await report_again(antt, 3))
        await backups.restore("incidents", backup)
        await report_again(antt, tips)
        assert (await recover(settings(), "incidents")).generation == generation
        await rebuild(settings())
        position = await report_again(antt, 1)
        assert position.startswith(f"incidents:{generation}:")
        assert (await antt.counters(position))["tips_received"] == 2 + tips + 1
        assert (await verify(settings(), antt.http)).right


async def test_a_service_that_follows_a_recovered_one_learns_again_what_stands(antt: Antt, backups: Backups) -> None:
    await enter_team(antt, "Tổ 1")
    backup = await backups.take("teams")
    await enter_team(antt, "Tổ 2")
    await antt.counters(await enter_team(antt, "Tổ 3"))
    await eventually(lambda: sql("incidents", "SELECT seq FROM followed WHERE seq = 3"))
    await backups.restore("teams", backup)
    await enter_team(antt, "Tổ 4")
    assert (await recover(settings(), "teams")).ahead.keys() == {"stats", "incidents"}
    await enter_team(antt, "Tổ 5")
    (newest,) = await sql("teams", "SELECT id FROM teams WHERE name = 'Tổ 5'")
    known = "SELECT id FROM known_teams WHERE id = $1"
    await eventually(lambda: sql("incidents", known, newest["id"]))
    await rebuild(settings())
    assert (await verify(settings(), antt.http)).right


async def enter_team(antt: Antt, name: str) -> str:
    decision = {"number": "12/QĐ-UBND", "signed_on": "2025-10-01", "signer": "Chủ tịch UBND"}
    team = {"unit": COMMUNE, "name": name, "from_on": "2025-10-01", "decision": decision}

    async def once() -> str | None:
        answer = await antt.post("/teams/v1/teams", team, antt.token("operator", PROVINCE))
        return answer.headers["antt-position"] if answer.status_code == 201 else None

    return str(await eventually(once))
