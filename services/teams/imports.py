"""What teams imports: by which commands of single requests a row of each kind becomes a record, or corrects one."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from services.teams.errors import AlreadyInForce, LeaderExists
from services.teams.members.commands import (
    FIRST_TERMS,
    OPEN_TEAMS,
    change_member,
    correct_member_term,
    recognise_member,
)
from services.teams.members.schemas import ChangeMember, CorrectTerm, RecogniseMember
from services.teams.tables.members import Member, MemberTerm
from services.teams.tables.teams import Team
from services.teams.tables.training import Certificate, TrainingClass
from services.teams.teams.commands import correct_team, create_team
from services.teams.teams.reading import team_out
from services.teams.teams.schemas import CorrectTeam, CreateTeam
from services.teams.training.commands import (
    ROLES_THEN,
    correct_certificate,
    correct_training,
    hold_training,
    issue_certificate,
)
from services.teams.training.schemas import CorrectCertificate, CorrectTraining, HoldTraining, IssueCertificate
from shared import references, units
from shared.access import Identity
from shared.decisions import decision_of
from shared.errors import Conflict
from shared.importing.correcting import Values, differing, require_correctable, where_it_differs
from shared.importing.kinds import Correct, Imports, Learner, kind
from shared.importing.known import Known
from shared.outbox import UnitOfWork, row_of
from shared.outbox.rows import values_of

_DECISION = {
    "decision_number": "decision.number",
    "decision_on": "decision.signed_on",
    "decision_signer": "decision.signer",
}


class Members(Learner[RecogniseMember]):
    """Learns of all teams and persons of a chunk at once, and remembers who became a leader or a member in it."""

    async def learn(self, known: Known, caller: Identity, rows: Sequence[RecogniseMember]) -> None:
        """Look up the teams, whether their roles are free and persons in the force, and known members' first terms."""
        system = caller.subject
        self._teams = await known.ids_of(Team, system, {row.team_reference for row in rows})
        self._leaders: set[UUID | None] = set()
        self._persons: set[tuple[str, date]] = set()
        members = await known.ids_of(Member, system, {row.reference for row in rows})
        await known.learn_each(FIRST_TERMS, [(id,) for id in members.values() if id is not None])
        new = [row for row in rows if members[row.reference] is None]
        await known.learn_each(OPEN_TEAMS, [(self._team_of(row), row.from_on, None, *_person(row)) for row in new])

    def check_new(self, row: RecogniseMember) -> None:
        """Raise LeaderExists or AlreadyInForce for who comes behind another one in the chunk."""
        if row.role == "leader" and self._team_of(row) in self._leaders:
            raise LeaderExists(team_id=self._team_of(row))
        if not row.namesake and _person(row) in self._persons:
            raise AlreadyInForce()

    def remember(self, row: RecogniseMember) -> None:
        """This person is in the force, in this role."""
        if row.role == "leader":
            self._leaders.add(self._team_of(row))
        if not row.namesake:
            self._persons.add(_person(row))

    def _team_of(self, row: RecogniseMember) -> UUID | None:
        return row.team_id or self._teams[row.team_reference]


def _person(row: RecogniseMember) -> tuple[str, date]:
    return units.sort_key(row.full_name), row.born_on


