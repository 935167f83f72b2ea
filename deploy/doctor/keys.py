"""Keys: the secret behind receipts, the embedded issuer's key, and the keys that tokens are checked against."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from deploy.doctor.finding import Finding, Installation


async def secrets(installation: Installation) -> AsyncIterator[Finding]:
    """The secret behind receipts, and the embedded issuer's key: there, whole, and nobody else's to read."""
    settings = installation.settings
    own = not settings.secret_key_file
    secret = settings.keys / "secret" if own else Path(settings.secret_key_file)
    if secret.exists():
        length = secret.stat().st_size
        yield Finding(
            length == 32,
            f"Khóa bí mật {secret}: {length} byte",
            f"The secret has {length} bytes",
            "phải đúng 32 byte: phục hồi từ bản sao lưu; khóa mới làm mất mọi mã biên nhận cũ",
            "it must have 32: restore it from a backup; a new one makes all old receipts void",
        )
    elif own:
        yield Finding(None, "Khóa bí mật: chưa có", "No secret yet: `antt run` makes it")
    else:
        yield Finding(
            False, f"Không có tệp {secret}", f"{secret} is not there", "xem ANTT_SECRET_KEY_FILE", "see ANTT_SECRET_KEY_FILE"
        )  # fmt: skip
    for file in (secret, settings.keys / "issuer.json"):
        if file.exists() and file.stat().st_mode & 0o077:
            yield Finding(
                False, f"Người khác đọc được {file}", f"Others may read {file}", f"chmod 600 {file}", f"chmod 600 {file}"
            )  # fmt: skip


async def jwks(installation: Installation) -> AsyncIterator[Finding]:
    """The JWKS that tokens are checked against."""
    own = installation.settings.keys / "jwks.json"
    source = installation.settings.jwks or str(own)
    if not installation.settings.jwks and not own.exists():
        yield Finding(None, "Khóa cấp mã truy cập: chưa có", "No issuer's key yet: `antt run` makes it")
        return
    try:
        if source.startswith(("http://", "https://")):
            async with httpx.AsyncClient(timeout=5) as client:
                text = (await client.get(source)).raise_for_status().content
        else:
            text = Path(source).read_bytes()  # noqa: ASYNC240 (a small local file, once)
        count = len(KeySet.import_key_set(msgspec.json.decode(text)).keys)
    except (httpx.HTTPError, OSError, JoseError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        yield Finding(
            False, f"Không đọc được JWKS {source}", f"The JWKS cannot be read: {reason}", "xem ANTT_JWKS", "see ANTT_JWKS"
        )  # fmt: skip
    else:
        yield Finding(
            count > 0, f"JWKS có {count} khóa", f"The JWKS has {count} keys", "xem ANTT_JWKS", "see ANTT_JWKS"
        )
