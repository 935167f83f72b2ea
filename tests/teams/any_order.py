"""The registry kept in any order: steps that may be refused, and what it shows in the end beside what is counted."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.conftest import PROVINCE, Antt
from tests.teams.factories import CERTIFICATES, MEMBERS, TEAMS, a_member
from tests.teams.test_recount import recounted

DECISION = {"number": "15/QĐ-UBND", "signed_on": "2025-06-19", "signer": "Nguyễn Văn Hòa"}
WRONG = {"reason": "nhập nhầm"}
ROLES = ("leader", "deputy", "member")
IN_ANY_ORDER = settings(
    max_examples=10,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def steps(*verbs: str, last: int) -> st.SearchStrategy[list[tuple[str, int, int, int]]]:
    """Lists of a verb, two numbers that choose among what there is, and a day up to the last."""
    return st.lists(
        st.tuples(st.sampled_from(verbs), st.integers(0, 5), st.integers(0, 5), st.integers(0, last)),
        min_size=12,
        max_size=24,
    )


@dataclass
class Registry:
    """What one keeper of the registry enters: teams and a class that are there, two units to go to, and a first day."""

    antt: Antt
    teams: list[str]
    class_id: str
    units: tuple[str, str]
    first: date
    members: list[str] = field(default_factory=list)
    position: str | None = None
    # How often each verb was not refused.
    done: Counter[str] = field(default_factory=Counter)

    def on(self, number: int) -> str:
        """The day so many days behind the first."""
        return f"{self.first + timedelta(days=number)}"

    async def take(self, verb: str, one: int, other: int, day: int) -> None:
        """Take a step; what one that is refused would have done must not be counted."""
        operator = self.antt.token("operator", PROVINCE)
        verb = verb if self.members else "recognise"
        path, body = await self._step(verb, one, other, day)
        answer = await self.antt.post(path, body, operator)
        assert answer.status_code in (200, 201, 404, 409, 422), (path, body, answer.text)
        self.done[verb] += answer.is_success
        if path == MEMBERS and answer.is_success:
            self.members.append(answer.json()["id"])
        self.position = answer.headers.get("antt-position", self.position)

    async def _step(self, verb: str, one: int, other: int, day: int) -> tuple[str, dict[str, Any]]:
        team, role, on = self.teams[other % len(self.teams)], ROLES[other % 3], self.on(day)
        of_team, unit = f"{TEAMS}/{team}", self.units[one % 2]
        member = f"{MEMBERS}/{self.members[one % len(self.members)]}" if self.members else MEMBERS
        begins = {"decision": DECISION, "from_on": on}
        match verb:
            case "recognise":
                return MEMBERS, a_member(team, role=ROLES[one % 3], **begins)
            case "change-role":
                return f"{member}/change-role", {**begins, "role": role}
            case "transfer":
                return f"{member}/transfer", {**begins, "role": role, "team_id": team}
            case "release":
                return f"{member}/release", {"decision": DECISION, "until_on": on, "ground": "health"}
            case "certify":
                number = f"{sum(self.done.values())}"
                body = {"training_class_id": self.class_id, "number": number, "issued_on": on}
                return CERTIFICATES, {**body, "member_id": member.rpartition("/")[2]}
            case "place":
                return f"{of_team}/place", {**begins, "unit": unit}
            case "dissolve":
                return f"{of_team}/dissolve", {"decision": DECISION, "until_on": on}
            case "take back the placement":
                return f"{of_team}/correct", {**WRONG, "placed_on": None}
            case "correct the unit":
                return f"{of_team}/correct", {**WRONG, "unit": unit}
            case "correct the end":
                return f"{of_team}/correct", {**WRONG, "until_on": on if one % 2 else None}
            case "withdraw":
                return f"{member}/withdraw", WRONG
        terms = (await self.antt.get(member, self.antt.token("operator", PROVINCE))).json()["terms"]
        term = f"{member}/terms/{terms[other % len(terms)]['id']}"
        match verb:
            case "correct the term":
                return f"{term}/correct", {**WRONG, "from_on": on, "role": role}
            case "correct the release":
                return f"{term}/correct", {**WRONG, "until_on": on if one % 2 else None}
            case "withdraw the term":
                return f"{term}/withdraw", WRONG
        raise ValueError(verb)

    async def _shown(self) -> Counter[tuple[str, str, str]]:
        """The changes of every level, as the registry shows its teams and their members."""
        operator = self.antt.token("operator", PROVINCE)
        changes: Counter[tuple[str, str, str]] = Counter()

        def stands(unit: str, name: str, first: str, last: str | None) -> None:
            changes[unit, first, name] += 1
            if last:
                changes[unit, f"{date.fromisoformat(last) + timedelta(days=1)}", name] -= 1

        for team in (await self.antt.get(TEAMS, operator, limit=500)).json()["items"]:
            if team["placed_on"]:
                last = f"{date.fromisoformat(team['placed_on']) - timedelta(days=1)}"
                stands(team["left_unit"], "teams", team["from_on"], last)
            stands(team["unit"], "teams", team["placed_on"] or team["from_on"], team["until_on"])
        for member in (await self.antt.get(MEMBERS, operator, limit=500)).json()["items"]:
            for term in (await self.antt.get(f"{MEMBERS}/{member['id']}", operator)).json()["terms"]:
                if term["withdrawn_at"] is None:
                    for name in ("members", f"members_{term['role']}"):
                        stands(term["unit"], name, term["from_on"], term["until_on"])
        return Counter({cell: count for cell, count in changes.items() if count})

    async def require_counted(self, last: int) -> None:
        """Recount and registry tell the same levels, and so do the counters of the two units and the province, each day."""
        _, cells = await recounted(self.antt)
        levels = Counter({cell: n for cell, n in cells.items() if cell[2].startswith(("members", "teams"))})
        assert levels == await self._shown()
        for unit in (*self.units, "2025:79"):
            mine = Counter[tuple[str, str]]()
            for (of, on, name), n in cells.items():
                if unit in (of, "2025:79"):
                    mine[on, name] += n
            for day in range(-1, last + 4):
                on = self.on(day)
                counters = await self.antt.counters(self.position, unit=unit, from_=on, to=on)
                for name in ("teams", "members"):
                    held = sum(n for (begins, of), n in mine.items() if of == name and begins <= on)
                    assert counters[name] == held, (unit, on, name)
                assert counters["trainees_certified"] == mine[on, "trainees_certified"], (unit, on)
