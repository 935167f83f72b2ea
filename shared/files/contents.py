"""What the store calls a content, and what seals it: both come from its hash and from the secret outside every store."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.access.secrets import file_cipher, keyed, old_file_cipher

# How the table marks a content that still lies under its bare hash; the next sweep gives it a name (sweep.py).
OLD = "sha256:"


def content_of(digest: bytes) -> str:
    """The name of the content that has this SHA-256: the same content has one name, which reveals nothing of it."""
    return keyed(b"attachment contents", digest).hex()


def name_now(content: str) -> str:
    """A content's name, also of one that waits for it."""
    return content_of(bytes.fromhex(content.removeprefix(OLD))) if content.startswith(OLD) else content


def key_of(folder: str, content: str) -> str:
    """Where the store has a content of the service whose files lie in this folder."""
    name = content.removeprefix(OLD)
    return f"{folder}/{name[:2]}/{name}"


def cipher_of(content: str) -> AESGCM:
    """What seals a content: handwriting and voices are secret by law, so nothing lies open in the store.

    The same content is sealed to the same bytes, so that it is still kept once.
    """
    name = bytes.fromhex(content.removeprefix(OLD))
    return (old_file_cipher if content.startswith(OLD) else file_cipher)(b"attachments", name)
