"""A third edition, made from the two that are shipped: "2026", which holds from 2026-07-01 on.

All units of 2025 go on alone under their codes, but for these: two provinces become one and one becomes two, two
communes become one and one becomes two, one has no successor on record, and one has another name.
"""

import csv
from pathlib import Path

from shared.register import SHIPPED

FIRST_DAY = "2026-07-01"
# Hồ Chí Minh and Đồng Nai become one province; Hà Nội becomes two, its communes of uneven codes in the second.
CITY, NEIGHBOUR, CAPITAL, SECOND_CAPITAL = "79", "75", "01", "03"
# Communes of Hồ Chí Minh: two that become the first of them, one that becomes itself and another, one with no successor.
MERGED, MERGED_INTO_IT, SPLIT, SPLIT_OFF, LOST = "25942", "25760", "25882", "25999", "25750"
# Another name than in 2025, after a first one that it had for two months.
RENAMED, FORMER_NAME, NAME = "25747", "Xã Đổi Tên", "Phường Tên Mới"


def write(folder: Path) -> Path:
    """The files of the three editions in this folder, which is returned."""
    of_2025 = [row for row in _rows("units.csv") if row[0] == "2025"]
    units, steps = list[list[str]](), list[tuple[str, str]]()
    for _, code, name, type, level, parent in of_2025:
        above = CITY if parent == NEIGHBOUR else parent
        if parent == CAPITAL and int(code) % 2:
            above = SECOND_CAPITAL
        if code not in (NEIGHBOUR, MERGED_INTO_IT):
            units.append(["2026", code, NAME if code == RENAMED else name, type, level, above])
        if code != LOST:
            steps.append((code, {NEIGHBOUR: CITY, MERGED_INTO_IT: MERGED}.get(code, code)))
    units.append(["2026", SECOND_CAPITAL, "Tỉnh Hà Tây", "tỉnh", "province", ""])
    units.append(["2026", SPLIT_OFF, "Phường Tách Ra", "phường", "commune", CITY])
    steps += [(CAPITAL, SECOND_CAPITAL), (SPLIT, SPLIT_OFF)]
    _add(folder, "editions.csv", [["2026", FIRST_DAY]])
    _add(folder, "units.csv", units)
    _add(folder, "former_names.csv", [["2026", RENAMED, "2026-08-31", FORMER_NAME, "xã"]])
    _add(folder, "unit_successors.csv", [["2025", old, "2026", new] for old, new in steps])
    return folder


def _add(folder: Path, name: str, rows: list[list[str]]) -> None:
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        file.write((SHIPPED / name).read_text(encoding="utf-8"))
        csv.writer(file, lineterminator="\n").writerows(rows)


def _rows(name: str) -> list[list[str]]:
    with (SHIPPED / name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]
