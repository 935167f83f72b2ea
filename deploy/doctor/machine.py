"""The machine: its time zones, its data folder, and the ports at which services answer."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

from deploy.doctor.finding import SERVICES, Finding, Installation
from deploy.local.sockets import is_free
from shared.settings import Service

ENOUGH_DISK = 2 * 1024**3


async def time_zone(installation: Installation) -> AsyncIterator[Finding]:
    """Civil days need the zone of Viet Nam."""
    try:
        right = ZoneInfo("Asia/Ho_Chi_Minh").utcoffset(datetime(2026, 1, 1)) == timedelta(hours=7)  # noqa: DTZ001
    except (ZoneInfoNotFoundError, ValueError):
        right = False
    yield Finding(
        right,
        "Dữ liệu múi giờ Việt Nam" + ("" if right else ": thiếu hoặc sai"),
        "Time zone data of Viet Nam" + ("" if right else ": missing or wrong"),
        "cài lại gói tzdata (make install)",
        "install tzdata again (make install)",
    )


async def folder(installation: Installation) -> AsyncIterator[Finding]:
    """Whether the data folder can be used, is in use, and has room."""
    data = installation.settings.data.absolute()
    there = next(path for path in (data, *data.parents) if path.exists())
    if installation.running:
        holder = (data / "run.lock").read_text().strip()
        yield Finding(None, f"{data}: antt run đang chạy (tiến trình {holder})", f"served by process {holder}")
    elif data.exists():
        yield Finding(None, f"{data}: chưa chạy", "not running; `antt run` serves it")
    else:
        yield Finding(None, f"{data}: chưa có", "not there yet; `antt run` makes it")
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            False, f"Không ghi được vào {there}", f"{there} is not writable", "đổi quyền hoặc ANTT_DATA", "chown it, or set ANTT_DATA"
        )  # fmt: skip
    free = shutil.disk_usage(there).free
    yield Finding(
        free >= ENOUGH_DISK,
        f"Đĩa còn trống {free / 1024**3:.1f} GiB",
        f"{free / 1024**3:.1f} GiB of disk are free",
        f"cần ít nhất {ENOUGH_DISK // 1024**3} GiB: dọn đĩa hoặc đổi ANTT_DATA",
        f"at least {ENOUGH_DISK // 1024**3} GiB are needed: make room, or set ANTT_DATA",
    )


async def ports(installation: Installation) -> AsyncIterator[Finding]:
    """Whether the ports of `antt run` are free, or serve what they should."""
    steps = range(1 if installation.settings.log == "embedded" else len(SERVICES))
    for port in (installation.port + step for step in steps):
        if is_free(port):
            if installation.running:
                yield Finding(None, f"Cổng {port}: không ai nghe", f"Nobody listens at {port}: see --port")
            else:
                yield Finding(True, f"Cổng {port} còn trống", f"Port {port} is free")
            continue
        reports = await asyncio.gather(*(ready(port, service) for service in SERVICES))
        answers = {s: down for s, down in zip(SERVICES, reports, strict=True) if down is not None}
        if not answers:
            yield Finding(
                False, f"Cổng {port} do chương trình khác dùng", f"Another program listens at {port}",
                "chọn cổng khác bằng --port", "choose another with --port",
            )  # fmt: skip
        for service, down in answers.items():
            reasons = "; ".join(f"{part}: {why}" for part, why in down.items())
            yield Finding(
                not down,
                f"{service} ở cổng {port}" + (": chưa sẵn sàng" if down else " sẵn sàng"),
                f"{service} at {port} " + (f"is not ready: {reasons}" if down else "is ready"),
                f"xem {installation.settings.data / 'logs'}",
                f"see {installation.settings.data / 'logs'}",
            )


async def ready(port: int, service: Service) -> dict[str, str] | None:
    """What a service says is down; None where no service of ours answers."""
    try:
        async with httpx.AsyncClient(timeout=3, base_url=f"http://localhost:{port}/{service}/health") as client:
            status = await client.get("/status")
            if status.status_code == 404:
                # Outside a local run its port says no more than whether it is ready.
                answer = (await client.get("/ready")).json()["status"]
                return {} if answer == "ready" else {"service": str(answer)}
            down = status.json()["down"]
            return down if isinstance(down, dict) else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