class Certificates(Learner[IssueCertificate]):
    """Learns at once who held which role, and which certificates there are; remembers those of the chunk."""

    async def learn(self, known: Known, caller: Identity, rows: Sequence[IssueCertificate]) -> None:
        """Look up the classes, the members and what they held on the day of issue, and certificates of the same."""
        system = caller.subject
        classes, members = {row.training_class_reference for row in rows}, {row.member_reference for row in rows}
        self._classes = await known.ids_of(TrainingClass, system, classes)
        self._members = await known.ids_of(Member, system, members)
        asked = [(*self._named(row), row.issued_on) for row in rows]
        await known.learn_each(ROLES_THEN, asked)
        found = await known.fetch(
            """SELECT training_class_id, member_id, number FROM certificates
            WHERE training_class_id = ANY($1) AND revoked_on IS NULL""",
            list({class_id for class_id, _, _ in asked}),
        )
        self._holders = {(each["training_class_id"], each["member_id"]) for each in found}
        self._numbers = {(each["training_class_id"], each["number"]) for each in found}

    def check_new(self, row: IssueCertificate) -> None:
        """Raise Conflict for another certificate of a member and class, or of the same number."""
        class_id, member_id = self._named(row)
        if (class_id, member_id) in self._holders:
            raise Conflict(member_id=member_id)
        if (class_id, row.number) in self._numbers:
            raise Conflict(number=row.number)

    def remember(self, row: IssueCertificate) -> None:
        """This member has the class's certificate, of this number."""
        class_id, member_id = self._named(row)
        self._holders.add((class_id, member_id))
        self._numbers.add((class_id, row.number))

    def _named(self, row: IssueCertificate) -> tuple[UUID | None, UUID | None]:
        class_id = row.training_class_id or self._classes[row.training_class_reference]
        return class_id, row.member_id or self._members[row.member_reference]


def _kept_of_team(team: Team) -> Mapping[str, object]:
    return team_out(team).model_dump()


def _settle_unit(team: Team, row: CreateTeam, other: Values) -> Values:
    """A team that was placed anew was entered where it was before; a row that still says so says nothing new."""
    return {name: value for name, value in other.items() if name != "unit" or row.unit != team.left_unit}


async def _correct_member(work: UnitOfWork, caller: Identity, known: Member, row: RecogniseMember, reason: str) -> bool:
    """Set right what is known of the person, and the first term, which is what a row says of a member's time."""
    found = await work.database.fetchrow(FIRST_TERMS, [known.id])
    assert found is not None
    term = row_of(MemberTerm, found)
    team_id = await references.named(work, Team, caller.subject, row, "team")
    require_correctable({"team_id": team_id != term.team_id})
    person = differing(row, values_of(known), ChangeMember.model_fields)
    kept = {**values_of(term), "decision": decision_of(term, "decision")}
    recognition = differing(row, kept, ("role", "from_on", "decision"))
    if person:
        await change_member(work, caller, known.id, ChangeMember.model_validate(person))
    if recognition:
        correction = CorrectTerm.model_validate({"reason": reason, **recognition})
        await correct_member_term(work, caller, known.id, term.id, correction)
    return bool(person or recognition)


async def _correct_certificate(
    work: UnitOfWork, caller: Identity, known: Certificate, row: IssueCertificate, reason: str
) -> bool:
    """Correct a certificate's number and day; of another class or member it is another certificate."""
    class_id = await references.named(work, TrainingClass, caller.subject, row, "training_class")
    member_id = await references.named(work, Member, caller.subject, row, "member")
    differs = {"training_class_id": class_id != known.training_class_id, "member_id": member_id != known.member_id}
    require_correctable(differs)
    return await _correct_number_and_day(work, caller, known, row, reason)


_correct_team: Correct[Team, CreateTeam] = where_it_differs(CorrectTeam, correct_team, _kept_of_team, _settle_unit)
_correct_class: Correct[TrainingClass, HoldTraining] = where_it_differs(CorrectTraining, correct_training)
_correct_number_and_day: Correct[Certificate, IssueCertificate] = where_it_differs(
    CorrectCertificate, correct_certificate
)

IMPORTS = Imports(
    {
        "teams": kind("keep_registry", Team, CreateTeam, create_team, _correct_team, flat=_DECISION),
        "members": kind(
            "keep_registry", Member, RecogniseMember, recognise_member, _correct_member, Members, flat=_DECISION
        ),
        "training-classes": kind("keep_registry", TrainingClass, HoldTraining, hold_training, _correct_class),
        "certificates": kind(
            "keep_registry", Certificate, IssueCertificate, issue_certificate, _correct_certificate, Certificates
        ),
    },
    folder="teams/imports",
)
