"""The HTTP side of Open311 GeoReport v2, at /incidents/open311/v2. docs/integrator/open311.md says what is particular here."""

from fastapi import APIRouter, Request, Response

from services.incidents.open311 import commands, reading
from services.incidents.open311.edge import Open311Command, Open311Route, answer, keyed_reader, require_jurisdiction
from services.incidents.open311.schemas import Created, Format, ListRequests, NewRequest, form
from services.incidents.tips.receipts import tip_of_receipt
from shared.access import Caller
from shared.errors import NotFound
from shared.http import ClientAddress, OpenReader, Work

PREFIX = "/incidents/open311/v2"

# The standard documents these addresses and their errors, which are not those of the OpenAPI document.
router = APIRouter(prefix=PREFIX, route_class=Open311Command, include_in_schema=False)
queries = APIRouter(prefix=PREFIX, route_class=Open311Route, include_in_schema=False)


@router.post("/requests.{format}", status_code=201)
async def create_request(format: Format, new: NewRequest, caller: Caller, work: Work) -> Created:
    """POST Service Request: report a tip, from anyone; the answer is sent once the tip is durable."""
    return await commands.create_request(work, caller, new)


@queries.get("/discovery.{format}")
async def discovery(format: Format) -> Response:
    """Service Discovery."""
    return answer(format, "discovery", reading.discovery())


@queries.get("/services.{format}")
async def services(format: Format, jurisdiction_id: str | None = None) -> Response:
    """GET Service List: the topics of tips."""
    require_jurisdiction(jurisdiction_id)
    return answer(format, "services", reading.services())


@queries.get("/services/{service_code}.{format}")
async def definition(service_code: str, format: Format, jurisdiction_id: str | None = None) -> Response:
    """GET Service Definition."""
    require_jurisdiction(jurisdiction_id)
    return answer(format, "service_definition", reading.definition(service_code))


@queries.get("/requests.{format}")
async def requests(format: Format, request: Request, client: ClientAddress) -> Response:
    """GET Service Requests: those of the receipts named, or what was sent with the caller's key."""
    query = ListRequests.model_validate(form(request.scope["query_string"]))
    require_jurisdiction(query.jurisdiction_id)
    listed = await reading.list_requests(await keyed_reader(request), query, client)
    return answer(format, "service_requests", listed)


@queries.get("/requests/{service_request_id}.{format}")
async def request_of(
    service_request_id: str,
    format: Format,
    reader: OpenReader,
    client: ClientAddress,
    jurisdiction_id: str | None = None,
) -> Response:
    """GET Service Request: how the tip of a receipt stands."""
    require_jurisdiction(jurisdiction_id)
    found = await reading.request_of(reader.database, service_request_id, client)
    return answer(format, "service_requests", [found])


@queries.get("/tokens/{token}.{format}")
async def token(
    token: str, format: Format, reader: OpenReader, client: ClientAddress, jurisdiction_id: str | None = None
) -> Response:
    """GET service_request_id from a token: every id is given at once, and is its own token."""
    require_jurisdiction(jurisdiction_id)
    await tip_of_receipt(reader.database, token, client)
    return answer(format, "service_requests", [{"service_request_id": token, "token": token}])


@queries.get("/{anything:path}")
async def unknown(anything: str) -> Response:
    """Whatever else is asked for is refused in the standard's shape, too."""
    raise NotFound()
