"""Whatever is done to tips, cases and activities, in any order: the counters and the recount say what a model says."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from services.stats.indicators import INDICATORS
from shared import events
from shared.days import today
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import ACTIVITIES, CASES, TOLD, a_team, run_in_any_order, told
from tests.incidents.test_recount import Cells, counted, recounted

TIPS = "/incidents/v1/tips"
# In which units a fact of each unit is counted, told here once more.
COUNTED_IN = {
    COMMUNE: (COMMUNE, "2025:79"),
    "2025:25747": ("2025:25747", "2025:79"),
    OLD_COMMUNE: (OLD_COMMUNE, "2024:724", PROVINCE, COMMUNE, "2025:79"),
    PROVINCE: (PROVINCE, "2025:79"),
}
LAST_DAY_OF_2024S_UNITS = "2025-06-30"
PLACES = [
    (COMMUNE, "2025-11-02"),
    (COMMUNE, "2025-07-01"),
    ("2025:25747", "2025-11-02"),
    (OLD_COMMUNE, "2025-06-30"),
    (PROVINCE, "2025-06-30"),
]
TEAM_PLACES = [place for place in PLACES if place[0] in (COMMUNE, OLD_COMMUNE)]
DAYS = sorted({day for _, day in PLACES})
NUMBERS = st.integers(1, 100_000)
TIP_NEXT = {
    ("received", "report"): "reported",
    ("reported", "classify"): "classified",
    ("classified", "classify"): "classified",
    ("classified", "verify"): "verifying",
    ("verifying", "classify"): "classified",
    ("reported", "forward"): "forwarded",
    ("classified", "forward"): "forwarded",
    ("verifying", "forward"): "forwarded",
    ("classified", "resolve"): "resolved",
    ("verifying", "resolve"): "resolved",
    ("forwarded", "resolve"): "resolved",
    ("reported", "reject"): "rejected",
    ("classified", "reject"): "rejected",
    ("verifying", "reject"): "rejected",
    ("merged", "split"): "reported",
    **{(state, "withdraw"): "withdrawn" for state in ("received", "reported", "classified", "verifying", "forwarded")},
    **{(state, "reopen"): "verifying" for state in ("resolved", "rejected", "withdrawn")},
}
TIP_COMMANDS = sorted({command for _, command in TIP_NEXT})
ACTIVITY_NEXT = {
    ("entered", "confirm"): "confirmed",
    ("entered", "return"): "returned",
    ("confirmed", "return"): "returned",
}

Answer = TypeVar("Answer")


class Record(NamedTuple):
    """What the model knows of a tip, a case or an activity."""

    unit: str
    on: str
    state: str
    kind: str
    closed_on: str | None = None
    merged_into: str | None = None
    # Of an activity: what it counts once it is confirmed, and the day on which a team entered it.
    counts: tuple[tuple[str, int], ...] = ()
    entered_on: str | None = None
    # Of a case: whether it was opened for a tip of the force.
    by_force: bool = False


def cells_of(record: Record) -> Iterable[tuple[str, str, str]]:
    """The cells in which a tip or a case counts one."""
    found, closed = (record.unit, record.on), (record.unit, record.closed_on or "")
    match record.kind, record.state:
        case ("citizen" | "force") as supplier, state if state not in ("withdrawn", "merged"):
            yield (*found, "tips_received")
            yield (*found, {"citizen": "tips_from_citizens", "force": "tips_from_force"}[supplier])
            if state in ("resolved", "rejected"):
                yield (*closed, f"tips_{state}")
        case ("tip" | "patrol" | "other") as through, state:
            yield (*found, "cases_found")
            if through != "other":
                yield (*found, {"tip": "cases_found_via_tips", "patrol": "cases_found_by_patrol"}[through])
            if state == "resolved":
                yield (*closed, "cases_resolved")
                if through != "other":
                    yield (*closed, {"tip": "cases_resolved_via_tips", "patrol": "cases_resolved_by_patrol"}[through])
                if record.by_force:
                    yield (*closed, "cases_resolved_via_force_tips")


def counts_of(record: Record) -> Cells:
    """What a record counts in each cell of its own unit."""
    counts: Cells = Counter(() if record.counts else cells_of(record))
    if record.state == "confirmed":
        counts.update({(record.unit, record.on, indicator): count for indicator, count in record.counts})
    if record.entered_on:
        counts[record.unit, record.entered_on, "team_entries"] += 1
        if record.state == "confirmed":
            counts[record.unit, record.entered_on, "team_entries_confirmed"] += 1
            counts[record.unit, record.entered_on, "team_entries_confirmed_in_time"] += 1
    return counts


def an_entry(kind: str, place: tuple[str, str], number: int) -> tuple[dict[str, Any], tuple[tuple[str, int], ...]]:
    """An activity of a kind with one quantity or the form another than usual, and what it counts."""
    entry, counts = {**told(kind), **at(place), "members": number % 9}, dict(TOLD[kind][1])
    match kind:
        case "patrol":
            entry["form"] = ("alone", "joint")[number % 2]
            entry["found_cases"] = counts["cases_told_by_patrols"] = number % 1000
            counts["patrols_joint"] = number % 2
        case "traffic_control" | "administrative_support":
            entry["turns"] = counts[f"{kind}_turns"] = number
        case "outreach" if number % 2:
            entry |= {"form": "individual", "sessions": 0, "attendances": 0, "person_turns": number}
            counts = {"individual_outreach": number, "leaflets": entry["leaflets"]}
        case "outreach":
            entry["attendances"] = counts["outreach_attendance"] = number
        case "counselling":
            entry["persons"] = counts["persons_counselled"] = number
        case "fire_rescue" if number % 2:
            entry["form"] = "rescue"
            counts = {"rescues": 1, "persons_rescued": entry["persons_rescued"]}
        case "surrender":
            one, *others = entry["items"]
            entry["items"] = [{**one, "quantity": number}, *others]
            counts["firecrackers_recovered"] = number
        case "mobilisation":
            entry["sent_to"] = "2024:00001" if place[0].startswith("2024") else "2025:00004"
    counts["member_turns"] = number % 9
    return entry, tuple(counts.items())


class TipsInAnyOrder(RuleBasedStateMachine):
    """Clients that report, step, merge, split, correct and write to tips; each answer is predicted too."""

    tips: Bundle[str] = Bundle("tips")

    def __init__(self, antt: Antt, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.antt, self.loop = antt, loop
        self.model: dict[str, Record] = {}
        self.receipts: dict[str, str] = {}
        self.position: str | None = None
        self.today = today().isoformat()
        self.officer = antt.token("province_officer", PROVINCE)

    @initialize()
    def begin(self) -> None:
        """A team enters the registry; what earlier examples left behind is no part of this one."""
        self.team = self.run(a_team(self.antt))
        self.leader = self.antt.token("team_leader", COMMUNE, self.team)
        _, self.recounted_before = self.run(recounted(self.antt))
        self.counted_before = self.counted()

    def run(self, answer: Coroutine[Any, Any, Answer]) -> Answer:
        return self.loop.run_until_complete(answer)

    def post(self, path: str, body: dict[str, Any], caller: dict[str, str] | None = None) -> httpx.Response:
        answer = self.run(self.antt.post(path, body, caller or self.officer))
        self.position = answer.headers.get("antt-position", self.position)
        return answer

    def create(self, path: str, body: dict[str, Any], record: Record, caller: dict[str, str] | None = None) -> str:
        answer = self.post(path, body, caller)
        assert answer.status_code == 201, answer.text
        id: str = answer.json()["id"]
        self.model[id] = record
        self.receipts[id] = answer.json().get("receipt")
        return id

    def step(self, path: str, id: str, body: dict[str, Any], after: Record | None, refused: int = 409) -> None:
        """Take a step that leads to `after`, or that is refused and changes nothing."""
        answer = self.post(f"{path.format(id)}", {"reason": "thử", **body})
        assert answer.status_code == (refused if after is None else 200), (answer.text, self.model[id])
        if after is not None:
            self.model[id] = after

    @rule(target=tips, place=st.sampled_from(PLACES), of_team=st.booleans())
    def report_tip(self, place: tuple[str, str], of_team: bool) -> str:
        supplier = {"team_id": self.team} if of_team and place in TEAM_PLACES else {"channel": "hotline"}
        tip = {"unit": place[0], "content": "Đánh bạc", "received_at": f"{place[1]}T12:00:00+07:00", **supplier}
        return self.create(TIPS, tip, Record(*place, "received", "force" if "team_id" in supplier else "citizen"))

    @rule(id=tips, command=st.sampled_from(TIP_COMMANDS))
    def step_tip(self, id: str, command: str) -> None:
        tip = self.model[id]
        state = TIP_NEXT.get((tip.state, command))
        if command == "withdraw" and id in {other.merged_into for other in self.model.values()}:
            state = None
        closed_on = self.today if state in ("resolved", "rejected", "withdrawn") else tip.closed_on
        closed_on = None if command in ("reopen", "split") else closed_on
        after = state and tip._replace(state=state, closed_on=closed_on, merged_into=None)
        body = {"classified_as": "crime_report"} if command == "classify" else {}
        self.step(f"{TIPS}/{{}}/{command}", id, body, after or None)

    @rule(id=tips, end=st.sampled_from(["reject", "withdraw"]))
    def end_at_once(self, id: str, end: str) -> None:
        """Two steps in one, or few tips would come to an end."""
        for command in ("report", end):
            self.step_tip(id, command)

    @rule(id=tips, place=st.sampled_from(PLACES))
    def correct_tip(self, id: str, place: tuple[str, str]) -> None:
        tip = self.model[id]
        after = None if tip.state in ("withdrawn", "merged") else tip._replace(unit=place[0], on=place[1])
        body = {"unit": place[0], "received_at": f"{place[1]}T23:59:59+07:00"}
        self.step(f"{TIPS}/{{}}/correct", id, body, after)

    @rule(id=tips, into=tips)
    def merge_tip(self, id: str, into: str) -> None:
        tip, other = self.model[id], self.model[into]
        may = tip.state in ("received", "reported", "classified", "verifying")
        merges = may and into != id and other.state not in ("merged", "withdrawn")
        after = tip._replace(state="merged", closed_on=self.today, merged_into=into) if merges else None
        self.step(f"{TIPS}/{{}}/merge", id, {"into": into}, after, refused=422 if may else 409)

    @rule(id=tips, into=tips)
    def merge_and_withdraw(self, id: str, into: str) -> None:
        """Two steps in one, or one that stands for others would seldom be withdrawn."""
        self.merge_tip(id, into)
        self.step_tip(into, "withdraw")

    @rule(id=tips)
    def write_by_receipt(self, id: str) -> None:
        tip = self.model[id]
        while tip.merged_into is not None:
            tip = self.model[tip.merged_into]
        answer = self.post(f"{TIPS}/by-receipt/messages", {"content": "Thêm"}, {"Antt-Receipt": self.receipts[id]})
        assert answer.status_code == (201 if (tip.state, "withdraw") in TIP_NEXT else 409), (answer.text, tip)

    def counted(self) -> Cells:
        """The counters of every unit that may be touched, on every day that may be."""
        units = {unit for spread in COUNTED_IN.values() for unit in spread}
        return self.run(counted(self.antt, self.position, units, (*DAYS, self.today)))

    def teardown(self) -> None:
        """The model, the recount and the counters agree on every cell."""
        if not hasattr(self, "counted_before"):
            return
        for id in filter(self.receipts.get, self.model):
            self.write_by_receipt(id)
        own: Cells = Counter()
        spread: Cells = Counter()
        for record in self.model.values():
            for (unit, day, indicator), count in counts_of(record).items():
                if count:
                    own[unit, day, indicator] += count
                    for counted_in in COUNTED_IN[unit]:
                        # A unit of 2024 has no figures after its edition; who came after it has them.
                        if not counted_in.startswith("2024:") or day <= LAST_DAY_OF_2024S_UNITS:
                            spread[counted_in, day, indicator] += count
        recounted_now = self.run(recounted(self.antt))[1]
        assert without_deadlines(difference(recounted_now, self.recounted_before)) == own
        counted = without_deadlines(difference(self.counted(), self.counted_before))
        assert {
            cell: n for cell, n in counted.items() if cell[2] not in ("teams", "members", "members_leader")
        } == spread


class AnyOrder(TipsInAnyOrder):
    """Clients that also enter, confirm, return, open, resolve and correct cases and activities."""

    cases: Bundle[str] = Bundle("cases")
    activities: Bundle[str] = Bundle("activities")
    patrols: Bundle[str] = Bundle("patrols")

    def enter(self, kind: str, place: tuple[str, str], of_team: bool, number: int) -> str:
        entry, counts = an_entry(kind, place, number)
        by_leader = of_team and place in TEAM_PLACES
        record = Record(*place, "entered" if by_leader else "confirmed", kind, counts=counts)
        if by_leader:
            record = record._replace(entered_on=self.today)
        return self.create(ACTIVITIES, entry, record, self.leader if by_leader else self.officer)

    @rule(targets=(activities, patrols), place=st.sampled_from(PLACES), of_team=st.booleans(), number=NUMBERS)
    def enter_patrol(self, place: tuple[str, str], of_team: bool, number: int) -> str:
        return self.enter("patrol", place, of_team, number)

    @rule(
        target=activities,
        kind=st.sampled_from(sorted(TOLD)),
        place=st.sampled_from(PLACES),
        of_team=st.booleans(),
        number=NUMBERS,
    )
    def enter_activity(self, kind: str, place: tuple[str, str], of_team: bool, number: int) -> str:
        return self.enter(kind, place, of_team, number)

    @rule(id=activities, command=st.sampled_from(["confirm", "return"]))
    def step_activity(self, id: str, command: str) -> None:
        activity = self.model[id]
        state = ACTIVITY_NEXT.get((activity.state, command))
        self.step(f"{ACTIVITIES}/{{}}/{command}", id, {}, activity._replace(state=state) if state else None)

    @rule(id=activities, place=st.sampled_from(PLACES), number=NUMBERS)
    def correct_activity(self, id: str, place: tuple[str, str], number: int) -> None:
        activity = self.model[id]
        entry, counts = an_entry(activity.kind, place, number)
        after = activity._replace(unit=place[0], on=place[1], state="confirmed", counts=counts)
        self.step(f"{ACTIVITIES}/{{}}/correct", id, {"activity": entry}, after)

    @rule(target=cases, place=st.sampled_from(PLACES))
    def open_case(self, place: tuple[str, str]) -> str:
        return self.open(place, "other")

    @rule(target=cases, place=st.sampled_from(PLACES), id=TipsInAnyOrder.tips)
    def open_case_of_tip(self, place: tuple[str, str], id: str) -> str:
        return self.open(place, "tip", tip_id=id)

    @rule(target=cases, place=st.sampled_from(PLACES), id=patrols)
    def open_case_of_patrol(self, place: tuple[str, str], id: str) -> str:
        return self.open(place, "patrol", patrol_id=id)

    def open(self, place: tuple[str, str], through: str, **link: str) -> str:
        case = {"unit": place[0], "kind": "theft", "found_on": place[1], **link}
        tip = self.model.get(link.get("tip_id", ""))
        by_force = tip is not None and tip.kind == "force"
        return self.create(CASES, case, Record(*place, "open", through, by_force=by_force))

    @rule(id=cases, day=st.sampled_from(DAYS))
    def resolve_case(self, id: str, day: str) -> None:
        case = self.model[id]
        resolved_on = max(day, case.on)
        after = case._replace(state="resolved", closed_on=resolved_on) if case.state == "open" else None
        self.step(f"{CASES}/{{}}/resolve", id, {"resolved_on": resolved_on}, after)

    @rule(id=cases)
    def reopen_case(self, id: str) -> None:
        case = self.model[id]
        after = case._replace(state="open", closed_on=None) if case.state == "resolved" else None
        self.step(f"{CASES}/{{}}/reopen", id, {}, after)

    @rule(id=cases, place=st.sampled_from(PLACES))
    def correct_case(self, id: str, place: tuple[str, str]) -> None:
        case = self.model[id]
        if case.closed_on is None or place[1] <= case.closed_on:
            body = {"unit": place[0], "found_on": place[1]}
            self.step(f"{CASES}/{{}}/correct", id, body, case._replace(unit=place[0], on=place[1]))


def without_deadlines(cells: Cells) -> Cells:
    """The cells but those of deadlines, which pass by themselves (test_deadlines_any_order.py)."""
    of_deadlines = {i.name for i in INDICATORS if i.of is events.Deadline}
    return Counter({cell: count for cell, count in cells.items() if cell[2] not in of_deadlines})


def difference(now: Cells, before: Cells) -> Cells:
    """What changed, and nothing else."""
    changed = Counter(now)
    changed.subtract(before)
    return Counter({cell: count for cell, count in changed.items() if count})


def at(place: tuple[str, str]) -> dict[str, str]:
    """An activity's place, and an hour at the beginning of its day in Viet Nam."""
    return {
        "unit": place[0],
        "started_at": f"{place[1]}T00:00:00+07:00",
        "ended_at": f"{place[1]}T01:00:00+07:00",
    }


def test_whatever_is_done_the_counters_and_the_recount_say_what_the_model_says(
    antt: Antt, loop: asyncio.AbstractEventLoop
) -> None:
    run_in_any_order(partial(AnyOrder, antt, loop), 12, 40)


def test_whatever_is_done_to_tips_and_their_duplicates_the_same_holds(
    antt: Antt, loop: asyncio.AbstractEventLoop
) -> None:
    run_in_any_order(partial(TipsInAnyOrder, antt, loop), 20, 40)
