"""The real parts of a run on one machine: PostgreSQL and Kafka from packages, and what starts them."""


class NotStarted(Exception):
    """A server could not be started; the text says why, and the command line shows nothing but it."""


class AlreadyRunning(NotStarted):
    """Another server works in this data folder."""
