"""What crosses HTTP in the shapes of GeoReport v2; every name is the standard's."""

from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field

from shared.days import Instant
from shared.errors import InvalidInput
from shared.text import Line, Text

Format = Literal["json", "xml"]
# The standard's query parameters; texts of a form, so numbers are read from texts.
_Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
_Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
_MOST_FIELDS = 100


class NewRequest(BaseModel):
    """A POSTed request. What the standard has and nobody needs here (device_id, account_id) is not even read.

    `unread`: the names of fields that the standard does not have; the answer says that they were not taken.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    service_code: Annotated[str, Field(max_length=60)]
    description: Text
    lat: _Latitude | None = None
    long: _Longitude | None = None
    address_string: Line | None = None
    address_id: Annotated[str, Field(max_length=60)] | None = None
    first_name: Line | None = None
    last_name: Line | None = None
    email: Line | None = None
    phone: Line | None = None
    media_url: Annotated[
        list[Annotated[str, Field(max_length=2_000, pattern=r"^https?://[!-~]+$")]], Field(max_length=10)
    ] = []
    occurred_at: Annotated[Instant | None, Field(alias="attribute[occurred_at]")] = None
    jurisdiction_id: str | None = None
    unread: list[str] = []


class Created(BaseModel):
    """The answer to a POST: the receipt, which only the sender gets."""

    service_request_id: str
    service_notice: str
    account_id: None = None


class ListRequests(BaseModel):
    """Which requests: those of an id, several with commas between, or what the caller has sent in at most 90 days."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    service_request_id: Annotated[str, Field(max_length=400)] | None = None
    service_code: Annotated[str, Field(max_length=700)] | None = None
    start_date: Instant | None = None
    end_date: Instant | None = None
    status: Annotated[str, Field(pattern=r"^(open|closed)(,(open|closed))*$")] | None = None
    page: Annotated[int, Field(ge=1, le=10_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=1_000)] = 500
    jurisdiction_id: str | None = None


# Fields of a POST that are not of the tip itself.
_ASIDE = {"api_key", "device_id", "account_id"}
_TAKEN = {field.alias or name for name, field in NewRequest.model_fields.items()} - {"unread"} | _ASIDE


def form(body: bytes) -> dict[str, str | list[str]]:
    """The fields of a form or a query string; blank ones are left out, as clients send them for what they don't know.

    InvalidInput for what is no form in UTF-8, for more than 100 fields, for a field that is given twice and says two
    things, and for attributes that no service has.
    """
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _bad("", "not-a-form", "give a form in UTF-8 of at most 100 fields") from None
    fields: dict[str, str | list[str]] = {}
    media: list[str] = []
    for name, value in pairs:
        if not value.strip():
            continue
        if name.startswith("attribute[") and name != "attribute[occurred_at]":
            raise _bad("attribute", "unknown", "the service definition has no such attribute")
        if name in ("media_url", "media_url[]"):
            fields["media_url"] = media
            media += [value] if value not in media else []
        elif fields.setdefault(name, value) != value:
            raise _bad(name if name in _TAKEN else "", "repeated", "a field is given twice and says two things")
    return fields


def posted(body: bytes) -> dict[str, object]:
    """The fields of a POSTed request, and the names of those that nobody reads."""
    fields = form(body)
    return {**fields, "unread": sorted(name[:40] for name in fields.keys() - _TAKEN if name.isprintable())}


def api_key_of(body: bytes) -> str | None:
    """The caller's token, if it is a field of the form."""
    key = form(body).get("api_key")
    return key if isinstance(key, str) else None


def _bad(at: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(errors=[{"at": at, "code": code, "message": message}])
