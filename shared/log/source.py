"""Whose events a log carries."""

from shared.settings import Service, Settings

SOURCES: tuple[Service, ...] = ("teams", "incidents")


def source_of(settings: Settings, service: Service) -> str:
    """The `source` of a service's events: `/antt/{province}/{service}`; with `id` it names an event in the whole nation."""
    return f"/antt/{settings.province}/{service}"
