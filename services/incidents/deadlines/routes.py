"""The HTTP side of deadlines."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from services.incidents.deadlines import commands, reading
from services.incidents.deadlines.schemas import (
    DeadlineOut,
    DeadlinePage,
    ExtendDeadline,
    ListDeadlines,
    MarkComplex,
    MeetDeadline,
)
from shared.access import Caller
from shared.errors import Forbidden, ForeignArea, KeyReused, NotFound, Overloaded, StepNotAllowed, Unauthenticated
from shared.http import CommandRoute, Reader, Work, link_next, problems
from shared.text import Word
from shared.workflow import StepOut

router = APIRouter(
    prefix="/tips/{tip_id}/deadlines",
    tags=["deadlines"],
    route_class=CommandRoute,
    responses=problems(
        Unauthenticated, Forbidden, NotFound, StepNotAllowed, commands.NotProlongable, KeyReused, Overloaded
    ),
)
queries = APIRouter(tags=["deadlines"], responses=problems(Unauthenticated, Forbidden, ForeignArea, NotFound))


@router.post("/{name}/extend")
async def extend_deadline(
    tip_id: UUID, name: Word, extension: ExtendDeadline, caller: Caller, work: Work
) -> DeadlineOut:
    """Extend a deadline, once, as its rule allows (Criminal Procedure Code, art. 147: up to 2 months, requested 5 days before)."""
    return await commands.extend_deadline(work, caller, tip_id, name, extension)


@router.post("/{name}/complex")
async def mark_complex(tip_id: UUID, name: Word, given: MarkComplex, caller: Caller, work: Work) -> DeadlineOut:
    """Mark what is due as complex: it has the longer time that its rule gives to that."""
    return await commands.mark_complex(work, caller, tip_id, name, given)


@router.post("/{name}/meet")
async def meet_deadline(tip_id: UUID, name: Word, given: MeetDeadline, caller: Caller, work: Work) -> DeadlineOut:
    """Record that what is due was done otherwise than by a step of the tip."""
    return await commands.meet_deadline(work, caller, tip_id, name, given)


@queries.get("/deadlines")
async def list_deadlines(
    query: Annotated[ListDeadlines, Query()], reader: Reader, request: Request, response: Response
) -> DeadlinePage:
    """What is to be done on the tips that the caller may see, the first to end first."""
    page = await reading.list_deadlines(reader, query)
    link_next(request, response, page.items, query.limit, reading.cursor)
    return page


@queries.get("/tips/{tip_id}/deadlines")
async def deadlines_of_tip(tip_id: UUID, reader: Reader) -> list[DeadlineOut]:
    """What is due on a tip, by when, who must do it, and what was in time or late."""
    return await reading.deadlines_of_tip(reader, tip_id)


@queries.get("/tips/{tip_id}/deadlines/{name}/steps")
async def deadline_steps(tip_id: UUID, name: Annotated[Word, Path()], reader: Reader) -> list[StepOut]:
    """What was decided about a deadline: who, when, why, by which decision."""
    return await reading.deadline_steps(reader, tip_id, name)
