"""The HTTP side of training."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.teams.corrections import CorrectionOut, Withdraw
from services.teams.errors import CertificateStands, NotMemberThen, RecordWithdrawn
from services.teams.training import commands, reading
from services.teams.training.schemas import (
    CertificateOut,
    CertificatePage,
    CorrectCertificate,
    CorrectTraining,
    ExportCertificates,
    ExportClasses,
    HoldTraining,
    IssueCertificate,
    ListCertificates,
    ListTrainingClasses,
    RevokeCertificate,
    SearchCertificates,
    SearchClasses,
    TrainingClassOut,
    TrainingClassPage,
)
from shared import listing
from shared.access import Caller
from shared.errors import Changed, Conflict, Forbidden, KeyReused, NotFound, Overloaded, StepNotAllowed, Unauthenticated
from shared.http import CommandRoute, Reader, Work, link_next, problems
from shared.listing import Count
from shared.references import ReferenceKnown

router = APIRouter(
    tags=["training"],
    route_class=CommandRoute,
    responses=problems(Unauthenticated, Forbidden, NotFound, KeyReused, Overloaded),
)
queries = APIRouter(tags=["training"], responses=problems(Unauthenticated, Forbidden, NotFound))


@router.post("/training-classes", status_code=201, responses=problems(ReferenceKnown))
async def hold_training(training: HoldTraining, caller: Caller, work: Work) -> TrainingClassOut:
    """Enter a training class (lớp tập huấn) that was held in a commune, district or province."""
    return await commands.hold_training(work, caller, training)


@router.post("/training-classes/{class_id}/correct", responses=problems(CertificateStands, Changed, RecordWithdrawn))
async def correct_training(class_id: UUID, correction: CorrectTraining, caller: Caller, work: Work) -> TrainingClassOut:
    """Set right what was entered wrongly of a class, with the reason; the figures follow."""
    return await commands.correct_training(work, caller, class_id, correction)


@router.post("/training-classes/{class_id}/withdraw", responses=problems(CertificateStands, Changed, RecordWithdrawn))
async def withdraw_training(class_id: UUID, withdrawal: Withdraw, caller: Caller, work: Work) -> TrainingClassOut:
    """Take a class back that was not held or was entered twice; its certificates are revoked before."""
    return await commands.withdraw_training(work, caller, class_id, withdrawal)


@router.post("/certificates", status_code=201, responses=problems(NotMemberThen, Conflict, ReferenceKnown))
async def issue_certificate(certificate: IssueCertificate, caller: Caller, work: Work) -> CertificateOut:
    """Give a member the certificate of a class (giấy chứng nhận tập huấn): one for each member and class."""
    return await commands.issue_certificate(work, caller, certificate)


@router.post("/certificates/{certificate_id}/revoke", responses=problems(StepNotAllowed, Changed))
async def revoke_certificate(
    certificate_id: UUID, revocation: RevokeCertificate, caller: Caller, work: Work
) -> CertificateOut:
    """Take a certificate back, with the reason; it no longer counts, and the member may be given another."""
    return await commands.revoke_certificate(work, caller, certificate_id, revocation)


@router.post("/certificates/{certificate_id}/correct", responses=problems(NotMemberThen, StepNotAllowed, Changed))
async def correct_certificate(
    certificate_id: UUID, correction: CorrectCertificate, caller: Caller, work: Work
) -> CertificateOut:
    """Set right the number or the day of issue, with the reason."""
    return await commands.correct_certificate(work, caller, certificate_id, correction)


@queries.get("/training-classes")
async def list_training_classes(
    query: Annotated[ListTrainingClasses, Query()], reader: Reader, request: Request, response: Response
) -> TrainingClassPage:
    """Training classes that the caller may see, in the order of their entry."""
    items = await reading.CLASSES.page(reader, query)
    link_next(request, response, items, query.limit)
    return TrainingClassPage(items=items)


@queries.get("/training-classes/count")
async def count_training_classes(query: Annotated[SearchClasses, Query()], reader: Reader) -> Count:
    """How many classes the same list holds on all its pages."""
    return await reading.CLASSES.count(reader, query)


@queries.get("/training-classes/export", response_class=StreamingResponse, responses=listing.ANSWERS)
async def export_training_classes(query: Annotated[ExportClasses, Query()], reader: Reader) -> StreamingResponse:
    """The same list as a file, CSV or XLSX with Vietnamese titles or NDJSON."""
    return await reading.CLASSES.export(reader, query)


@queries.get("/certificates")
async def list_certificates(
    query: Annotated[ListCertificates, Query()], reader: Reader, request: Request, response: Response
) -> CertificatePage:
    """Certificates that the caller may see, revoked ones too, in the order of their entry."""
    items = await reading.CERTIFICATES.page(reader, query)
    link_next(request, response, items, query.limit)
    return CertificatePage(items=items)


@queries.get("/certificates/count")
async def count_certificates(query: Annotated[SearchCertificates, Query()], reader: Reader) -> Count:
    """How many certificates the same list holds on all its pages."""
    return await reading.CERTIFICATES.count(reader, query)


@queries.get("/certificates/export", response_class=StreamingResponse, responses=listing.ANSWERS)
async def export_certificates(query: Annotated[ExportCertificates, Query()], reader: Reader) -> StreamingResponse:
    """The same list as a file, CSV or XLSX with Vietnamese titles or NDJSON."""
    return await reading.CERTIFICATES.export(reader, query)


@queries.get("/certificates/{certificate_id}")
async def read_certificate(certificate_id: UUID, reader: Reader, response: Response) -> CertificateOut:
    """One certificate; its ETag names the version."""
    certificate = await reading.read_certificate(reader, certificate_id)
    response.headers["ETag"] = f'"{certificate.version}"'
    return certificate


@queries.get("/training-classes/{class_id}/corrections")
async def training_corrections(class_id: UUID, reader: Reader) -> list[CorrectionOut]:
    """What was corrected of the class or withdrawn: who, when and why, oldest first."""
    return await reading.training_corrections(reader, class_id)


@queries.get("/certificates/{certificate_id}/corrections")
async def certificate_corrections(certificate_id: UUID, reader: Reader) -> list[CorrectionOut]:
    """What was corrected of the certificate: who, when and why, oldest first."""
    return await reading.certificate_corrections(reader, certificate_id)
