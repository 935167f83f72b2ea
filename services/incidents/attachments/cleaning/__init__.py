"""Makes files harmless that strangers have sent; run as a program of its own for each file (__main__.py)."""


class Refused(Exception):
    """Why a file is not taken, as a stable code: `unknown-kind`, `damaged`, `too-many-pixels`, `polyglot`, …"""
