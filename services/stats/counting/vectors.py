"""A vector of counts held as one Python integer, a lane of 64 bits for each indicator.

Adding two vectors is one addition, whatever the number of indicators; lanes may be negative, since a
borrow from the next lane is given back when the lanes are read.
"""

import struct
from functools import lru_cache

_BITS = 64
_HALF = 1 << (_BITS - 1)


def lane(index: int) -> int:
    """The vector that counts one in this lane."""
    return 1 << (_BITS * index)


@lru_cache
def _layout(lanes: int) -> tuple[int, struct.Struct]:
    return sum(_HALF << (_BITS * index) for index in range(lanes)), struct.Struct(f"<{lanes}Q")


def lanes_of(vector: int, lanes: int) -> list[int]:
    """The counts of a vector, each between -2^63 and 2^63 - 1."""
    bias, layout = _layout(lanes)
    return [value - _HALF for value in layout.unpack((vector + bias).to_bytes(layout.size, "little"))]
