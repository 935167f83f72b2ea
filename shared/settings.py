"""Every setting of the three services: an environment variable ANTT_… with a default that works on one machine."""

import fcntl
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field
from pydantic_settings import BaseSettings, JsonConfigSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

Service = Literal["teams", "incidents", "stats"]
LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Of the data folder: what `antt run` was given.
SERVED_AS = "run.json"


def is_served(data: Path) -> bool:
    """Whether an `antt run` holds the data folder."""
    try:
        with (data / "run.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


class Settings(BaseSettings):
    """What an operator may set. A service reads it once, at its start; `antt doctor` says what is wrong with it."""

    model_config = SettingsConfigDict(env_prefix="ANTT_", extra="ignore")

    province: str = Field("2024:74", description="The province served, as edition:code.")
    data: Path = Field(Path("var/data"), description="Folder of databases, broker, keys and logs of a local run.")
    log: Literal["embedded", "kafka"] = Field("embedded", description="How events travel between services.")

    teams_database_url: str = Field("", description="PostgreSQL of teams; empty: the embedded one in the data folder.")
    incidents_database_url: str = Field("", description="PostgreSQL of incidents; empty: the embedded one.")
    stats_database_url: str = Field("", description="PostgreSQL of stats; empty: the embedded one.")
    kafka_bootstrap: str = Field("", description="host:port of Kafka; empty: the broker that `antt run` starts.")

    kafka_topics: str = Field("", description="First part of every topic's name; empty: antt.<province>.")

    teams_url: str = Field("http://localhost:8000", description="Where `antt verify` reaches teams.")
    incidents_url: str = Field("http://localhost:8000", description="Where `antt verify` reaches incidents.")

    public_url: str = Field(
        "http://localhost:8000",
        description="Where the public reaches the services: the address on papers and in QR codes.",
    )
    acknowledgement_title: str = Field(
        "GIẤY XÁC NHẬN TIẾP NHẬN TIN BÁO", description="Title of the paper that acknowledges a tip."
    )
    acknowledgement_number: str = Field(
        "{code}/GXN-CA",
        description="Number and symbol on that paper; {code}: first letters of its checking code, {year}, {unit}: the unit's code.",
    )

    token: str = Field("", description="Token of an operator for `antt verify`; empty: the embedded issuer gives one.")

    jwks: str = Field(
        "",
        description="File or URL of the JWKS that tokens are checked against; empty: the embedded issuer's.",
    )
    issuer: str = Field("antt", description="Expected `iss` of a token.")
    audience: str = Field("antt", description="Expected `aud` of a token.")
    secret_key_file: str = Field(
        "",
        description="32 secret bytes behind receipts, informants, files and replayed answers, for teams and incidents; empty: keys/secret in the data folder of `antt run`.",
    )

    store: str = Field(
        "",
        description="Where files are kept: file:///folder or s3://bucket/prefix (with AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY); empty: the data folder.",
    )

    deadlines: str = Field("", description="TOML file of the province's deadlines of tips; empty: the national ones.")
    swaps: str = Field("", description="TOML file of further working days that the government swapped.")

    attachment_bytes: int = Field(104_857_600, description="Largest file that may be attached, in bytes; more is 413.")
    attachment_megapixels: int = Field(
        110,
        description="Most millions of pixels of an attached picture; each may take 8 MB of memory while it is looked at.",
    )
    attachments_per_record: int = Field(50, description="Most files that the police keep with one record.")
    attachments_by_sender: int = Field(5, description="Most files that a tip's sender may add to it.")
    attachment_grace_hours: float = Field(
        24, description="A stored file that no record names is deleted after so long; longer than any upload takes."
    )

    host: str = Field("127.0.0.1", description="Address that the services listen on.")
    drain_seconds: float = Field(
        0,
        description="At SIGTERM a service is not ready for so long before it stops listening, so that a balancer hears of it.",
    )
    body_bytes: int = Field(65_536, description="Largest request body accepted, in bytes; more is 413.")
    places_bytes: int = Field(
        33_554_432, description="Largest file of boundaries or hamlets that a province may load, in bytes."
    )
    import_bytes: int = Field(536_870_912, description="Largest file of an import, in bytes; more is 413.")
    import_rows: int = Field(2_000_000, description="Most rows of one import.")
    intake_queue: int = Field(2_000, description="Requests that may wait for one writer; more is 503 with Retry-After.")
    intake_batch: int = Field(500, description="Most requests that share one transaction.")
    anonymous_per_minute: int = Field(
        60,
        description="Requests a minute without a valid token from one address (for IPv6 from its /64), in each process; more is 429 with Retry-After, 0: no limit. Behind an ingress FORWARDED_ALLOW_IPS must name it. Where it is not set a local run does not count loopback.",
    )
    anonymous_per_minute_in_all: int = Field(
        6_000, description="The same from all addresses together; what one address sends beyond its own does not count."
    )
    transaction_seconds: int = Field(10, description="A write transaction that lasts longer is ended by PostgreSQL.")
    database_connections: int = Field(6, description="Most connections of one process to its database.")

    team_wait_seconds: float = Field(2.0, description="How long incidents waits for a team it has not heard of yet.")
    log_silence_seconds: float = Field(15, description="A log silent for so long is reported as down in the status.")
    public_indicators: str = Field(
        "",
        description="Further indicators that are read without a token, by commas; `GET /stats/v1/indicators` shows which are public.",
    )
    small_cell: int = Field(
        5,
        description="Figures of a commune below this, but 0, are not shown without a token, nor what would give them away.",
    )
    counted_wait_seconds: float = Field(5.0, description="How long stats waits for the position a reader asked for.")
    dead_letters_in_a_row: int = Field(
        20, description="So many failures in a row stop the consumer instead of the events."
    )
    count_batch: int = Field(10_000, description="Most events counted in one transaction.")
    relay_batch: int = Field(5_000, description="Most outbox rows that the relay reads at once.")

    webhook_hosts: str = Field(
        "",
        description="Hosts that webhooks may name, by commas; `.example.vn` allows all below; empty: every host, for operators only.",
    )
    webhook_seconds: float = Field(10, description="How long a webhook's receiver may take to answer.")
    webhook_retry_seconds: list[float] = Field(
        [5, 30, 120, 600, 1_800, 3_600, 7_200, 18_000, 36_000, 50_400],
        description="Pauses between attempts to deliver an event; after the last one it is a dead letter.",
    )

    management_port: int = Field(
        0,
        description="Port on which a process shows operators alone its metrics and what of it is down; 0: nowhere, but a "
        "service of a local run on its own port.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    def database_url(self, service: Service) -> str:
        """The service's own database, as a postgresql:// URL."""
        from_environment: str = getattr(self, f"{service}_database_url")
        # `antt run` writes the socket's folder down, so that every command of the same data folder finds it.
        socket = self.data / "postgres.socket"
        return from_environment or f"postgresql:///{service}?host={socket.read_text().strip()}&user=antt"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, and after it what the `antt run` that serves the data folder was given."""
        data = Path((env_settings() | init_settings()).get("data", cls.model_fields["data"].default))
        beside = [JsonConfigSettingsSource(settings_cls, data / SERVED_AS)] if is_served(data) else []
        return (init_settings, env_settings, *beside)

    def tell_beside(self) -> None:
        """Write down, for the commands beside this `antt run`, what was set; never what may hold a password."""
        kept = {name for name in self.model_fields_set if not name.endswith("_database_url")} - {"data", "token"}
        file = self.data / f"{SERVED_AS}.new"
        file.touch(0o600)
        file.write_text(self.model_dump_json(include=kept))
        # Whoever reads it meanwhile reads all of it.
        file.rename(self.data / SERVED_AS)

    @property
    def bootstrap(self) -> str:
        """host:port of Kafka; without one that is named the data folder's own broker's, where that has been started."""
        port = self.data / "kafka.port"
        return self.kafka_bootstrap or (f"127.0.0.1:{port.read_text().strip()}" if port.exists() else "")

    @property
    def local(self) -> bool:
        """Whether this is a local run: the data folder's own databases, and nobody but this machine is listened to."""
        socket = self.data / "postgres.socket"
        own = f"host={socket.read_text().strip()}&" if socket.exists() else ""
        urls = [getattr(self, f"{service}_database_url") for service in get_args(Service)]
        return self.host in LOOPBACK and all(not url or (own and f"?{own}" in url) for url in urls)

    def missing(self, *, secret: bool = True) -> list[str]:
        """The variables that must be set outside a local run, and are not: there nobody's keys are taken for granted."""
        needed = ["jwks", "issuer", "audience", *(["secret_key_file"] if secret else [])]
        given = self.model_fields_set
        return (
            []
            if self.local
            else [f"ANTT_{name.upper()}" for name in needed if name not in given or not getattr(self, name)]
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that this deployment writes to: data, and files where they lie in a folder."""
        store = self.store.removeprefix("file://")
        return (self.data, *([Path(store)] if store.startswith("/") else []))

    @property
    def keys(self) -> Path:
        """The folder of the embedded issuer's key and of the secret behind receipts, outside every database."""
        return self.data / "keys"


@lru_cache
def settings() -> Settings:
    """This process's settings."""
    return Settings()


def table() -> str:
    """docs/operator/settings.md: every setting with its default, in the words of this file."""
    rows = [
        f"| `ANTT_{name.upper()}` | {f'`{field.default}`' if str(field.default) else 'empty'} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_ABOUT, "| variable | default | what it sets |", "|---|---|---|", *rows, ""])


_ABOUT = """\
# Settings

<!-- Written by `python -m shared.settings > docs/operator/settings.md`; a test compares the two. -->
Every setting is an environment variable, read once, when a process starts. `antt doctor` says in words what is wrong with a
set-up, unknown variables included. A command on the data folder of an `antt run` that is at work takes that run's settings
(DATA/run.json), passwords and tokens excepted; what its own environment says comes first.

Traces follow OpenTelemetry's own variables: nothing is sent before `OTEL_EXPORTER_OTLP_ENDPOINT` is set (OTLP over HTTP), and
`OTEL_TRACES_SAMPLER` says how much.
"""

if __name__ == "__main__":
    print(table(), end="")
