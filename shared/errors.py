"""Errors carry their status: each is one class, rendered in one place as RFC 9457 problem+json."""

from math import ceil
from typing import Any, ClassVar

import msgspec

from shared.words import in_vietnamese


class Problem(Exception):
    """What went wrong, for a machine (`type`, extension members) and for a person (`title`, Vietnamese or English).

    A subclass states its status, its stable name and its text in both languages; the values that
    belong to one occurrence are keyword arguments and become members of the answer.
    """

    status: ClassVar[int] = 500
    name: ClassVar[str] = "internal-error"
    vi: ClassVar[str] = "Hệ thống gặp lỗi; yêu cầu chưa được thực hiện."
    en: ClassVar[str] = "The system failed; nothing was changed."
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, **members: Any) -> None:
        super().__init__(self.name, members)
        self.members = members

    def body(self, language: str) -> bytes:
        """The answer's JSON in `vi` or `en`, the sentences of `errors` included."""
        members = self.members
        if language != "en" and "errors" in members:
            members = {**members, "errors": [_in_vietnamese(error) for error in members["errors"]]}
        return msgspec.json.encode(
            {
                "type": f"urn:antt:problem:{self.name}",
                "title": self.en if language == "en" else self.vi,
                "status": self.status,
                **members,
            },
            enc_hook=str,
        )


def _in_vietnamese(error: dict[str, Any]) -> dict[str, Any]:
    return {**error, "message": in_vietnamese(error["message"])} if "message" in error else error


class InvalidInput(Problem):
    status, name = 422, "invalid-input"
    vi, en = "Dữ liệu gửi lên không hợp lệ.", "The input is not valid."


class NotFound(Problem):
    status, name = 404, "not-found"
    vi, en = "Không tìm thấy.", "There is nothing here."


class MethodNotAllowed(Problem):
    status, name = 405, "method-not-allowed"
    vi, en = "Phương thức không được hỗ trợ ở địa chỉ này.", "This address does not take that method."


class BodyTooLarge(Problem):
    status, name = 413, "body-too-large"
    vi, en = "Nội dung gửi lên quá lớn.", "The body is too large."


class WrongMediaType(Problem):
    status, name = 415, "wrong-media-type"
    vi, en = "Chỉ nhận application/json.", "Only application/json is accepted."


class EncodingUnsupported(Problem):
    status, name = 415, "encoding-unsupported"
    vi, en = (
        "Nội dung gửi lên phải không nén (không dùng Content-Encoding).",
        "Send the body without a Content-Encoding.",
    )
    headers: ClassVar = {"Accept-Encoding": "identity"}


class Unauthenticated(Problem):
    status, name = 401, "unauthenticated"
    vi, en = "Cần mã truy cập hợp lệ.", "A valid token is needed."
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class Forbidden(Problem):
    status, name = 403, "forbidden"
    vi, en = "Không có quyền thực hiện việc này.", "You may not do this."


class ForeignArea(Problem):
    status, name = 403, "foreign-area"
    vi, en = "Đơn vị này không thuộc địa bàn phụ trách.", "This unit is outside your area."


class UnknownUnit(Problem):
    status, name = 422, "unknown-unit"
    vi, en = "Không có đơn vị hành chính này.", "There is no such unit."


class UnitNotServed(Problem):
    status, name = 422, "unit-not-served"
    vi, en = "Đơn vị không thuộc tỉnh mà hệ thống này phục vụ.", "The unit is outside the province served."


class UnitNotInForce(Problem):
    status, name = 422, "unit-not-in-force"
    vi, en = (
        "Đơn vị không thuộc danh mục có hiệu lực vào ngày đó.",
        "The unit is of an edition that does not hold on that day.",
    )


class DayInTheFuture(Problem):
    status, name = 422, "day-in-the-future"
    vi, en = "Thời điểm ở tương lai.", "The time lies in the future."


class KeyReused(Problem):
    """A key belongs to the input that it first came with; the same JSON in another order is the same input."""

    status, name = 422, "idempotency-key-reused"
    vi, en = (
        "Idempotency-Key này đã dùng cho một nội dung khác.",
        "This Idempotency-Key was used with another payload.",
    )


