"""The fact that a file is attached to a record, and its events: listed by each service that has attachments."""

from typing import Literal

import msgspec


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a record, in the unit of that record; never its name or its content's hash."""

    unit: str
    of: Literal["tips", "cases", "activities", "teams"]
    media_type: str
    bytes: int


Fact = Attachment

EVENTS: dict[str, type[Fact]] = {
    "AttachmentAdded": Attachment,
    "AttachmentRemoved": Attachment,
}
