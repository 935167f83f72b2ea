"""What crosses HTTP of the files that a tip's sender adds."""

from uuid import UUID

from pydantic import AwareDatetime, BaseModel


class SentAttachment(BaseModel):
    """A file that a tip's sender has added, as they see it."""

    id: UUID
    name: str
    media_type: str
    bytes: int
    added_at: AwareDatetime
