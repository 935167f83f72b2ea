"""Report a tip and read the figure that it makes, with what openapi-python-client generated from the documents."""

import json
import sys
from datetime import date

from antt_incidents import AuthenticatedClient as Incidents
from antt_incidents.api.tips import report_tip_incidents_v1_tips_post as report_tip
from antt_incidents.models import Problem, ReportTip, TipReceived
from antt_stats import AuthenticatedClient as Stats
from antt_stats.api.counters import counters_stats_v1_counters_get as counters
from antt_stats.models import CountersOut
from antt_teams import AuthenticatedClient as Teams
from antt_teams.api.units import list_units_teams_v1_units_get as list_units
from antt_teams.models import UnitPage

address, token, unit, day = sys.argv[1:]

units = list_units.sync(client=Teams(base_url=address, token=token), parent=unit)
assert isinstance(units, UnitPage), units

reported = report_tip.sync_detailed(
    client=Incidents(base_url=address, token=token),
    body=ReportTip(unit=unit, content="Nhóm thanh niên tụ tập gây rối"),
    idempotency_key="5f0c2f0e-6c0b-4e0b-9d0c-7f3b2a1e8d4c",
)
assert isinstance(reported.parsed, TipReceived), reported
position = reported.headers["Antt-Position"]

figures = counters.sync(
    client=Stats(base_url=address, token=token),
    unit=unit,
    from_=date.fromisoformat(day),
    to=date.fromisoformat(day),
    counted=position,
)
assert isinstance(figures, CountersOut), figures

refused = report_tip.sync(
    client=Incidents(base_url=address, token=token), body=ReportTip(unit="2024:99999", content="x")
)
assert isinstance(refused, Problem), refused
assert refused.type_ == "urn:antt:problem:unknown-unit"

print(json.dumps({"tip": str(reported.parsed.id), "received": figures.counters["tips_received"]}))
