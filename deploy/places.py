"""What `antt places` does: send a province's files of boundaries and hamlets to incidents, and report what came of it."""

import io
import json
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import httpx
from rich.console import Console

from deploy.local import NotStarted
from shared import units
from shared.access.issuer import issue_token
from shared.days import today
from shared.settings import settings
from shared.tables import BrokenCsv, rows_of

_COLUMNS = ("code", "name", "unit")
_console = Console(highlight=False)


def load(kind: Literal["boundaries", "hamlets"], file: Path, edition: str | None, decision: str | None) -> int:
    """Load the file in place of what was there; each row that is wrong is named. The exit code.

    Boundaries are GeoJSON; hamlets are CSV with the columns code, name and unit as a spreadsheet
    saves it, or JSON as the API takes it.
    """
    content = file.read_bytes()
    if kind == "hamlets" and file.suffix.lower() == ".csv":
        content = _from_csv(content, edition or units.edition_on(today()), decision)
    configuration = settings()
    token = configuration.token or issue_token(configuration, "operator", configuration.province)
    try:
        answer = httpx.put(
            f"{configuration.incidents_url}/incidents/v1/places/{kind}",
            content=content,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            timeout=httpx.Timeout(10, read=300, write=300),
        )
    except httpx.HTTPError as error:
        raise NotStarted(
            f"incidents không trả lời: xem ANTT_INCIDENTS_URL · incidents does not answer: see ANTT_INCIDENTS_URL\n      {error}"
        ) from error
    answered = answer.json()
    if answer.status_code != 200:
        _console.print(answered["title"])
        for wrong in answered.get("errors", ()):
            _console.print(f"  {wrong['at']}: {wrong['message']} ({wrong['code']})", markup=False)
        return 1
    missing = answered["missing"]
    _console.print(
        f"Đã nạp {answered['entries']}, phiên bản {answered['version']} · loaded, version {answered['version']}\n"
        f"Còn thiếu {len(missing)} xã, phường · communes without: {', '.join(missing) or '0'}"
    )
    return 0


def _from_csv(content: bytes, edition: str, decision: str | None) -> bytes:
    rows = rows_of(io.BytesIO(content))
    try:
        _, heading = next(rows, (1, []))
        names = [cell.strip().lower() for cell in heading]
        if not set(_COLUMNS) <= set(names):
            raise NotStarted("Cần các cột code, name, unit · the columns code, name and unit are needed")
        hamlets = [
            {name: cell.strip() for name, cell in zip_longest(names, cells, fillvalue="") if name in _COLUMNS}
            for _, cells in rows
        ]
    except BrokenCsv as broken:
        raise NotStarted(
            f"Tệp CSV sai cấu trúc từ dòng {broken.line} · the CSV is broken from line {broken.line} on"
        ) from None
    except UnicodeDecodeError:
        raise NotStarted(
            "Hãy lưu tệp dạng “CSV UTF-8” · save the file as “CSV UTF-8”: this is another encoding"
        ) from None
    return json.dumps({"edition": edition, "decision": decision, "hamlets": hamlets}).encode()
