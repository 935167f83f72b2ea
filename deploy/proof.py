"""What `antt rebuild`, `verify`, `recover` and `dead-letters` print for a person: Vietnamese first, then English."""

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import asyncpg
import httpx
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from deploy import recovery
from deploy.local import NotStarted
from services.stats import counting
from services.stats.proof import dead_letters
from services.stats.proof import rebuild as rebuilding
from services.stats.proof import verify as verifying
from services.stats.proof.differences import Comparison, Difference
from shared.access.issuer import NoIssuer
from shared.database import UNAVAILABLE
from shared.errors import ClocksDiffer, DatabaseUnavailable
from shared.events import UnknownEvent
from shared.log import CountedBeyondRecovery, GapInLog, SourceWentBack
from shared.logs import configure_logs
from shared.settings import Service, settings

_console = Console(highlight=False)

# What a person can mend, each with what to do.
_MENDED_BY: dict[type[Exception], str] = {
    SourceWentBack: "Cơ sở dữ liệu nguồn đã bị khôi phục: chạy antt recover · A source was restored: run antt recover",
    CountedBeyondRecovery: "Nguồn đã mở thế hệ mới: chạy antt rebuild · A source began a new generation: run antt rebuild",
    GapInLog: "Nhật ký thiếu sự kiện: xem antt relay · The log lacks events: look after antt relay",
    rebuilding.LogIsSilent: "Nhật ký im lặng: xem antt relay · The log is silent: look after antt relay",
    rebuilding.RebuildRunning: "Một lần đếm lại khác đang chạy · Another rebuild is at work",
    verifying.RecountRefused: "Dịch vụ không kiểm đếm: xem ANTT_TOKEN, ANTT_TEAMS_URL, ANTT_INCIDENTS_URL · "
    "A service did not recount: see ANTT_TOKEN, ANTT_TEAMS_URL, ANTT_INCIDENTS_URL",
    verifying.NotTheSameOutbox: "Không so được: bảng của nguồn không còn điều đã đếm; antt recover, antt rebuild · "
    "Not comparable: a source's tables lack what was counted; antt recover, then antt rebuild",
    recovery.NothingRestored: "Không có gì bị khôi phục; --force vẫn mở thế hệ mới · "
    "Nothing was restored; --force opens a new generation all the same",
    recovery.NothingAhead: "Không có sự kiện nào ghi ngày ở tương lai · No event is dated in the future",
    ClocksDiffer: "Đồng hồ của máy này và của cơ sở dữ liệu lệch nhau: bật NTP trước · "
    "The clocks of this machine and the database differ: run NTP first",
    asyncpg.LockNotAvailableError: "Sổ sự kiện đang bận; hãy thử lại · The outbox is busy; try again",
    UnknownEvent: "Nguồn mới hơn bản này: nâng cấp stats · A source is newer than this version: upgrade stats",
    counting.TooManyDeadLetters: "Quá nhiều sự kiện liên tiếp không đếm được · Too many events in a row fail",
    NoIssuer: "Cần mã truy cập của operator: xem ANTT_TOKEN · A token of an operator is needed: see ANTT_TOKEN",
    DatabaseUnavailable: "Cơ sở dữ liệu không trả lời · A database does not answer",
}

