"""Where files are kept: a folder, or any S3-compatible store. obstore is the one interface to both."""

from obstore.store import ObjectStore, from_url

from shared.settings import Settings


def open_store(settings: Settings) -> ObjectStore:
    """The store that ANTT_STORE names; a folder `store` below the data folder when it names none.

    Credentials and endpoint of an S3 store come from the variables AWS_… that every such client reads.
    """
    if settings.store:
        return from_url(settings.store)
    folder = (settings.data / "store").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return from_url(folder.as_uri())
