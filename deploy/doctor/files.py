"""The store of files."""

import asyncio
import os
from collections.abc import AsyncIterator

from obstore.exceptions import BaseError
from obstore.store import LocalStore

from deploy.doctor.finding import Finding, Installation
from shared.files.store import open_store


async def store(installation: Installation) -> AsyncIterator[Finding]:
    """Whether the store of files can be opened and read, and a folder written."""
    settings = installation.settings
    if not settings.store and not (settings.data / "store").exists():
        yield Finding(None, "Kho lưu tệp: chưa có", "No store of files yet: the first file makes it")
        return
    named = settings.store or str(settings.data / "store")
    try:
        opened = open_store(settings)
        async with asyncio.timeout(15):
            await anext(aiter(opened.list(chunk_size=1)), None)
        folder = getattr(opened, "prefix", None) if isinstance(opened, LocalStore) else None
        writable = folder is None or os.access(folder, os.W_OK | os.X_OK)
    except (BaseError, OSError, ValueError) as error:
        yield Finding(
            False,
            f"Kho lưu tệp {named} không mở được",
            f"The store of files {named} cannot be used: {type(error).__name__}",
            "xem ANTT_STORE, các biến AWS_… và quyền truy cập",
            "see ANTT_STORE, the variables AWS_… and who may read there",
        )
        return
    yield Finding(
        writable,
        f"Kho lưu tệp {named}" + ("" if writable else " không ghi được"),
        f"The store of files {named} " + ("answers" if writable else "is not writable"),
        "đổi quyền của thư mục",
        "chown the folder",
    )
