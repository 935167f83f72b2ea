"""Whatever is done to cases and their links, in any order: the counters and the recount say what a model says."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from tests.conftest import COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import ACTIVITIES, CASES, a_case, a_duty, a_patrol, opened, run_in_any_order
from tests.incidents.test_any_order import difference, without_deadlines
from tests.incidents.test_recount import Cells, counted, recounted

UNITS = (COMMUNE, "2025:25747")
FOUND_ON = ("2025-11-02", "2025-11-03")
LATER = ("2025-11-03", "2025-11-04")
DECISION = {"number": "12/QĐ-XPVPHC", "signed_on": "2025-11-04", "signer": "Trần Thị B"}
FOUND_BY = {
    "tip": "cases_found_via_tips",
    "patrol": "cases_found_by_patrol",
    "activity": "cases_found_by_other_activities",
}
RESOLVED_BY = {"tip": "cases_resolved_via_tips", "patrol": "cases_resolved_by_patrol"}
PERSONS = {"reminder": "persons_reminded", "warning": "persons_warned", "fine": "persons_fined"}
SEIZED = {
    ("weapons", "piece"): "weapons_seized",
    ("firecrackers", "piece"): "firecrackers_seized",
    ("firecrackers", "gram"): "firecrackers_seized_grams",
    ("money", "dong"): "money_seized_dong",
}

Answer = TypeVar("Answer")
Amounts = tuple[tuple[str, int], ...]
measures = st.dictionaries(st.sampled_from([*PERSONS, "mediation"]), st.integers(0, 9), max_size=3)
things = st.dictionaries(st.sampled_from(sorted(SEIZED)), st.integers(1, 10**6), max_size=3)


class Case(NamedTuple):
    """What the model knows of a case."""

    unit: str
    found_on: str
    links: frozenset[str]
    state: str = "open"
    closed_on: str = ""
    handled: Amounts = ()
    handled_on: str = ""
    seized: Amounts = ()


def amounts_of(case: Case, kinds: dict[str, str]) -> Iterable[tuple[str, str, str, int]]:
    """The cells in which a case counts, and how much. `kinds`: the kind of each record that it may be linked to."""
    if case.state == "withdrawn":
        return
    through = {kinds[id] for id in case.links}
    yield case.unit, case.found_on, "cases_found", 1
    for kind in through:
        yield case.unit, case.found_on, FOUND_BY[kind], 1
    if case.state == "resolved":
        yield case.unit, case.closed_on, "cases_resolved", 1
        for kind in through & RESOLVED_BY.keys():
            yield case.unit, case.closed_on, RESOLVED_BY[kind], 1
    if case.state == "transferred":
        yield case.unit, case.closed_on, "cases_transferred", 1
    for measure, persons in case.handled:
        yield case.unit, case.handled_on, "persons_handled", persons
        if measure in PERSONS:
            yield case.unit, case.handled_on, PERSONS[measure], persons
        if measure == "fine":
            yield case.unit, case.handled_on, "fines_dong", persons * 500_000
    for indicator, quantity in case.seized:
        yield case.unit, case.found_on, indicator, quantity


class CasesInAnyOrder(RuleBasedStateMachine):
    """Clients that open cases, link and unlink them, close, withdraw, reopen and correct; each answer is predicted."""

    cases: Bundle[str] = Bundle("cases")

    def __init__(self, antt: Antt, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.antt, self.loop = antt, loop
        self.model: dict[str, Case] = {}
        self.kinds: dict[str, str] = {}
        self.position: str | None = None
        self.officer = antt.token("province_officer", PROVINCE)

    def run(self, answer: Coroutine[Any, Any, Answer]) -> Answer:
        return self.loop.run_until_complete(answer)

    @initialize()
    def begin(self) -> None:
        """Two records of each kind to link to; what earlier examples left behind is no part of this one."""
        tip = {"unit": COMMUNE, "content": "Đánh bạc", "received_at": "2025-10-01T00:00:00+07:00"}
        there = {"started_at": "2025-10-01T20:00:00+07:00", "ended_at": "2025-10-01T23:00:00+07:00"}
        for kind, path, body in (
            ("tip", "/incidents/v1/tips", tip),
            ("patrol", ACTIVITIES, a_patrol(**there)),
            ("activity", ACTIVITIES, a_duty(**there)),
        ):
            for _ in range(2):
                made = self.run(opened(self.antt, path, body, self.officer))
                self.kinds[made["id"]], self.position = kind, made["position"]
        self.linkable = sorted(self.kinds)
        _, self.recounted_before = self.run(recounted(self.antt))
        self.counted_before = self.counted()

    def step(self, id: str, command: str, body: dict[str, Any], after: Case | None) -> None:
        """Take a step that leads to `after`, or that is refused with 409 and changes nothing."""
        answer = self.run(self.antt.post(f"{CASES}/{id}/{command}", {"reason": "thử", **body}, self.officer))
        assert answer.status_code == (409 if after is None else 200), (answer.text, self.model[id])
        if after is not None:
            self.position = answer.headers["antt-position"]
            self.model[id] = after
            told = answer.json()
            assert {link["id"] for link in told["links"]} == after.links
            assert told["state"] == after.state

    @rule(
        target=cases,
        unit=st.sampled_from(UNITS),
        found_on=st.sampled_from(FOUND_ON),
        linked=st.sets(st.integers(0, 5), max_size=3),
        seized=things,
    )
    def open(self, unit: str, found_on: str, linked: set[int], seized: dict[tuple[str, str], int]) -> str:
        links = [self.linkable[index] for index in sorted(linked)]
        body = a_case(unit=unit, found_on=found_on, seized=told_seized(seized), links=[self.link(id) for id in links])
        case = self.run(opened(self.antt, CASES, body, self.officer))
        self.position = case["position"]
        self.model[case["id"]] = Case(unit, found_on, frozenset(links), seized=known_seized(seized))
        id: str = case["id"]
        return id

    def link(self, id: str) -> dict[str, str]:
        return {"kind": self.kinds[id], "id": id}

    @rule(id=cases, index=st.integers(0, 5))
    def link_it(self, id: str, index: int) -> None:
        case, linked = self.model[id], self.linkable[index]
        possible = case.state != "withdrawn" and linked not in case.links
        self.step(id, "link", self.link(linked), case._replace(links=case.links | {linked}) if possible else None)

    @rule(id=cases, index=st.integers(0, 5))
    def unlink_it(self, id: str, index: int) -> None:
        case, linked = self.model[id], self.linkable[index]
        possible = case.state != "withdrawn" and linked in case.links
        self.step(id, "unlink", self.link(linked), case._replace(links=case.links - {linked}) if possible else None)

    @rule(
        id=cases,
        command=st.sampled_from(["resolve", "transfer"]),
        day=st.sampled_from(LATER),
        handled=st.none() | measures,
    )
    def close(self, id: str, command: str, day: str, handled: dict[str, int] | None) -> None:
        case = self.model[id]
        body: dict[str, Any] = {"decision": DECISION}
        body |= {"resolved_on": day} if command == "resolve" else {"transferred_on": day, "transferred_to": "Tòa án"}
        after = case._replace(state={"resolve": "resolved", "transfer": "transferred"}[command], closed_on=day)
        if handled is not None:
            body["handled"] = told_handled(handled)
            after = after._replace(handled=tuple(handled.items()), handled_on=day)
        self.step(id, command, body, after if case.state == "open" else None)

    @rule(id=cases, command=st.sampled_from(["withdraw", "reopen"]))
    def go_back(self, id: str, command: str) -> None:
        case = self.model[id]
        possible = (case.state == "withdrawn") == (command == "reopen") or (command, case.state) in (
            ("reopen", "resolved"),
            ("reopen", "transferred"),
        )
        after = case._replace(state="open" if command == "reopen" else "withdrawn", closed_on="")
        self.step(id, command, {}, after if possible else None)

    @rule(
        id=cases,
        unit=st.sampled_from(UNITS),
        found_on=st.sampled_from(FOUND_ON),
        handled=measures,
        handled_on=st.sampled_from(LATER),
        seized=things,
    )
    def correct(
        self,
        id: str,
        unit: str,
        found_on: str,
        handled: dict[str, int],
        handled_on: str,
        seized: dict[tuple[str, str], int],
    ) -> None:
        case = self.model[id]
        body: dict[str, Any] = {"unit": unit, "found_on": found_on, "seized": told_seized(seized)}
        body |= {"handled": told_handled(handled), **({"handled_on": handled_on} if handled else {})}
        after = case._replace(unit=unit, found_on=found_on, seized=known_seized(seized))
        after = after._replace(handled=tuple(handled.items()), handled_on=handled_on)
        self.step(id, "correct", body, after if case.state != "withdrawn" else None)

    def counted(self) -> Cells:
        """The counters of both communes and of their province, on every day that a case may count on."""
        return self.run(counted(self.antt, self.position, (*UNITS, "2025:79"), {*FOUND_ON, *LATER}))

    def teardown(self) -> None:
        """The model, the recount and the counters agree on every cell."""
        if not hasattr(self, "counted_before"):
            return
        own: Cells = Counter()
        spread: Cells = Counter()
        for case in self.model.values():
            for unit, day, indicator, amount in amounts_of(case, self.kinds):
                own[unit, day, indicator] += amount
                for counted_in in (unit, "2025:79"):
                    spread[counted_in, day, indicator] += amount
        recounted_now = self.run(recounted(self.antt))[1]
        assert without_deadlines(difference(recounted_now, self.recounted_before)) == +own
        assert without_deadlines(difference(self.counted(), self.counted_before)) == +spread


def told_handled(handled: dict[str, int]) -> list[dict[str, Any]]:
    """What the model calls handled, as it is sent."""
    return [
        {"measure": measure, "persons": persons, **({"fines_dong": persons * 500_000} if measure == "fine" else {})}
        for measure, persons in handled.items()
    ]


def told_seized(seized: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    """What the model calls seized, as it is sent: each quantity in two parts where it has two."""
    return [
        {"kind": kind, "quantity": part, "unit": unit}
        for (kind, unit), quantity in seized.items()
        for part in (quantity // 2, quantity - quantity // 2)
        if part
    ]


def known_seized(seized: dict[tuple[str, str], int]) -> Amounts:
    """What was seized, by indicator."""
    return tuple((SEIZED[key], quantity) for key, quantity in seized.items())


def test_whatever_is_done_to_cases_the_counters_and_the_recount_say_what_the_model_says(
    antt: Antt, loop: asyncio.AbstractEventLoop
) -> None:
    run_in_any_order(partial(CasesInAnyOrder, antt, loop), 12, 30)
