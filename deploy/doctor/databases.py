"""The database of each service."""

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg

from deploy.doctor.finding import SERVICES, Finding, Installation
from deploy.starting import is_superuser
from migrations.run import OLDEST_POSTGRESQL, newest
from shared.access.secrets import PROTECTED, SecretUnusable, check_value, mismatch, read_secret
from shared.database import CLOCKS_MAY_DIFFER, clocks_apart
from shared.events import REPORTING
from shared.outbox import dated_ahead
from shared.settings import Service, Settings

# Found before writes are refused.
CLOCKS_DIFFER = timedelta(seconds=2)
# A promise to keep a change through a power cut rests on these three.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


async def every_database(installation: Installation) -> AsyncIterator[Finding]:
    """Each service's database: there, new enough, durable, migrated, at the right time, with room for events."""
    urls: dict[str, Service] = {}
    for service in SERVICES:
        try:
            url = installation.settings.database_url(service)
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
            embedded = not getattr(installation.settings, f"{service}_database_url")
            if embedded and not installation.running:
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
            async for finding in written_with(connection, service, installation.settings):
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
    revealing = await connection.fetchval(
        "SELECT string_agg(name, ', ') FROM pg_settings WHERE name = 'log_error_verbosity' AND setting <> 'terse' "
        "OR name = 'log_parameter_max_length_on_error' AND setting <> '0'"
    )
    if revealing:
        yield Finding(
            False,
            f"{service}: nhật ký PostgreSQL có thể chứa dữ liệu cá nhân ({revealing})",
            f"{service}: the log of PostgreSQL may hold what persons wrote ({revealing})",
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
    if service in REPORTING and version is not None:
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
