"""Makes files harmless that strangers have sent; run as a program of its own for each file (__main__.py)."""


class Refused(Exception):
    """Why a file is not taken, as a stable code: `unknown-kind`, `damaged`, `too-many-pixels`, `polyglot`, …

    `most_megapixels`: where less is taken than of other pictures.
    """

    def __init__(self, reason: str, most_megapixels: int | None = None) -> None:
        super().__init__(reason)
        self.most_megapixels = most_megapixels
