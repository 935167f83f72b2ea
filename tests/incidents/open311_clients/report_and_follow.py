"""Run with the clients' own Python: two Open311 clients from PyPI report a tip and follow it; what they saw, as JSON.

three (Code for America) is of Python 2's time and asks itertools for one name that has gone since; nothing else of it
is changed. georeport only reads, in both formats.
"""

# mypy: ignore-errors
import itertools
import json
import sys

itertools.ifilter = filter

from georeport import GeoReport  # noqa: E402
from three import Three  # noqa: E402

endpoint, jurisdiction, commune = sys.argv[1:]
city = Three(endpoint, jurisdiction=jurisdiction)
(created,) = city.post(
    "noise",
    address="5 Lý Thường Kiệt, Phường Dĩ An",
    name="Bưởi Trần",
    phone="0912-345-678",
    description="Hát karaoke quá giờ quy định",
)
id = created["service_request_id"]
(status,) = city.request(id)
readers = [GeoReport(endpoint, jurisdiction=jurisdiction, output_format=format) for format in ("json", "xml")]
followed = [
    [request["status"], request["service_code"], request["service_request_id"]]
    for request in (reader.get_service_request(id) for reader in readers)
]
assert [service["service_code"] for service in readers[1].get_service_list()] == [
    service["service_code"] for service in readers[0].get_service_list()
]
assert readers[1].get_service_definition("noise")["service_code"] == "noise"
assert readers[0].get_service_requests(id)[0]["status"] == status["status"]
print(
    json.dumps(
        {
            "id": id,
            "discovery": city.discovery(),
            "services": city.services(),
            "followed_json": followed[0],
            "followed_xml": followed[1],
            "token": city.token(id),
            "refused": city.post("noise", description="Không có địa điểm"),
        }
    )
)
