"""Imports: files of rows (NDJSON, CSV, XLSX), each of which is decided as a single request of the same caller would be.

A service names its kinds of rows in a table (`Kind`): the input, the command that makes a record and what corrects one.
A file is kept sealed in the store, and a job takes its rows a chunk at a time, in the transactions of its progress.
"""

from shared.importing.job import work_off
from shared.importing.routes import rooms

__all__ = ["rooms", "work_off"]
