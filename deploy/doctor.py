"""`antt doctor`: tells in words what is wrong with a set-up and what to do about it, Vietnamese first, then English.

It looks and changes nothing. A check is a function that yields findings; what runs is the list CHECKS.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
import httpx
import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from obstore.exceptions import BaseError
from obstore.store import LocalStore
from pydantic import ValidationError
from rich.console import Console

from deploy.local.kafka import is_ready
from deploy.local.sockets import is_free
from deploy.starting import is_superuser, refusals
from migrations.run import OLDEST_POSTGRESQL, newest
from services.incidents.deadlines import rules
from shared import units
from shared.access.secrets import PROTECTED, SecretUnusable, check_value, mismatch, read_secret
from shared.database import CLOCKS_MAY_DIFFER, clocks_apart
from shared.log import SOURCES
from shared.log_kafka import topic_of
from shared.outbox import dated_ahead
from shared.settings import LOOPBACK, Service, Settings, is_served
from shared.store import open_store
from shared.working_days import BadFile

SERVICES = get_args(Service)
ENOUGH_DISK = 2 * 1024**3
# Told before writes are refused.
CLOCKS_DIFFER = timedelta(seconds=2)
# A promise to keep a change through a power cut rests on these three.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class Finding(NamedTuple):
    """What was found: `good` is None for what only informs; `do_…` tells how to mend what is wrong."""

    good: bool | None
    vi: str
    en: str
    do_vi: str = ""
    do_en: str = ""


class Place(NamedTuple):
    """What is looked at: the settings, and the port at which `antt run` would serve or serves."""

    settings: Settings
    port: int

    @property
    def running(self) -> bool:
        """Whether an `antt run` holds the data folder."""
        return is_served(self.settings.data)


Check = Callable[[Place], AsyncIterator[Finding]]


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


async def province(place: Place) -> AsyncIterator[Finding]:
    """The province served must be one of an edition."""
    id = place.settings.province
    unit = units.get(id)
    if unit is not None and unit.level == "province":
        yield Finding(True, f"Tỉnh phục vụ: {unit.name} ({id})", f"The province served: {unit.name} ({id})")
        return
    near = get_close_matches(id, [u.id for u in units.search(level="province", limit=1_000)], 1)
    yield Finding(
        False,
        f"Không có tỉnh nào mang mã {id}",
        f"There is no province {id}",
        f"đặt ANTT_PROVINCE, ví dụ {near[0] if near else '2025:79'}",
        f"set ANTT_PROVINCE, as {near[0] if near else '2025:79'}",
    )


async def deadlines(place: Place) -> AsyncIterator[Finding]:
    """The deadlines of tips and the swapped working days must be readable, or incidents does not start."""
    try:
        rules.check(place.settings)
    except BadFile as error:
        yield Finding(
            False,
            f"Thời hạn giải quyết tin báo không đọc được: {error}",
            f"The deadlines of tips cannot be read: {error}",
            "sửa tệp, hoặc bỏ ANTT_DEADLINES, ANTT_SWAPS để dùng thời hạn chung",
            "mend the file, or unset ANTT_DEADLINES or ANTT_SWAPS to take the national ones",
        )
        return
    own = place.settings.deadlines
    yield Finding(
        True,
        f"Thời hạn giải quyết tin báo: {own or 'theo quy định chung'}",
        f"Deadlines of tips: {own or 'the national ones'}",
    )


async def time_zone(place: Place) -> AsyncIterator[Finding]:
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


async def folder(place: Place) -> AsyncIterator[Finding]:
    """Whether the data folder can be used, is in use, and has room."""
    data = place.settings.data.absolute()
    there = next(path for path in (data, *data.parents) if path.exists())
    if place.running:
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


async def secrets(place: Place) -> AsyncIterator[Finding]:
    """The secret behind receipts, and the embedded issuer's key: there, whole, and nobody else's to read."""
    settings = place.settings
    own = not settings.secret_key_file
    secret = settings.keys / "secret" if own else Path(settings.secret_key_file)
    if secret.exists():
        length = secret.stat().st_size
        yield Finding(
            length == 32,
            f"Khóa bí mật {secret}: {length} byte",
            f"The secret has {length} bytes",
            "phải đúng 32 byte: phục hồi từ bản sao lưu; khóa mới làm mất mọi mã biên nhận cũ",
            "it must have 32: restore it from a backup; a new one makes all old receipts void",
        )
    elif own:
        yield Finding(None, "Khóa bí mật: chưa có", "No secret yet: `antt run` makes it")
    else:
        yield Finding(
            False, f"Không có tệp {secret}", f"{secret} is not there", "xem ANTT_SECRET_KEY_FILE", "see ANTT_SECRET_KEY_FILE"
        )  # fmt: skip
    for file in (secret, settings.keys / "issuer.json"):
        if file.exists() and file.stat().st_mode & 0o077:
            yield Finding(
                False, f"Người khác đọc được {file}", f"Others may read {file}", f"chmod 600 {file}", f"chmod 600 {file}"
            )  # fmt: skip


async def production(place: Place) -> AsyncIterator[Finding]:
    """What would not be started with these settings, outside a local run."""
    for reason in refusals(place.settings):
        yield Finding(
            False, "Ngoài máy thử, cấu hình này không được khởi động", f"Not started: {reason}",
            "xem docs/operator/settings.md", "see docs/operator/settings.md",
        )  # fmt: skip


async def overlooked(place: Place) -> AsyncIterator[Finding]:
    """What works on one machine by default, and is easily forgotten elsewhere."""
    settings = place.settings
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
            "FORWARDED_ALLOW_IPS is not set: only an ingress on this machine tells who asks",
        )  # fmt: skip


async def keys(place: Place) -> AsyncIterator[Finding]:
    """The JWKS that tokens are checked against."""
    own = place.settings.keys / "jwks.json"
    source = place.settings.jwks or str(own)
    if not place.settings.jwks and not own.exists():
        yield Finding(None, "Khóa cấp mã truy cập: chưa có", "No issuer's key yet: `antt run` makes it")
        return
    try:
        if source.startswith(("http://", "https://")):
            async with httpx.AsyncClient(timeout=5) as client:
                text = (await client.get(source)).raise_for_status().content
        else:
            text = Path(source).read_bytes()  # noqa: ASYNC240 (a small local file, once)
        count = len(KeySet.import_key_set(msgspec.json.decode(text)).keys)
    except (httpx.HTTPError, OSError, JoseError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        yield Finding(
            False, f"Không đọc được JWKS {source}", f"The JWKS cannot be read: {reason}", "xem ANTT_JWKS", "see ANTT_JWKS"
        )  # fmt: skip
    else:
        yield Finding(
            count > 0, f"JWKS có {count} khóa", f"The JWKS has {count} keys", "xem ANTT_JWKS", "see ANTT_JWKS"
        )


async def databases(place: Place) -> AsyncIterator[Finding]:
    """Each service's database: there, new enough, durable, migrated, at the right time, with room for events."""
    urls: dict[str, Service] = {}
    for service in SERVICES:
        try:
            url = place.settings.database_url(service)
        except FileNotFoundError:
            yield Finding(None, f"PostgreSQL của {service}: chưa chạy", "embedded: `antt run` starts it")
            continue
        variable = f"ANTT_{service.upper()}_DATABASE_URL"
        if url in urls:
            yield Finding(
                False, f"{service} và {urls[url]} dùng chung cơ sở dữ liệu", f"{service} and {urls[url]} share a database",
                f"mỗi dịch vụ một cơ sở dữ liệu: {variable}", f"give each its own: {variable}",
            )  # fmt: skip
        urls[url] = service
        try:
            connection = await asyncpg.connect(url, timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
            embedded = not getattr(place.settings, f"{service}_database_url")
            if embedded and not place.running:
                yield Finding(None, f"PostgreSQL của {service}: chưa chạy", "embedded: `antt run` starts it")
                continue
            yield Finding(
                False, f"Không kết nối được cơ sở dữ liệu {service}", f"{service}: {type(error).__name__}: {error}",
                f"xem {variable}, mạng và máy chủ PostgreSQL", f"see {variable}, the network and the server",
            )  # fmt: skip
            continue
        try:
            async for finding in database(connection, service):
                yield finding
            async for finding in written_with(connection, service, place.settings):
                yield finding
        finally:
            await connection.close()


async def database(connection: asyncpg.Connection, service: Service) -> AsyncIterator[Finding]:
    """One database that answers."""
    number = int(await connection.fetchval("SHOW server_version_num"))
    yield Finding(
        number >= OLDEST_POSTGRESQL,
        f"{service}: PostgreSQL {number // 10_000}.{number % 10_000}",
        f"{service}: PostgreSQL answers",
        f"cần PostgreSQL {OLDEST_POSTGRESQL // 10_000} trở lên",
        f"PostgreSQL {OLDEST_POSTGRESQL // 10_000} or newer is needed",
    )
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", list(DURABLE))
    for row in rows:
        if row["setting"] != DURABLE[row["name"]]:
            yield Finding(
                False,
                f"{service}: {row['name']} = {row['setting']}, mất điện là mất dữ liệu đã nhận",
                f"{service}: {row['name']} is {row['setting']}; a power cut loses what was acknowledged",
                f"đặt {row['name']} = on",
                f"set {row['name']} = on",
            )
    told = await connection.fetchval(
        "SELECT string_agg(name, ', ') FROM pg_settings WHERE name = 'log_error_verbosity' AND setting <> 'terse' "
        "OR name = 'log_parameter_max_length_on_error' AND setting <> '0'"
    )
    if told:
        yield Finding(
            False,
            f"{service}: nhật ký PostgreSQL có thể chứa dữ liệu cá nhân ({told})",
            f"{service}: the log of PostgreSQL may tell what persons wrote ({told})",
            "đặt log_error_verbosity = terse, log_parameter_max_length_on_error = 0",
            "set log_error_verbosity = terse, log_parameter_max_length_on_error = 0",
        )
    if (apart := await clocks_apart(connection)) > CLOCKS_DIFFER:
        yield Finding(
            False,
            f"{service}: đồng hồ lệch {apart.total_seconds():.0f} giây",
            f"{service}: its clock differs by {apart.total_seconds():.0f} s",
            "bật NTP trên cả hai máy",
            "run NTP on both machines",
        )
    if (
        await connection.fetchval("SELECT to_regclass('outbox_clock')")
        and (ahead := await dated_ahead(connection)) > CLOCKS_MAY_DIFFER
    ):
        yield Finding(
            False,
            f"{service}: sự kiện được ghi ngày trước {ahead.total_seconds():,.0f} giây so với đồng hồ",
            f"{service}: events are dated {ahead.total_seconds():,.0f} s ahead of the clock",
            f"khi đồng hồ đã đúng: antt recover --service {service} --redate, rồi antt rebuild",
            f"once the clock is right: antt recover --service {service} --redate, then antt rebuild",
        )
    head = newest(service)
    try:
        version = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        version = None
    yield Finding(
        version == head,
        f"{service}: bảng ở phiên bản {version or 'chưa tạo'}",
        f"{service}: tables are at version {version or 'none'}" + ("" if version == head else f", not {head}"),
        "chạy antt migrate (nếu mới hơn: nâng cấp antt)",
        "run antt migrate (if they are newer: upgrade antt)",
    )
    if service in SOURCES and version is not None:
        ahead = await connection.fetchval(
            """SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = to_regclass('outbox') AND c.relname > 'outbox_' || to_char(now(), 'YYYY_MM')"""
        )
        if ahead < 2:
            yield Finding(
                False,
                f"{service}: outbox chỉ còn {ahead} tháng phía trước",
                f"{service}: the outbox has room for {ahead} months ahead",
                "khởi động lại dịch vụ: nó tự tạo 13 tháng",
                "restart the service: it makes 13 months",
            )


async def written_with(connection: asyncpg.Connection, service: Service, settings: Settings) -> AsyncIterator[Finding]:
    """Whether the database was written with the secret that is here, and by whom."""
    if not settings.local and await is_superuser(connection):
        yield Finding(
            False,
            f"{service}: kết nối bằng superuser của PostgreSQL",
            f"{service}: connects as a superuser of PostgreSQL",
            "dùng vai trò chỉ sở hữu cơ sở dữ liệu này",
            "use a role that owns this database and no more",
        )
    try:
        known = await connection.fetchval("SELECT value FROM secret_check") if service in PROTECTED else None
        same = known is None or known == check_value(read_secret(settings))
    except (asyncpg.UndefinedTableError, SecretUnusable):
        # Said above: not migrated, or no secret.
        return
    if not same:
        yield Finding(
            False,
            f"{service}: khóa bí mật không phải khóa đã dùng để ghi cơ sở dữ liệu",
            f"{service}: {mismatch(service, settings)}",
            "phục hồi khóa từ bản sao lưu",
            "restore the secret from its backup",
        )


async def kafka(place: Place) -> AsyncIterator[Finding]:
    """The broker and the topics, where events travel over Kafka."""
    settings = place.settings
    if settings.log != "kafka":
        return
    bootstrap = settings.bootstrap
    if not settings.kafka_bootstrap and not place.running:
        yield Finding(None, "Kafka: chưa chạy", "embedded: `antt run --log kafka` starts it")
        return
    brokers = [broker.strip() for broker in bootstrap.split(",") if broker.strip()] or [""]
    answered = await asyncio.gather(*(asyncio.to_thread(is_ready, broker) for broker in brokers))
    there = ", ".join(broker for broker, answers in zip(brokers, answered, strict=True) if answers)
    gone = ", ".join(broker for broker, answers in zip(brokers, answered, strict=True) if not answers)
    if there:
        yield Finding(True, f"Kafka trả lời ở {there}", f"Kafka answers at {there}")
    if gone:
        # One of several may be down without harm: clients learn of all of them from any.
        yield Finding(
            None if there else False, f"Kafka không trả lời ở {gone}", f"Kafka does not answer at {gone}",
            "xem ANTT_KAFKA_BOOTSTRAP, mạng và máy chủ Kafka", "see ANTT_KAFKA_BOOTSTRAP, the network and the broker",
        )  # fmt: skip
    if not there:
        return
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await admin.start()
        for source in SOURCES:
            async for finding in topic(admin, topic_of(settings, source)):
                yield finding
    except KafkaError as error:
        yield Finding(False, "Kafka từ chối", f"Kafka refuses: {error}", "xem quyền truy cập", "see its access rules")
    finally:
        await admin.close()


async def topic(admin: Any, name: str) -> AsyncIterator[Finding]:
    """One source's topic: one partition keeps the order, and nothing is dropped for its age or size."""
    (described,) = await admin.describe_topics([name])
    if described["error_code"]:
        yield Finding(None, f"Chủ đề {name}: chưa có", f"topic {name} is not there yet: the relay makes it")
        return
    partitions = len(described["partitions"])
    yield Finding(
        partitions == 1,
        f"Chủ đề {name}: {partitions} phân vùng",
        f"topic {name} has {partitions} partitions",
        "phải đúng một phân vùng: xóa chủ đề, antt relay sẽ tạo và chép lại từ outbox",
        "it must have one: delete the topic, antt relay makes it anew from the outbox",
    )
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    kept = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    for setting, wanted in (("retention.ms", "-1"), ("retention.bytes", "-1"), ("cleanup.policy", "delete")):
        if kept.get(setting) != wanted:
            yield Finding(
                False,
                f"Chủ đề {name}: {setting} = {kept.get(setting)}, sự kiện sẽ bị xóa",
                f"topic {name}: {setting} is {kept.get(setting)}; events will be dropped",
                f"đặt {setting}={wanted}",
                f"set {setting}={wanted}",
            )


async def files(place: Place) -> AsyncIterator[Finding]:
    """Whether the store of files can be opened and read, and a folder written."""
    settings = place.settings
    if not settings.store and not (settings.data / "store").exists():
        yield Finding(None, "Kho lưu tệp: chưa có", "No store of files yet: the first file makes it")
        return
    named = settings.store or str(settings.data / "store")
    try:
        opened = open_store(settings)
        async with asyncio.timeout(15):
            await anext(aiter(opened.list(chunk_size=1)), None)
        folder = getattr(opened, "prefix", None) if isinstance(opened, LocalStore) else None
        writable = folder is None or os.access(folder, os.W_OK | os.X_OK)
    except (BaseError, OSError, ValueError) as error:
        yield Finding(
            False,
            f"Kho lưu tệp {named} không mở được",
            f"The store of files {named} cannot be used: {type(error).__name__}",
            "xem ANTT_STORE, các biến AWS_… và quyền truy cập",
            "see ANTT_STORE, the variables AWS_… and who may read there",
        )
        return
    yield Finding(
        writable,
        f"Kho lưu tệp {named}" + ("" if writable else " không ghi được"),
        f"The store of files {named} " + ("answers" if writable else "is not writable"),
        "đổi quyền của thư mục",
        "chown the folder",
    )


async def ports(place: Place) -> AsyncIterator[Finding]:
    """Whether the ports of `antt run` are free, or serve what they should."""
    steps = range(1 if place.settings.log == "embedded" else len(SERVICES))
    for port in (place.port + step for step in steps):
        if is_free(port):
            if place.running:
                yield Finding(None, f"Cổng {port}: không ai nghe", f"Nobody listens at {port}: see --port")
            else:
                yield Finding(True, f"Cổng {port} còn trống", f"Port {port} is free")
            continue
        told_down = await asyncio.gather(*(ready(port, service) for service in SERVICES))
        answers = {s: down for s, down in zip(SERVICES, told_down, strict=True) if down is not None}
        if not answers:
            yield Finding(
                False, f"Cổng {port} do chương trình khác dùng", f"Another program listens at {port}",
                "chọn cổng khác bằng --port", "choose another with --port",
            )  # fmt: skip
        for service, down in answers.items():
            told = "; ".join(f"{part}: {why}" for part, why in down.items())
            yield Finding(
                not down,
                f"{service} ở cổng {port}" + (": chưa sẵn sàng" if down else " sẵn sàng"),
                f"{service} at {port} " + (f"is not ready: {told}" if down else "is ready"),
                f"xem {place.settings.data / 'logs'}",
                f"see {place.settings.data / 'logs'}",
            )


async def ready(port: int, service: Service) -> dict[str, str] | None:
    """What a service says is down; None where no service of ours answers."""
    try:
        async with httpx.AsyncClient(timeout=3, base_url=f"http://localhost:{port}/{service}/health") as client:
            told = await client.get("/status")
            if told.status_code == 404:
                # Outside a local run its port tells no more than whether it is ready.
                answer = (await client.get("/ready")).json()["status"]
                return {} if answer == "ready" else {"service": str(answer)}
            down = told.json()["down"]
            return down if isinstance(down, dict) else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


CHECKS: list[Check] = [
    # What is not started at all comes first.
    production,
    overlooked,
    province,
    deadlines,
    time_zone,
    folder,
    secrets,
    keys,
    databases,
    kafka,
    files,
    ports,
]


async def findings(port: int | None) -> list[Finding]:
    """All that is found; only the variables where these cannot be read."""
    found = variables()
    try:
        settings = Settings()
        place = Place(settings, port or urlsplit(settings.teams_url).port or 8000)
    except ValidationError:
        return found
    for check in CHECKS:
        found += [finding async for finding in check(place)]
    return found


def doctor(port: int | None, console: Console | None = None) -> int:
    """Tell all findings; 1 if something is wrong."""
    console = console or Console(highlight=False, soft_wrap=True)
    found = asyncio.run(findings(port))
    for finding in found:
        sign = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: "[dim]·[/]"}[finding.good]
        console.print(sign, end=" ")
        console.print(finding.vi, style="bold" if finding.good is False else "", end=" ", markup=False)
        console.print(f"· {finding.en}", style="dim", markup=False)
        if finding.good is False:
            console.print(f"    → {finding.do_vi} · {finding.do_en}", style="yellow", markup=False)
    wrong = sum(finding.good is False for finding in found)
    if wrong:
        console.print(f"\n{wrong} điều cần sửa · {wrong} to mend", style="bold red")
    else:
        console.print("\nKhông thấy gì sai · Nothing is wrong", style="bold green")
    return 1 if wrong else 0
