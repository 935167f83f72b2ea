"""What a service does not hold while nothing happens; `make bench` measures the rest."""

import subprocess
import sys

# Each takes as much memory as a small framework, and only a file, a map or a page of paper needs it.
HEAVY = {"numpy", "shapely", "openpyxl", "xlsxwriter", "typst", "PIL", "pillow_heif"}


def test_incidents_loads_what_files_and_maps_need_only_where_they_are_read() -> None:
    program = "import sys, services.incidents.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY.isdisjoint(loaded)
