"""Faults of single requests: a full queue, a writer that hangs, a bad row, a client that goes away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from services.incidents.tips.commands import report_tip
from services.incidents.tips.schemas import ReportTip
from shared.access import ANYONE
from shared.database import Database
from shared.errors import Conflict, DatabaseUnavailable
from shared.http import position_text
from shared.outbox import Position, UnitOfWork, Writer
from tests.conftest import COMMUNE, Antt, called, eventually, lifespan
from tests.faults.conftest import Installation

TIPS = "/incidents/v1/tips"
OUTBOX_LOCK = 7302


@pytest.fixture
def queue_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three requests may wait for the writer."""
    monkeypatch.setenv("ANTT_INTAKE_QUEUE", "3")


@pytest.fixture
def short_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction is ended after three seconds."""
    monkeypatch.setenv("ANTT_TRANSACTION_SECONDS", "3")


@asynccontextmanager
async def outbox_held(databases: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """Nobody can append to the outbox of incidents meanwhile."""
    connection = await asyncpg.connect(databases["incidents"])
    await connection.execute("SELECT pg_advisory_lock($1)", OUTBOX_LOCK)
    try:
        yield connection
    finally:
        await connection.close()


async def writers_waiting(connection: asyncpg.Connection, number: int = 1) -> None:
    """Wait until so many writers wait for the outbox."""

    async def waiting() -> bool:
        found: int = await connection.fetchval(
            """SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
            WHERE datname = current_database() AND objid = $1 AND NOT granted""",
            OUTBOX_LOCK,
        )
        return found == number

    await eventually(waiting)


def report(antt: Antt, content: str = "Mất xe máy", key: str = "") -> asyncio.Task[httpx.Response]:
    """A tip on its way."""
    return asyncio.create_task(
        antt.post(TIPS, {"unit": COMMUNE, "content": content}, Idempotency_Key=key or str(uuid4()))
    )


async def counted(antt: Antt, position: str) -> int:
    """How many tips are counted at a position."""
    return (await antt.counters(position, from_="2025-07-01", to="2999-12-31"))["tips_received"]


async def test_a_full_queue_names_the_time_to_come_again_and_loses_nothing(
    queue_of_three: None, antt: Antt, databases: dict[str, str]
) -> None:
    async with outbox_held(databases) as held:
        # Two batches are on their way, and three works may wait behind them.
        first = report(antt)
        await writers_waiting(held)
        second = report(antt)
        await writers_waiting(held, 2)
        tips = [report(antt) for _ in range(8)]
        await eventually(lambda: sum(tip.done() for tip in tips) == 5)
        refused = [tip for tip in tips if tip.done()]
    assert {(tip.result().status_code, tip.result().headers["retry-after"]) for tip in refused} == {(503, "2")}
    accepted = [await tip for tip in (first, second, *tips) if tip not in refused]
    assert [answer.status_code for answer in accepted] == [201] * 5
    again = await report(antt)
    assert await counted(antt, again.headers["antt-position"]) == 6


async def test_a_writer_that_hangs_is_ended_and_its_requests_may_come_again(
    short_transactions: None, antt: Antt, databases: dict[str, str]
) -> None:
    keys = [str(uuid4()) for _ in range(3)]
    async with outbox_held(databases), asyncio.timeout(20):
        answers = await asyncio.gather(*(report(antt, key=key) for key in keys))
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "2")}
    answers = await asyncio.gather(*(report(antt, key=key) for key in keys))
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert await counted(antt, max(answer.headers["antt-position"] for answer in answers)) == 3


async def test_who_waits_for_a_row_of_another_does_not_hold_the_outbox_meanwhile(
    antt: Antt, databases: dict[str, str]
) -> None:
    other = await asyncpg.connect(databases["incidents"])
    await report(antt, "Mất chó")
    await other.execute("CREATE UNIQUE INDEX ON tips (content)")
    async with other.transaction():
        await other.execute("UPDATE tips SET content = 'Gây rối'")
        waits = report(antt, "Gây rối")
        await eventually(
            lambda: other.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
        )
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1"
        assert await other.fetchval(held, OUTBOX_LOCK) == 0
        await other.execute("UPDATE tips SET content = 'Mất chó'")
    assert (await waits).status_code == 201
    await other.close()


async def test_the_coming_months_are_made_while_a_backup_reads_the_outbox(
    antt: Antt, databases: dict[str, str]
) -> None:
    backup, house = [await asyncpg.connect(databases["incidents"]) for _ in range(2)]
    async with backup.transaction():
        await backup.fetch("SELECT * FROM outbox")
        await house.execute("SET lock_timeout = '5s'")
        await house.execute("SELECT outbox_make_partitions(30)")
        assert (await report(antt)).status_code == 201
    months = await house.fetch("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'outbox'::regclass")
    assert len(months) == 31
    # A month that was attached takes events as the others do.
    await house.execute(
        "SELECT setval('outbox_clock', (extract(epoch FROM now() + interval '20 months') * 1000000)::bigint)"
    )
    assert (await report(antt)).status_code == 201
    assert await house.fetchval("SELECT count(DISTINCT tableoid) FROM outbox") == 2
    for connection in (backup, house):
        await connection.close()


async def test_one_bad_row_never_fails_its_neighbours(antt: Antt, databases: dict[str, str]) -> None:
    database = Database(databases["incidents"], 1, 10)
    await database.open()
    async with database.connection() as connection:
        await connection.execute("CREATE UNIQUE INDEX ON tips (content)")
    first, second, bad, last = await _committed_together(database, ["một", "hai", "một", "ba"])
    await database.close()
    assert isinstance(bad, Conflict)
    assert [first, second] == [Position(1, first.seq), Position(1, first.seq + 1)]
    assert await counted(antt, position_text("incidents", last)) == 3


async def test_a_batch_that_ends_in_a_deadlock_is_written_work_by_work(antt: Antt, databases: dict[str, str]) -> None:
    database = Database(databases["incidents"], 1, 10)
    await database.open()
    async with database.connection() as connection:
        # As if another process's batch held the second row and waited for the first.
        await connection.execute("""
            CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF (SELECT count(*) FROM written) > 1 THEN RAISE deadlock_detected; END IF;
                RETURN NULL;
            END $$;
            CREATE TRIGGER deadlock AFTER INSERT ON tips REFERENCING NEW TABLE AS written
                FOR EACH STATEMENT EXECUTE FUNCTION deadlock();""")
    *_, last = await _committed_together(database, ["một", "hai"])
    await database.close()
    assert await counted(antt, position_text("incidents", last)) == 2


async def test_what_was_answered_when_the_writer_ended_is_not_committed_by_the_next(
    antt: Antt, databases: dict[str, str]
) -> None:
    async with outbox_held(databases) as held:
        database = Database(databases["incidents"], 4, 30)
        await database.open()
        writer = Writer(database, 100, 1)
        running = asyncio.create_task(writer.run())
        commits = []
        for content in ("under way", "under way too", "waits", "waits too"):
            work = UnitOfWork(database)
            await report_tip(work, ANYONE, ReportTip(unit=COMMUNE, content=content))
            commits.append(asyncio.ensure_future(writer.commit(work)))
        await writers_waiting(held, 2)
        running.cancel()
        answers = await asyncio.gather(*commits, return_exceptions=True)
        assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 4
    again = asyncio.create_task(writer.run())
    last = UnitOfWork(database)
    await report_tip(last, ANYONE, ReportTip(unit=COMMUNE, content="comes later"))
    await writer.commit(last)
    again.cancel()
    await asyncio.gather(running, again, return_exceptions=True)
    kept = {row["content"] for row in await database.fetch("SELECT content FROM tips")}
    await database.close()
    # What was with the database may stand.
    assert kept - {"under way", "under way too"} == {"comes later"}


async def _committed_together(database: Database, contents: list[str]) -> list[Any]:
    """What a writer answers to tips that it takes all at once: positions, and what went wrong."""
    writer = Writer(database, 100, 100)
    commits = []
    for content in contents:
        work = UnitOfWork(database)
        await report_tip(work, ANYONE, ReportTip(unit=COMMUNE, content=content))
        commits.append(asyncio.ensure_future(writer.commit(work)))
    # They queue before it, so that it takes all of them at once.
    running = asyncio.create_task(writer.run())
    answers = await asyncio.gather(*commits, return_exceptions=True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return answers


@pytest.fixture
async def other_process(antt: Antt) -> AsyncIterator[Antt]:
    """One more process of the same services, on the same databases."""
    from deploy.embedded import create_app

    app = create_app()
    async with lifespan(app), called(app) as other:
        yield other


async def test_a_key_sent_to_two_processes_at_once_is_written_once(
    antt: Antt, other_process: Antt, databases: dict[str, str]
) -> None:
    key = str(uuid4())
    async with outbox_held(databases) as held:
        tips = [report(process, key=key) for process in (antt, other_process)]
        await writers_waiting(held, 2)
    first, second = sorted([await tip for tip in tips], key=lambda answer: answer.status_code)
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.headers["retry-after"] == "1"
    again = await report(other_process, key=key)
    assert again.json() == first.json()
    assert await counted(antt, again.headers["antt-position"]) == 1


@pytest.mark.parametrize("key", ["", "7d1e"])
async def test_a_reference_sent_to_two_processes_at_once_is_one_tip_and_both_are_told_which(
    antt: Antt, other_process: Antt, databases: dict[str, str], key: str
) -> None:
    tip = {"unit": COMMUNE, "content": "Mất xe máy", "reference": "CSDL-1"}
    system, headers = antt.token("system"), {"Idempotency_Key": key} if key else {}
    async with outbox_held(databases) as held:
        first = asyncio.create_task(antt.post(TIPS, tip, system, **headers))
        await writers_waiting(held)
        # It waits for the row that the first has written and not committed.
        second = asyncio.create_task(other_process.post(TIPS, tip, system, **headers))
        await eventually(
            lambda: held.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
        )
    assert (await first).status_code == 201
    answer = await second
    if key:
        assert (answer.status_code, answer.json()) == (201, (await first).json())
    else:
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:antt:problem:reference-known")
        assert answer.json()["id"] == (await first).json()["id"]


async def test_a_client_that_goes_away_in_the_middle_of_its_body_changes_nothing(
    embedded: Installation,
) -> None:
    await embedded.ready()
    reader, writer = await asyncio.open_connection("localhost", embedded.ports["incidents"])
    # What has come is a whole tip by chance; more was announced.
    tip = b'{"unit": "%s", "content": "half"}' % COMMUNE.encode()
    head = b"POST %s HTTP/1.1\r\nHost: antt\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % (TIPS.encode(), len(tip) + 100) + tip)
    await writer.drain()
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    async with httpx.AsyncClient(base_url=embedded.url("incidents")) as http:
        await embedded.report_tip(http)
    await embedded.require_each_counted_once()
