"""What Bạc Liêu's force did in the first half of 2024: `plan` comes to the figures that were published.

They are those of the ward guards, part-time police and civil defence from whom the teams of the new law were formed
on 1 July. Here they stand in the registry from January as the teams that they became.
"""

from datetime import date
from random import Random

from deploy.scenarios.diary import Diary, Request, enter, found_teams

PROVINCE = "2024:95"
FIRST, LAST = date(2024, 1, 1), date(2024, 6, 30)

# The records that the figures are made of: sessions an entry, person-turns a week's round, persons a talk.
SESSIONS_AN_ENTRY = 1.12
PERSON_TURNS_A_ROUND = 17
PERSONS_A_TALK = 1.6
# Of a thousand sessions.
ENTERED_TWICE = 8

TOPICS = {
    "firecrackers": 25, "online_fraud": 20, "drugs": 18, "traffic_safety": 15, "fire_safety": 12, "loan_sharking": 10,
}  # fmt: skip
GROUPS = {"released_prisoners": 30, "drug_users": 35, "juveniles": 25, "domestic_violence": 10}


def plan(figures: dict[str, int], seed: int) -> list[Request]:
    """The requests that come to these figures, in the order in which they were sent. The same seed, the same plan."""
    diary = Diary(Random(seed), PROVINCE, FIRST, LAST)
    hamlets = {"xã": "ấp", "phường": "khóm", "thị trấn": "khóm"}
    found_teams(diary, figures["teams"], figures["members_member"], hamlets)
    _call_together(diary, figures["outreach_sessions"], figures["outreach_attendance"], figures["leaflets"])
    _go_from_door_to_door(diary, figures["individual_outreach"])
    _counsel(diary, figures["persons_counselled"])
    return sorted(diary.requests, key=lambda request: request.at)


def _call_together(diary: Diary, sessions: int, attendances: int, leaflets: int) -> None:
    """Teams call people together, now and then several times on a day; the leaflets were "nearly" (gần) so many."""
    entries = max(1, round(sessions / SESSIONS_AN_ENTRY))
    leaflets -= diary.random.randint(1, leaflets // 160 + 1)
    parts = zip(
        diary.parts(sessions, entries), diary.parts(attendances, entries), diary.parts(leaflets, entries), strict=True
    )
    for index, (held, attended, given) in enumerate(parts):
        enter(
            diary,
            f"outreach {index}",
            (7, 21),
            slip={"attendances": attended * 10},
            kind="outreach",
            form="targeted" if diary.chance(400) else "mass",
            topic=diary.choose(TOPICS),
            sessions=held,
            attendances=attended,
            leaflets=given,
            members=diary.random.randint(2, 4),
        )
        if diary.chance(ENTERED_TWICE):
            # A session that two of a team entered; the police see it, and the second never counts.
            enter(
                diary, f"outreach {index} again", (7, 21), never_confirmed=True, kind="outreach", form="mass",
                topic="firecrackers", sessions=held, attendances=attended, leaflets=given,
            )  # fmt: skip


def _go_from_door_to_door(diary: Diary, person_turns: int) -> None:
    """Teams talk to people at home, round by round."""
    rounds = max(1, person_turns // PERSON_TURNS_A_ROUND)
    for index, talked_to in enumerate(diary.parts(person_turns, rounds)):
        enter(
            diary,
            f"round {index}",
            (8, 20),
            slip={"person_turns": talked_to * 10},
            kind="outreach",
            form="individual",
            topic=diary.choose(TOPICS),
            person_turns=talked_to,
            members=diary.random.randint(1, 3),
        )


def _counsel(diary: Diary, persons: int) -> None:
    """Teams and the police call in people who broke the law, and help them mend their ways."""
    talks = max(1, round(persons / PERSONS_A_TALK))
    for index, called_in in enumerate(diary.parts(persons, talks)):
        enter(
            diary,
            f"counselling {index}",
            (8, 17),
            slip={"persons": called_in + 1},
            kind="counselling",
            about=diary.choose(GROUPS),
            persons=called_in,
            members=diary.random.randint(1, 2),
        )