Result = TypeVar("Result")


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it; what a person can mend is said in words."""
    # The tables say what the log would say once more.
    configure_logs("critical")
    try:
        return uvloop.run(work)
    except tuple(_MENDED_BY) as error:
        raise NotStarted(f"{_MENDED_BY[type(error)]}\n      {error}") from error
    except UNAVAILABLE as error:
        raise NotStarted(f"{_MENDED_BY[DatabaseUnavailable]}\n      {error}") from error


def rebuild() -> None:
    """Count anew, swap, and print what differs."""
    done = _run(rebuilding.rebuild(settings()))
    _console.print(f"Đã đếm lại {_number(done.events)} sự kiện · {_number(done.events)} events counted anew")
    if done.new_indicators:
        _console.print(f"Chỉ tiêu mới · New indicators: {', '.join(done.new_indicators)}")
    _print_comparison(done.comparison, "trước", "was", "nay", "is")
    _print_uncounted(done.uncounted)
    _run(rebuilding.remove_old_sets(settings()))


def verify() -> int:
    """Compare the counters with the recounts and print what differs; the exit code."""

    async def work() -> verifying.Verified:
        async with httpx.AsyncClient(timeout=httpx.Timeout(10, read=300)) as http:
            return await verifying.verify(settings(), http)

    done = _run(work())
    table = Table("Nguồn\nSource", "Bộ đếm\nCounters", "Kiểm đếm\nRecount", box=box.SIMPLE)
    for source, positions in done.positions.items():
        table.add_row(source.label, *(f"{position.generation}:{position.seq}" for position in positions))
    _console.print(table)
    _print_comparison(done.comparison, "bộ đếm", "counters", "kiểm đếm", "recount")
    if done.months.differing:
        _console.print("Tháng không bằng tổng các ngày · Months that are not the sum of their days:")
        _print_comparison(done.months, "các ngày", "days", "tháng", "month")
    if done.left_out:
        _console.print(f"Chưa được đếm · Not counted yet: {', '.join(done.left_out)}. antt rebuild")
    _print_uncounted(done.uncounted)
    if done.explained:
        _console.print(
            f"{_number(done.explained)} ô khác nhau do sự kiện chưa đếm · cells differ by what they would add"
        )
    return 0 if done.right else 1


def recover(service: Service, force: bool, redate: bool) -> None:
    """Open a new generation of a service's outbox and print what comes next."""
    if redate:
        done, vi, en = _run(recovery.redate(settings(), service)), "được ghi ngày lại", "are dated anew"
    else:
        done, vi, en = _run(recovery.recover(settings(), service, force)), "đã mất", "are lost"
    _console.print(
        f"{service}: thế hệ {done.generation} bắt đầu sau sự kiện {done.after_seq} · "
        f"generation {done.generation} begins after event {done.after_seq}"
    )
    for reader, position in done.ahead.items():
        _console.print(
            f"  {reader} đã đọc đến {position.seq}: các sự kiện sau {done.after_seq} {vi} · "
            f"had read up to {position.seq}: events after {done.after_seq} {en}"
        )
    _console.print(
        "Tiếp theo · Next:\n"
        "  1. Khởi động lại antt relay (nếu dùng Kafka) · Restart antt relay (with Kafka)\n"
        "  2. antt rebuild\n"
        "  3. antt verify"
    )


def list_letters() -> None:
    """Print which events could not be counted, and why."""
    letters = _run(dead_letters.list_letters(settings()))
    _print_letters(letters)
    _console.print(f"{len(letters)} sự kiện chưa đếm được · events could not be counted")


def replay_letters(service: Service | None, seq: int | None) -> int:
    """Count letters after all, and print which failed again; the exit code."""
    done = _run(dead_letters.replay(settings(), service, seq))
    _print_letters(done.failed)
    _console.print(
        f"Đã đếm {done.counted}, còn lại {len(done.failed)} · {done.counted} counted, {len(done.failed)} failed again"
    )
    return 1 if done.failed else 0


def _print_letters(letters: Iterable[dead_letters.Letter]) -> None:
    table = Table("Nguồn\nSource", "Vị trí\nSeq", "Sự kiện\nEvent", "Lúc\nAt", "Lý do\nReason", box=box.SIMPLE)
    for letter in letters:
        table.add_row(
            letter.source, str(letter.seq), letter.type, f"{letter.recorded_at:%Y-%m-%d %H:%M}", letter.reason
        )
    if table.row_count:
        _console.print(table)


def _print_comparison(comparison: Comparison, was_vi: str, was_en: str, now_vi: str, now_en: str) -> None:
    if comparison.differences:
        table = Table(
            "Đơn vị\nUnit", "Ngày\nDay", "Ghi nhận\nRecorded", "Chỉ tiêu\nIndicator", f"{was_vi}\n{was_en}", f"{now_vi}\n{now_en}",
            box=box.SIMPLE,
        )  # fmt: skip
        for cell in comparison.differences:
            table.add_row(*_texts(cell))
        _console.print(table)
    more = comparison.differing - len(comparison.differences)
    if more:
        _console.print(f"… và {_number(more)} ô nữa · and {_number(more)} more")
    _console.print(
        f"So {_number(comparison.compared)} ô, {_number(comparison.differing)} ô khác nhau · "
        f"{_number(comparison.compared)} cells compared, {_number(comparison.differing)} differ"
    )


def _texts(cell: Difference) -> tuple[str, ...]:
    recorded = cell.recorded_on.isoformat() if cell.recorded_on else ""
    return cell.unit, cell.happened_on.isoformat(), recorded, cell.indicator, _number(cell.was), _number(cell.now)


def _print_uncounted(uncounted: int) -> None:
    if uncounted:
        _console.print(f"{uncounted} sự kiện chưa đếm được: antt dead-letters list · events could not be counted")


def _number(number: int) -> str:
    return f"{number:,}".replace(",", ".")
