"""What is set: variables, the province, deadlines, and what production needs."""

import os
from collections.abc import AsyncIterator
from difflib import get_close_matches
from urllib.parse import urlsplit

from pydantic import ValidationError

from deploy.doctor.finding import Finding, Installation
from deploy.starting import refusals
from services.incidents.deadlines import rules
from shared import units
from shared.settings import LOOPBACK, Settings
from shared.working_days import BadFile


def variables() -> list[Finding]:
    """Environment variables that are no setting, and settings that cannot be read."""
    known = [f"ANTT_{name.upper()}" for name in Settings.model_fields]
    found = []
    for name in sorted(os.environ):
        if name.startswith("ANTT_") and name not in known:
            near = get_close_matches(name, known, 1)
            do = (f"có phải là {near[0]}?", f"did you mean {near[0]}?") if near else ("xóa biến này", "remove it")
            found.append(Finding(False, f"{name} không phải là thiết lập", f"{name} is no setting", *do))
    try:
        Settings()
    except ValidationError as error:
        for wrong in error.errors():
            name = "_".join(["ANTT", *(str(part).upper() for part in wrong["loc"])])
            do = ("xem docs/operator/settings.md", "see docs/operator/settings.md")
            found.append(Finding(False, f"{name} không đọc được", f"{name}: {wrong['msg']}", *do))
    return found or [Finding(True, "Các biến ANTT_ đều đúng", "Every ANTT_ variable is a setting")]


async def production(installation: Installation) -> AsyncIterator[Finding]:
    """What would not be started with these settings, outside a local run."""
    for reason in refusals(installation.settings):
        yield Finding(
            False, "Ngoài máy thử, cấu hình này không được khởi động", f"Not started: {reason}",
            "xem docs/operator/settings.md", "see docs/operator/settings.md",
        )  # fmt: skip


async def overlooked(installation: Installation) -> AsyncIterator[Finding]:
    """What works on one machine by default, and is easily forgotten elsewhere."""
    settings = installation.settings
    if settings.log == "embedded" and settings.kafka_bootstrap:
        yield Finding(
            False, "Có ANTT_KAFKA_BOOTSTRAP nhưng ANTT_LOG là embedded: sự kiện không qua Kafka",
            "ANTT_KAFKA_BOOTSTRAP is set and ANTT_LOG is embedded: no event goes over Kafka",
            "đặt ANTT_LOG=kafka cho mọi tiến trình, hoặc bỏ ANTT_KAFKA_BOOTSTRAP",
            "set ANTT_LOG=kafka for every process, or unset ANTT_KAFKA_BOOTSTRAP",
        )  # fmt: skip
    elif settings.log == "embedded" and not settings.local:
        yield Finding(
            None, "ANTT_LOG là embedded: chỉ dùng khi mọi dịch vụ chạy trong một tiến trình (antt serve all)",
            "ANTT_LOG is embedded: right where one process serves all (antt serve all), otherwise set ANTT_LOG=kafka",
        )  # fmt: skip
    if (urlsplit(settings.public_url).hostname or "localhost") in LOOPBACK and not settings.local:
        yield Finding(
            False, f"ANTT_PUBLIC_URL là {settings.public_url}: giấy xác nhận và mã QR không dẫn tới đâu",
            f"ANTT_PUBLIC_URL is {settings.public_url}: papers and QR codes lead nowhere",
            "đặt ANTT_PUBLIC_URL là địa chỉ mà người dân mở được", "set ANTT_PUBLIC_URL to what the public can open",
        )  # fmt: skip
    # uvicorn's own variable.
    trusted = os.environ.get("FORWARDED_ALLOW_IPS", "")
    if not trusted and settings.host not in LOOPBACK:
        yield Finding(
            False, "Chưa đặt FORWARDED_ALLOW_IPS: sau ingress, mọi người dân mang chung địa chỉ của ingress và chung giới hạn",
            "FORWARDED_ALLOW_IPS is not set: behind an ingress everybody has its address, and shares its limits",
            "đặt địa chỉ của ingress (không có ingress: 127.0.0.1)", "set the ingress's addresses (without one: 127.0.0.1)",
        )  # fmt: skip
    elif not trusted and settings.public_url.startswith("https://"):
        yield Finding(
            None, "FORWARDED_ALLOW_IPS chưa đặt: chỉ tin ingress trên cùng máy này",
            "FORWARDED_ALLOW_IPS is not set: only an ingress on this machine is believed",
        )  # fmt: skip


async def province(installation: Installation) -> AsyncIterator[Finding]:
    """The province served must be one of an edition."""
    id = installation.settings.province
    unit = units.get(id)
    if unit is not None and unit.level == "province":
        yield Finding(True, f"Tỉnh phục vụ: {unit.name} ({id})", f"The province served: {unit.name} ({id})")
        return
    provinces = [province.id for province in units.search(level="province", limit=1_000)]
    near = next(iter(get_close_matches(id, provinces, 1)), provinces[-1])
    yield Finding(
        False,
        f"Không có tỉnh nào mang mã {id}",
        f"There is no province {id}",
        f"đặt ANTT_PROVINCE, ví dụ {near}",
        f"set ANTT_PROVINCE, as {near}",
    )


async def deadlines(installation: Installation) -> AsyncIterator[Finding]:
    """The deadlines of tips and the swapped working days must be readable, or incidents does not start."""
    try:
        rules.check(installation.settings)
    except BadFile as error:
        yield Finding(
            False,
            f"Thời hạn giải quyết tin báo không đọc được: {error}",
            f"The deadlines of tips cannot be read: {error}",
            "sửa tệp, hoặc bỏ ANTT_DEADLINES, ANTT_SWAPS để dùng thời hạn chung",
            "mend the file, or unset ANTT_DEADLINES or ANTT_SWAPS to take the national ones",
        )
        return
    own = installation.settings.deadlines
    yield Finding(
        True,
        f"Thời hạn giải quyết tin báo: {own or 'theo quy định chung'}",
        f"Deadlines of tips: {own or 'the national ones'}",
    )