class KeyInFlight(Problem):
    """The first request with this key is not decided yet, in this process or another."""

    status, name = 409, "idempotency-key-in-flight"
    vi, en = (
        "Yêu cầu với Idempotency-Key này đang được thực hiện.",
        "A request with this Idempotency-Key is in flight.",
    )
    headers: ClassVar = {"Retry-After": "1"}


class StepNotAllowed(Problem):
    status, name = 409, "step-not-allowed"
    vi, en = "Trạng thái hiện tại không cho phép bước này.", "The present state does not allow this step."


class Changed(Problem):
    """The record was changed while the request was being decided, five times in a row. Nothing was changed by it."""

    status, name = 409, "changed-meanwhile"
    vi, en = "Bản ghi vừa được thay đổi; hãy thử lại.", "The record was changed meanwhile; try again."
    headers: ClassVar = {"Retry-After": "1"}


class Conflict(Problem):
    status, name = 409, "conflict"
    vi, en = "Dữ liệu trùng hoặc mâu thuẫn với dữ liệu đã có.", "This contradicts what is there already."


class PreconditionFailed(Problem):
    """Somebody changed the record after it was read. Read it again and decide again."""

    status, name = 412, "precondition-failed"
    vi, en = "Bản ghi đã thay đổi so với If-Match.", "The record is no longer the one named by If-Match."


class PreconditionRequired(Problem):
    status, name = 428, "precondition-required"
    vi, en = "Cần If-Match với ETag của bản ghi.", "If-Match with the record's ETag is needed."


class TooManyRequests(Problem):
    """Too many requests without a valid token came from this address, or from all together; `Retry-After` says when one more is taken."""

    status, name = 429, "too-many-requests"
    vi, en = (
        "Có quá nhiều yêu cầu không kèm mã truy cập; hãy thử lại sau.",
        "Too many requests without a token; try again later.",
    )

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.headers = {"Retry-After": f"{ceil(seconds)}"}  # type: ignore[misc]


class Overloaded(Problem):
    """As many requests wait as may. Nothing was changed."""

    status, name = 503, "overloaded"
    vi, en = (
        "Hệ thống đang quá tải; hãy thử lại sau ít giây.",
        "The system is overloaded; try again in a few seconds.",
    )
    headers: ClassVar = {"Retry-After": "2"}


class ProcessEnded(Problem):
    """The change may have been made: the same Idempotency-Key returns the first answer."""

    status, name = 503, "process-ended"
    vi, en = (
        "Dịch vụ đang khởi động lại trước khi trả lời xong; hãy thử lại với cùng Idempotency-Key.",
        "The service ended before it had answered; try again with the same Idempotency-Key.",
    )
    headers: ClassVar = {"Retry-After": "2"}


class DatabaseUnavailable(Problem):
    """The change may have been made: the same Idempotency-Key returns the first answer."""

    status, name = 503, "database-unavailable"
    vi, en = (
        "Cơ sở dữ liệu tạm thời không sẵn sàng; hãy thử lại với cùng Idempotency-Key.",
        "The database is unavailable for now; try again with the same Idempotency-Key.",
    )
    headers: ClassVar = {"Retry-After": "2"}


class ClocksDiffer(DatabaseUnavailable):
    """An event recorded at a wrong time would keep it for ever, so nothing is accepted and nothing was changed."""

    name = "clocks-differ"
    vi, en = (
        "Đồng hồ của dịch vụ và của cơ sở dữ liệu lệch nhau; hãy thử lại sau với cùng Idempotency-Key.",
        "The clocks of the service and its database differ; try again later with the same Idempotency-Key.",
    )
    headers: ClassVar = {"Retry-After": "30"}


class NotYetCounted(Problem):
    """The position of `counted=` was waited for as long as the deployment allows. Ask again."""

    status, name = 503, "not-yet-counted"
    vi, en = (
        "Số liệu chưa cập nhật đến vị trí được yêu cầu.",
        "The counters have not reached the position asked for.",
    )
    headers: ClassVar = {"Retry-After": "1"}


def invalid(at: str, code: str, message: str) -> InvalidInput:
    """The problem of one field that contradicts another or the record."""
    return InvalidInput(errors=[{"at": at, "code": code, "message": message}])
