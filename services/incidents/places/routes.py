"""The HTTP side of places."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.requests import ClientDisconnect

from services.incidents.places import commands, lookup, reading
from services.incidents.places.schemas import (
    AskPlace,
    BoundariesOut,
    HamletPage,
    ListHamlets,
    Loaded,
    LoadHamlets,
    PlaceOut,
)
from shared import units
from shared.access import Identity
from shared.days import today
from shared.errors import (
    BodyTooLarge,
    Forbidden,
    ForeignArea,
    PreconditionFailed,
    Unauthenticated,
    UnknownUnit,
    WrongMediaType,
)
from shared.http import OpenReader, Reader, problems
from shared.settings import settings

router = APIRouter(prefix="/places", tags=["places"])

_IfMatch = Annotated[str | None, Header(description="The ETag of what is to be replaced; what has moved on stays.")]
_LOADS = problems(Unauthenticated, Forbidden, ForeignArea, BodyTooLarge, WrongMediaType, PreconditionFailed)


def _body(media_types: dict[str, object]) -> dict[str, object]:
    return {"requestBody": {"required": True, "content": media_types}}


@router.get("", responses=problems())
async def list_loads(reader: OpenReader) -> list[Loaded]:
    """What the province has loaded last, of each kind and edition, and which communes have none of it."""
    return await reading.loads(reader.database)


@router.get("/at", responses=problems(lookup.PlaceUnknown, lookup.BoundariesNotLoaded))
async def place_at(query: Annotated[AskPlace, Query()], reader: OpenReader) -> PlaceOut:
    """The commune that contains a point, its border included; on a common border the one of the lowest code."""
    return await reading.place_at(reader.database, query)


@router.put(
    "/boundaries",
    responses=_LOADS,
    openapi_extra=_body(
        {
            "application/geo+json": {"schema": {"$ref": "#/components/schemas/BoundariesOut"}},
            "application/json": {"schema": {"$ref": "#/components/schemas/BoundariesOut"}},
        }
    ),
)
async def load_boundaries(reader: Reader, request: Request, response: Response, if_match: _IfMatch = None) -> Loaded:
    """Replace the boundaries of one edition's communes: a GeoJSON FeatureCollection in WGS84.

    Each feature names its commune by a property `unit` (`2025:25942`), or by `edition` and `code`; a commune may come
    in several, its islands beside the mainland. All are taken or none; a province may begin with a part of its
    communes, and `missing` names the others.
    """
    content = await _read(request, reader.caller, "application/geo+json", "application/json")
    return _tagged(response, await commands.load_boundaries(reader.database, reader.caller, content, if_match))


@router.get(
    "/boundaries",
    responses={
        200: {"content": {"application/geo+json": {}}},
        304: {"description": "unchanged"},
        **problems(Unauthenticated, Forbidden),
    },
)
async def read_boundaries(
    reader: Reader,
    edition: units.Edition | None = None,
) -> BoundariesOut:
    """The boundaries of an edition's communes, today's unless one is named; megabytes, so only for who has a token."""
    reader.caller.require_role("read_records")
    version, content = await reading.boundaries(reader.database, edition or units.edition_on(today()))
    # Megabytes that change with a load: kept, and asked for again.
    headers = {"ETag": f'"{version}"', "Cache-Control": "private, no-cache"}
    return Response(content, headers=headers, media_type="application/geo+json")  # type: ignore[return-value]


@router.put(
    "/hamlets",
    responses=_LOADS,
    openapi_extra=_body({"application/json": {"schema": LoadHamlets.model_json_schema()}}),
)
async def load_hamlets(reader: Reader, request: Request, response: Response, if_match: _IfMatch = None) -> Loaded:
    """Replace the hamlets of one edition: the code and the name that the province gave, and the commune."""
    content = await _read(request, reader.caller, "application/json")
    return _tagged(response, await commands.load_hamlets(reader.database, reader.caller, content, if_match))


@router.get("/hamlets", responses=problems(UnknownUnit))
async def list_hamlets(
    query: Annotated[ListHamlets, Query()], request: Request, reader: OpenReader, response: Response
) -> HamletPage:
    """Hamlets in the order of their codes, for forms to choose from."""
    page = await reading.list_hamlets(reader.database, query)
    if len(page.items) == query.limit:
        behind = request.url.include_query_params(after=page.items[-1].code)
        response.headers["Link"] = f'<{behind.path}?{behind.query}>; rel="next"'
    return page


def _tagged(response: Response, load: Loaded) -> Loaded:
    response.headers["ETag"] = f'"{load.version}"'
    return load


async def _read(request: Request, caller: Identity, *media_types: str) -> bytes:
    """The body of who may load, up to ANTT_PLACES_BYTES."""
    most = settings().places_bytes
    caller.require("load_places", settings().province)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in media_types:
        raise WrongMediaType()
    if int(request.headers.get("content-length", 0)) > most:
        raise BodyTooLarge(most_bytes=most)
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > most:
                raise BodyTooLarge(most_bytes=most)
    except ClientDisconnect:
        # Half of a body is no body; nobody hears the answer.
        raise BodyTooLarge(most_bytes=most) from None
    return bytes(content)
