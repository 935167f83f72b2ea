"""Reads the visible sheets of an XLSX file row by row, in little memory whatever the file claims to be."""

from shared.importing.xlsx.parts import XlsxRefused
from shared.importing.xlsx.workbook import opened

__all__ = ["XlsxRefused", "opened"]
