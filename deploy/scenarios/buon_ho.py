"""What the force of the town of Buôn Hồ (Đắk Lắk) did against firecrackers from January to 16 June 2022.

`plan` comes to the figures that were published, and to those of the same days of 2021 from which the printed change
follows. Most of it happens before and at Tết. The civil defence teams of the time stand in the registry as the teams
of the later law.
"""

from datetime import date, timedelta
from random import Random
from typing import Any

from deploy.scenarios.diary import Diary, Request, enter, found_teams, officer

PROVINCE, PLACE = "2024:66", "2024:644"
FIRST, LAST = date(2022, 1, 1), date(2022, 6, 16)
TET = {2021: date(2021, 2, 12), 2022: date(2022, 2, 1)}

HANDED_IN_AT_ONCE = 9
KIND = "illegal_firecrackers"


def plan(figures: dict[str, int], seed: int) -> list[Request]:
    """The requests that come to these figures, in the order in which they were sent. The same seed, the same plan."""
    diary = Diary(Random(seed), PLACE, FIRST, LAST)
    communes = len(diary.communes())
    found_teams(diary, communes, communes, {"xã": "buôn, thôn", "phường": "tổ dân phố"})
    cases = figures["illegal_firecracker_cases"]
    before = round(cases / (1 + figures["illegal_firecracker_cases_change"] / 100))
    for year, number in ((2021, before), (2022, cases)):
        for index in range(number):
            _find_case(diary, f"case {index} of {year}", TET[year], slips=index if year == 2022 else None)
    _collect(diary, figures["firecrackers_recovered"], "found", 1)
    _collect(diary, figures["firecrackers_handed_in"], "handed_in", HANDED_IN_AT_ONCE)
    return sorted(diary.requests, key=lambda request: request.at)


def _find_case(diary: Diary, case: str, tet: date, slips: int | None) -> None:
    """Somebody lets off firecrackers; the commune police open a case, and fine them some days later.

    The first two of the year are entered wrongly, as happens when a year is new: one under the old year, one under
    another kind.
    """
    random = diary.random
    unit, found_on = random.choice(diary.communes()), tet + timedelta(days=random.randint(-12, 9))
    right: dict[str, Any] = {"unit": unit, "kind": KIND, "found_on": found_on.isoformat()}
    slip = {0: {"found_on": (found_on - timedelta(days=365)).isoformat()}, 1: {"kind": "public_disorder"}}.get(
        slips if slips is not None else -1, {}
    )
    police, at = officer(unit), diary.moment(found_on, 20, 24)
    diary.post(at, police, "/incidents/v1/cases", case, **(right | slip))
    if slip:
        at = diary.later(at, 60, 900)
        corrected = {name: right[name] for name in slip}
        diary.post(
            at, police, "/incidents/v1/cases/{}/correct", case, reason="Nhập nhầm, đối chiếu lại hồ sơ", **corrected
        )
    resolved_on = found_on + timedelta(days=random.randint(2, 20))
    diary.post(
        max(diary.later(at, 1, 30), diary.moment(resolved_on, 8, 17)),
        police,
        "/incidents/v1/cases/{}/resolve",
        case,
        resolved_on=resolved_on.isoformat(),
        reason="Đã xử phạt vi phạm hành chính",
    )


def _collect(diary: Diary, pieces: int, means: str, at_once: int) -> None:
    """Teams move people to hand in firecrackers before Tết, and find some."""
    for index, quantity in enumerate(diary.parts(pieces, -(-pieces // at_once))):
        item = {"item": "firecrackers", "quantity": quantity, "unit": "piece", "means": means, "name": "pháo nổ"}
        enter(
            diary,
            f"{means} {index}",
            (8, 20),
            day=FIRST + timedelta(days=diary.random.randint(0, (TET[2022] - FIRST).days + 5)),
            slip={"items": [{**item, "quantity": quantity * 10}]},
            kind="surrender",
            items=[item],
            members=diary.random.randint(1, 3),
        )
