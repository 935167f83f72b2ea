"""What crosses HTTP of attachments, and why a file is not taken."""

from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, create_model

from shared.errors import Problem
from shared.http import Input, Output
from shared.text import Line

# What is taken, and the ending that its name gets, whatever it had.
ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/heic": "heic",
    "application/pdf": "pdf",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/3gpp": "3gp",
    "video/webm": "webm",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/amr": "amr",
}


class FileRefused(Problem):
    """`reason`: empty, unknown-kind, damaged, too-many-pixels, too-large-inside, animated, encrypted, active (a document
    that does something by itself), polyglot (also a page, an archive or a program), state-secret."""

    status, name = 422, "file-refused"
    vi, en = (
        "Tệp không được nhận. Chỉ nhận ảnh JPEG, PNG, WebP, HEIC, tài liệu PDF, âm thanh và video của điện thoại; "
        "tệp phải nguyên vẹn, không mã hóa và không chứa mã chạy được. Ảnh quá lớn (quá most_megapixels triệu điểm ảnh): "
        "hãy chụp ở độ phân giải thấp hơn hoặc gửi ảnh đã thu nhỏ.",
        "The file is not taken. Pictures (JPEG, PNG, WebP, HEIC), PDF documents, sounds and films of phones are; "
        "they must be whole, not encrypted, and hold nothing that runs. A picture of more than most_megapixels million "
        "pixels: take it at a lower resolution, or send it made smaller.",
    )


class NotAForm(Problem):
    status, name = 415, "not-a-form"
    vi, en = (
        "Gửi tệp trong trường `file` của biểu mẫu multipart/form-data.",
        "Send the file in the field `file` of a multipart/form-data form.",
    )


class TooManyAttachments(Problem):
    status, name = 409, "too-many-attachments"
    vi, en = "Hồ sơ đã đủ số tệp đính kèm cho phép.", "The record has as many attachments as it may."


class AttachmentOut(Output):
    """A file of a record. `bytes` is of the content as it is kept, which is not always as it was sent."""

    id: UUID
    of: str
    record_id: UUID
    name: str
    media_type: str
    bytes: int
    from_sender: bool
    added_by: str
    added_at: AwareDatetime
    version: int


class AttachmentKept(AttachmentOut):
    """A file of a record, and the name that its content has in the store, which is nobody's business."""

    content: str


class AttachmentLookOut(BaseModel):
    """One download of what a sender has sent."""

    looked_by: str
    looked_at: AwareDatetime


class RemoveAttachment(Input):
    """Why a file is taken away."""

    reason: Line


def shown_of(kinds: Iterable[str]) -> tuple[Any, type[AttachmentOut]]:
    """The names of these kinds of record, as addresses have them, and an attachment of no other kind."""
    named: Any = Literal[tuple(kinds)]
    shown = create_model("AttachmentOut", __base__=AttachmentOut, __doc__=AttachmentOut.__doc__, of=(named, ...))
    return named, shown
