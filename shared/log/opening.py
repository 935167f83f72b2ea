"""Opens the log that a deployment has. Apart from both logs, since the one over Kafka is filled from the one in place."""

from shared.log.log import EmbeddedLog, Log, raise_gc_threshold
from shared.settings import Settings


def open_log(settings: Settings) -> Log:
    """The log that this deployment reads."""
    raise_gc_threshold()
    if settings.log == "kafka":
        # Only who reads Kafka loads its client.
        from shared.log.kafka import KafkaLog

        return KafkaLog(settings)
    return EmbeddedLog(settings)
