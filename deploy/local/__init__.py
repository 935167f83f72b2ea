"""The real parts of a run on one machine: PostgreSQL and Kafka from packages, and what starts them."""


class AlreadyRunning(Exception):
    """Another server works in this data folder."""
