"""Boundaries of communes and hamlets, as the province loads them."""

from migrations.scripts import run_script

revision = "incidents_0009"
down_revision = "incidents_0008"

TABLES = """
-- Each load replaces one edition's boundaries or hamlets; a process sees by the newest version that it must read anew.
CREATE TABLE place_loads (
    version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    edition text NOT NULL,
    entries int NOT NULL,
    decision text,
    loaded_by text NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);
-- The shape is WKB of a polygon or several, longitude and latitude in WGS84.
CREATE TABLE boundaries (
    unit text PRIMARY KEY,
    shape bytea NOT NULL
);
CREATE TABLE hamlets (
    edition text NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    PRIMARY KEY (edition, code)
);
CREATE INDEX hamlets_by_unit ON hamlets (unit, code);

-- What another system asks after with its own key; most tips come from nobody in particular.
CREATE INDEX tips_by_recorder ON tips (recorded_by, id) WHERE recorded_by <> 'anyone';
"""


def upgrade() -> None:
    """Bring the tables to this version."""
    run_script(TABLES)
