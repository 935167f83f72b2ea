"""Whatever happens to a tip, in any order and at any pace: its deadlines hold what they promise, and events count as the table does."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import asyncpg
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from uuid_utils.compat import uuid7

from services.incidents.deadlines import commands
from services.incidents.deadlines.models import Deadline
from services.incidents.deadlines.schemas import ExtendDeadline, MarkComplex, MeetDeadline
from services.incidents.recount import RECOUNT
from services.incidents.tips.models import Tip
from services.incidents.tips.workflow import OPEN, STEPS
from services.stats.counting import lanes_of, measure
from services.stats.indicators import INDICATORS
from shared import events
from shared.access import Identity
from shared.database import Database
from shared.days import day_of, now
from shared.decisions import Decision
from shared.errors import Problem
from shared.outbox import UnitOfWork
from shared.outbox.rows import changed, new_row, table_of, table_of_row, values_of
from shared.outbox.statements import arrays, insert_statement
from tests.clock import Clock, at
from tests.conftest import COMMUNE, PROVINCE
from tests.incidents.conftest import run_in_any_order

ELSEWHERE = "2025:25747"
PROVINCE_OFFICER = Identity("province_officer", "officer", PROVINCE)
CLASSES = ["crime_report", "denunciation_of_crime", "complaint_denunciation", "feedback", "duplicate"]
PACES = [timedelta(minutes=1), timedelta(hours=7), timedelta(hours=13), timedelta(days=3), timedelta(days=16)]
Cells = Counter[tuple[str, str, str]]


class Work(UnitOfWork):
    """A unit of work whose tables are lists, and that commits at once."""

    def __init__(self, machine: "AnyOrder") -> None:
        super().__init__(cast(Database, SimpleNamespace(fetch=self.fetch, fetchrow=self.fetchrow)))
        self.machine = machine

    async def fetch(self, sql: str, *_: Any) -> list[dict[str, Any]]:
        return [values_of(row) for row in self.machine.deadlines.values()]

    async def fetchrow(self, sql: str, tip_id: UUID, name: str) -> dict[str, Any] | None:
        named = [row for row in self.machine.deadlines.values() if row.name == name]
        newest = max(named, key=lambda row: row.round, default=None)
        return values_of(newest) if newest else None

    async def look_up(self, model: Any, id: UUID) -> Any:
        return self.machine.tip if model is Tip else self.machine.deadlines[id]

    def commit(self) -> None:
        """Take over what is new and what has changed."""
        for row in self.added_of(Deadline):
            self.machine.deadlines[row.id] = row
        for row in self.changed:
            if table_of_row(row) is table_of(Deadline):
                assert self.machine.deadlines[row.id].version == row.version - 1
                self.machine.deadlines[row.id] = row

    def emit(self, type: str, subject: UUID, before: Any, after: Any, *_: Any, **__: Any) -> None:  # type: ignore[override]
        self.machine.told.append((type, subject, before, after))


class AnyOrder(RuleBasedStateMachine):
    """One tip and the clock."""

    database_url: str
    clock: Clock

    @initialize(days_ago=st.integers(0, 40), crime=st.sampled_from(CLASSES))
    def report(self, days_ago: int, crime: str) -> None:
        self.clock.instant = datetime(2026, 2, 10, 3, tzinfo=UTC)
        self.deadlines: dict[UUID, Deadline] = {}
        self.told: list[tuple[str, UUID, events.Deadline | None, events.Deadline]] = []
        received_at = self.clock.instant - timedelta(days=days_ago)
        self.tip: Tip = new_row(
            Tip, id=uuid7(), unit=COMMUNE, handled_by=COMMUNE, state="received", content="Mất xe máy", channel="web",
            named=False, supplied_by="citizen", received_at=received_at, received_on=day_of(received_at),
            receipt_hash=b"", recorded_by="anyone",
        )  # fmt: skip
        work = Work(self)
        commands.on_received(work, self.tip)
        work.commit()

    @rule(pace=st.sampled_from(PACES))
    def time_passes(self, pace: timedelta) -> None:
        self.clock.instant += pace

    @rule()
    def the_job_looks(self) -> None:
        work = Work(self)
        passed = [
            r for r in self.deadlines.values() if r.to_do and r.state == "running" and r.due_at < self.clock.instant
        ]
        for row in sorted(passed, key=lambda row: row.due_at):
            missed = work.change(row)
            missed.state = "missed"
            commands._emit(work, "DeadlineMissed", row, commands.fact(row), commands.fact(missed))
        work.commit()

    @rule(
        command=st.sampled_from(sorted(STEPS)),
        classified_as=st.sampled_from(CLASSES),
        receiver=st.sampled_from(["Cơ quan Cảnh sát điều tra", ELSEWHERE]),
        earlier=st.sampled_from([timedelta(0), *PACES]),
        unit=st.sampled_from([COMMUNE, ELSEWHERE]),
    )
    def step(self, command: str, classified_as: str, receiver: str, earlier: timedelta, unit: str) -> None:
        step = STEPS[command]
        at_commune = self.tip.state == "forwarded" and self.tip.forwarded_to == ELSEWHERE
        refused = {"acknowledge": at_commune or self.tip.outcome, "notify": at_commune, "take_over": not at_commune}
        if self.tip.state not in step.of or refused.get(command):
            return
        values: dict[str, Any] = {"state": step.to or self.tip.state}
        if command == "classify":
            values["classified_as"] = classified_as
        elif command == "forward":
            values["forwarded_to"] = receiver
        elif command in ("take_over", "send_back"):
            values |= {"forwarded_to": None} | ({"handled_by": ELSEWHERE} if command == "take_over" else {})
        elif command in ("resolve", "reject", "reopen"):
            values["outcome"] = step.to if step.to in ("resolved", "rejected") else None
        elif command == "correct":
            received_at = self.tip.received_at + (
                earlier if self.tip.received_at + earlier < self.clock.instant else -earlier
            )
            values |= {"unit": unit, "handled_by": unit, "received_at": received_at, "received_on": day_of(received_at)}
        before, self.tip = self.tip, changed(self.tip, values)
        if command in ("withdraw", "merge"):
            self.stood = self.deadlines_but_for_versions()
        done_on = day_of(self.clock.instant - earlier) if command == "acknowledge" else None
        work = Work(self)
        asyncio.run(commands.on_step(work, before, self.tip, command, done_on))
        work.commit()
        if before.state in ("withdrawn", "merged"):
            # It has the deadlines that it had, but for those whose end has passed.
            for row in self.stood.values():
                if row.state == "running" and row.due_at < self.clock.instant:
                    row.state = "missed"
            assert self.deadlines_but_for_versions() == self.stood

    def deadlines_but_for_versions(self) -> dict[UUID, Deadline]:
        """Copies of all deadlines."""
        return {id: changed(row, {"version": 0}) for id, row in self.deadlines.items()}

    @precondition(lambda self: self.tip.state in OPEN)
    @rule(name=st.sampled_from(["decision", "report_to_investigators", "classification"]), what=st.sampled_from("cem"))
    def decide(self, name: str, what: str) -> None:
        decision = Decision(number="1", signed_on=day_of(self.clock.instant), signer="B")
        try:
            if what == "c":
                given: Any = MarkComplex(reason="x")
                call: Any = commands.mark_complex
            elif what == "e":
                given = ExtendDeadline(reason="x", requested_on=day_of(self.clock.instant), decision=decision)
                call = commands.extend_deadline
            else:
                given, call = MeetDeadline(reason="x", met_at=self.clock.instant), commands.meet_deadline
            work = Work(self)
            asyncio.run(call(work, PROVINCE_OFFICER, self.tip.id, name, given))
            work.commit()
        except Problem:
            pass

    @invariant()
    def each_deadline_is_what_it_says(self) -> None:
        if not hasattr(self, "tip"):
            return
        is_open, stands = self.tip.state in OPEN, self.tip.state not in ("withdrawn", "merged")
        at_agency = self.tip.state == "notified" and self.tip.outcome is None
        to_do = [row.name for row in self.deadlines.values() if row.to_do]
        assert len(to_do) == len(set(to_do))
        for row in self.deadlines.values():
            state = row.state
            may_be_met = is_open or (at_agency and row.name == "file_transfer")
            assert row.to_do == (may_be_met and state in ("running", "missed")), row
            assert stands or state == "void", row
            assert (state in ("met", "late")) <= (row.met_at is not None)
            if state in ("met", "late"):
                assert row.met_at is not None
                assert (state == "met") == (row.met_at <= row.due_at)
            if state == "missed":
                assert row.due_at < self.clock.instant
            assert row.due_at > row.starts_at

    def teardown(self) -> None:
        """What the events tell adds up to what the table holds, and a deadline that is late was missed before."""
        if not hasattr(self, "tip"):
            return
        counted: Cells = Counter()
        known: dict[UUID, events.Deadline] = {}
        for type, subject, before, after in self.told:
            if subject in known:
                # Between two events nothing has happened that counts.
                assert cells(before) == cells(known[subject])
            else:
                assert not cells(before)
            if after.state == "late" and type == "DeadlineMet":
                assert before is not None
                assert before.state == "missed"
            known[subject] = after
            counted.update(cells(after))
            counted.subtract(cells(before))
        assert {cell: n for cell, n in counted.items() if n} == asyncio.run(self.recount())

    async def recount(self) -> dict[tuple[str, str, str], int]:
        """The deadlines in PostgreSQL, counted by the statements of the recount."""
        connection = await asyncpg.connect(self.database_url)
        table = table_of(Deadline)
        await connection.execute("CREATE TEMPORARY TABLE deadlines (LIKE public.deadlines)")
        await connection.execute(insert_statement(table), *arrays(table, [*self.deadlines.values()]))
        found = {}
        for indicator in OF_DEADLINES:
            for unit, day, count in await connection.fetch(RECOUNT[indicator]):
                found[unit, day.isoformat(), indicator] = count
        await connection.close()
        return found


OF_DEADLINES = [indicator.name for indicator in INDICATORS if indicator.of is events.Deadline]


def cells(fact: events.Deadline | None) -> Cells:
    """What a fact counts, by the counters' own measure."""
    found: Cells = Counter()
    for day, vector in measure(fact).items():
        assert fact is not None
        for indicator, count in zip(INDICATORS, lanes_of(vector, len(INDICATORS)), strict=True):
            if count:
                found[fact.unit, day.isoformat(), indicator.name] += count
    return found


def test_whatever_happens_events_and_table_say_the_same(
    databases: dict[str, str],
) -> None:
    AnyOrder.database_url = databases["incidents"]
    with at(now()) as AnyOrder.clock:
        run_in_any_order(AnyOrder, 120, 25)
