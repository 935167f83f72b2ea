"""The facts of the registry that may ever be counted, and the events by which teams reports their changes."""

from datetime import date
from typing import Literal

import msgspec

from shared.events import files

Role = Literal["leader", "deputy", "member"]


class Team(msgspec.Struct, frozen=True, omit_defaults=True):
    """A team (Tổ bảo vệ ANTT) and the days on which it exists, both inclusive."""

    unit: str
    from_on: date
    until_on: date | None = None


class MemberTerm(msgspec.Struct, frozen=True, omit_defaults=True):
    """One member's time in one role of one team, both days inclusive."""

    unit: str
    role: Role
    from_on: date
    until_on: date | None = None


class TrainingClass(msgspec.Struct, frozen=True, omit_defaults=True):
    """A training class (lớp tập huấn), counted on its last day."""

    unit: str
    held_on: date


class Certificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """A training certificate given to a member, counted on the day of issue."""

    unit: str
    issued_on: date
    role: Role


Fact = Team | MemberTerm | TrainingClass | Certificate | files.Fact

EVENTS: dict[str, type[Fact]] = {
    "TeamCreated": Team,
    "TeamChanged": Team,
    "TeamPlaced": Team,
    "TeamDissolved": Team,
    "TeamCorrected": Team,
    "TeamWithdrawn": Team,
    "MemberRecognised": MemberTerm,
    "MemberChanged": MemberTerm,
    "MemberReleased": MemberTerm,
    "MemberRoleChanged": MemberTerm,
    "MemberPlaced": MemberTerm,
    "MemberTermCorrected": MemberTerm,
    "MemberTermWithdrawn": MemberTerm,
    "TrainingHeld": TrainingClass,
    "TrainingCorrected": TrainingClass,
    "TrainingWithdrawn": TrainingClass,
    "CertificateIssued": Certificate,
    "CertificateRevoked": Certificate,
    "CertificateCorrected": Certificate,
    **files.EVENTS,
}
