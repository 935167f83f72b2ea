"""Places: boundaries and hamlets as a province loads them, and what is found in them."""

import asyncio
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx
import msgspec
import numpy
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from deploy.local import NotStarted
from deploy.places import load
from services.incidents.places import lookup
from services.incidents.places.geometry import Communes
from shared import units
from shared.database import Database
from shared.errors import Problem
from shared.settings import settings
from tests.conftest import COMMUNE, OLD_COMMUNE, PROVINCE, Antt
from tests.incidents.conftest import NFC, NFD, kind_of

CASES = Path(__file__).parents[1] / "cases"
PLACES = "/incidents/v1/places"
EAST, NORTH, ENCLAVE = "2025:25747", "2025:25750", "2025:25760"


def box(west: float, south: float, side: float = 0.1) -> list[list[float]]:
    """A ring."""
    east, north = west + side, south + side
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def boundary(unit: str = COMMUNE, *rings: Any, **geometry: Any) -> dict[str, Any]:
    """A feature: a square north-east of Thủ Dầu Một unless told."""
    shape = {"type": "Polygon", "coordinates": list(rings or [box(106.6, 11.0)]), **geometry}
    return {"type": "Feature", "properties": {"unit": unit}, "geometry": shape}


def collection(*features: Any, **more: Any) -> dict[str, Any]:
    """A file of boundaries."""
    return {"type": "FeatureCollection", "features": list(features), **more}


# Three neighbours, one of them with an enclave that is another commune.
NEIGHBOURS = collection(
    boundary(COMMUNE, box(106.6, 11.0), box(106.64, 11.04, 0.02)),
    boundary(ENCLAVE, box(106.64, 11.04, 0.02)),
    boundary(EAST, box(106.7, 11.0)),
    boundary(NORTH, type="MultiPolygon", coordinates=[[box(106.6, 11.1)], [box(107.0, 11.5)]]),
)


async def put(antt: Antt, kind: str, body: Any, caller: dict[str, str] | None = None, **headers: str) -> httpx.Response:
    """A load, by an operator unless told."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    who = antt.token("operator", PROVINCE) if caller is None else caller
    return await antt.http.put(f"{PLACES}/{kind}", content=content, headers={**who, **named})


async def at(antt: Antt, longitude: float, latitude: float, **query: str) -> Any:
    """The commune of a point, or the problem."""
    answer = await antt.http.get(f"{PLACES}/at", params={"longitude": longitude, "latitude": latitude, **query})
    return answer.json()["unit"] if answer.status_code == 200 else kind_of(answer)


def refused(answer: httpx.Response) -> set[tuple[str, str]]:
    """Where a load is wrong, and how."""
    assert kind_of(answer) == (422, "invalid-input"), answer.text
    return {(error["at"], error["code"]) for error in answer.json()["errors"]}


async def test_a_point_is_in_the_commune_that_contains_it(antt: Antt) -> None:
    assert await at(antt, 106.65, 11.01) == (422, "boundaries-not-loaded")
    loaded = await put(antt, "boundaries", NEIGHBOURS, Content_Type="application/geo+json")
    assert loaded.status_code == 200, loaded.text
    assert (loaded.json()["entries"], loaded.json()["edition"]) == (4, "2025")
    assert COMMUNE not in loaded.json()["missing"]
    assert loaded.json()["missing"]
    assert await at(antt, 106.65, 11.01) == COMMUNE
    assert await at(antt, 106.65, 11.05) == ENCLAVE  # in the hole
    assert await at(antt, 107.05, 11.55) == NORTH  # in its second part
    assert await at(antt, 106.2, 11.0) == (422, "place-unknown")
    assert await at(antt, 105.8, 21.0) == (422, "place-unknown")
    # The other edition has no boundaries of its own.
    assert await at(antt, 106.65, 11.01, on="2025-06-30") == (422, "boundaries-not-loaded")
    for longitude in ("NaN", "Infinity", "181", "1e400", "", "106,6"):
        answer = await antt.get(f"{PLACES}/at", longitude=longitude, latitude="11")
        assert kind_of(answer) == (422, "invalid-input"), longitude


async def test_a_point_on_a_border_belongs_to_the_commune_of_the_lowest_code(antt: Antt) -> None:
    for features in (NEIGHBOURS["features"], NEIGHBOURS["features"][::-1]):
        assert (await put(antt, "boundaries", collection(*features))).status_code == 200
        assert await at(antt, 106.7, 11.05) == min(COMMUNE, EAST)
        assert await at(antt, 106.64, 11.05) == min(COMMUNE, ENCLAVE)
        assert await at(antt, 106.7, 11.1) == min(COMMUNE, EAST, NORTH)


async def test_the_older_edition_has_boundaries_of_its_own(antt: Antt) -> None:
    assert (await put(antt, "boundaries", NEIGHBOURS)).status_code == 200
    old = {**boundary(), "properties": {"edition": "2024", "code": OLD_COMMUNE[5:], "name": "x"}}
    assert (await put(antt, "boundaries", collection(old))).status_code == 200
    assert await at(antt, 106.65, 11.05, on="2025-06-30") == OLD_COMMUNE
    assert await at(antt, 106.65, 11.05) == ENCLAVE


BOWTIE = [[106.6, 11.0], [106.7, 11.1], [106.7, 11.0], [106.6, 11.1], [106.6, 11.0]]
DEEP = b'{"type":"FeatureCollection","features":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def with_geometry(text: str) -> bytes:
    """A file whose only geometry is this text."""
    return json.dumps(collection({**boundary(), "geometry": "@"})).replace('"@"', text).encode()


WRONG: dict[str, tuple[Any, set[tuple[str, str]]]] = {
    "a bowtie": (collection(boundary(COMMUNE, BOWTIE)), {("features.0.geometry", "not-valid")}),
    "a hole outside": (
        collection(boundary(COMMUNE, box(106.6, 11.0), box(107, 11))),
        {("features.0.geometry", "not-valid")},
    ),
    "a ring that is open": (
        collection(boundary(COMMUNE, box(106.6, 11)[:-1])),
        {("features.0.geometry", "not-geojson")},
    ),
    "over the antimeridian": (
        collection(boundary(COMMUNE, [[179, 11], [-179, 11], [-179, 12], [179, 11]])),
        {("features.0.geometry", "outside-vietnam")},
    ),
    "latitude first": (
        collection(boundary(COMMUNE, [point[::-1] for point in box(106.6, 11)])),
        {("features.0.geometry", "outside-vietnam")},
    ),
    "metres of VN-2000": (
        collection(boundary(COMMUNE, box(600_000, 1_200_000, 1_000))),
        {("features.0.geometry", "outside-vietnam")},
    ),
    "another system by its name": (
        collection(boundary(), crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::9210"}}),
        {("crs", "not-wgs84")},
    ),
    "a point": (
        collection({**boundary(), "geometry": {"type": "Point", "coordinates": [106.6, 11]}}),
        {("features.0.geometry", "no-polygon")},
    ),
    "nothing inside": (collection(boundary(type="Polygon", coordinates=[])), {("features.0.geometry", "no-polygon")}),
    "no geometry": (with_geometry("null"), {("features.0.geometry", "not-geojson")}),
    "NaN": (
        with_geometry('{"type":"Polygon","coordinates":[[[NaN,11],[107,11],[107,12],[NaN,11]]]}'),
        {("", "not-geojson")},
    ),
    "a number beyond all": (
        with_geometry('{"type":"Polygon","coordinates":[[[1e999,11],[107,11],[107,12],[1e999,11]]]}'),
        {("features.0.geometry", "not-geojson")},
    ),
    "a text for a number": (
        collection(boundary(COMMUNE, [["106.6", 11], [107, 11], [107, 12], ["106.6", 11]])),
        {("features.0.geometry", "not-geojson")},
    ),
    "a unit twice": (collection(boundary(), boundary()), {("features.1.properties", "duplicate")}),
    "a unit twice on partly the same ground": (
        collection(boundary(), boundary(EAST, box(106.8, 11.0)), boundary(COMMUNE, box(106.65, 11.0))),
        {("features.2.properties", "duplicate")},
    ),
    "features of a commune without end": (
        collection(*[boundary()] * 1_001),
        {("features.1000.properties", "too-many-parts")},
    ),
    "an island on another's ground": (
        collection(boundary(), boundary(EAST, box(106.8, 11.0)), boundary(EAST, box(106.65, 11.0))),
        {("features.2.geometry", "overlap")},
    ),
    "the same ground twice": (
        collection(boundary(COMMUNE), boundary(EAST)),
        {("features.1.geometry", "overlap")},
    ),
    "an enclave that was not cut out": (
        collection(boundary(COMMUNE), boundary(ENCLAVE, box(106.64, 11.04, 0.02))),
        {("features.1.geometry", "overlap")},
    ),
    "two editions": (
        collection(boundary(), boundary(OLD_COMMUNE, box(106.8, 11))),
        {("features.1.properties", "other-edition")},
    ),
    "another province's": (collection(boundary("2025:00004")), {("features.0.properties", "unit-not-served")}),
    "a province": (collection(boundary("2025:79")), {("features.0.properties", "not-a-commune")}),
    "no unit": (collection({**boundary(), "properties": None}), {("features.0.properties", "unknown-unit")}),
    "a unit that is a list": (collection(boundary([COMMUNE])), {("features.0.properties", "unknown-unit")}),  # type: ignore[arg-type]
    "no features": (collection(), {("features", "empty")}),
    "no GeoJSON": ({"type": "Feature"}, {("", "not-geojson")}),
    "no JSON": (b"PK\x03\x04", {("", "not-geojson")}),
    "no UTF-8": (json.dumps(collection(boundary("@"))).encode().replace(b"@", b"\xff"), {("", "not-geojson")}),
    "brackets without end": (DEEP, {("", "not-geojson")}),
}


async def test_a_commune_may_come_in_several_features(antt: Antt) -> None:
    loaded = await put(antt, "boundaries", (CASES / "geojson-islands-two-features" / "input.geojson").read_bytes())
    assert (loaded.status_code, loaded.json()["entries"]) == (200, 1), loaded.text
    assert [await at(antt, *point) for point in ((106.75, 10.89), (106.81, 10.89))] == [COMMUNE, COMMUNE]
    assert await at(antt, 106.78, 10.89) == (422, "place-unknown")
    # Parts that touch are one ground, a part may be several itself, and another commune may come between them.
    islands = boundary(type="MultiPolygon", coordinates=[[box(106.7, 11.0)], [box(107.0, 11.5)]])
    loaded = await put(antt, "boundaries", collection(boundary(), boundary(EAST, box(106.6, 11.1)), islands))
    assert (loaded.status_code, loaded.json()["entries"]) == (200, 2), loaded.text
    places = ((106.65, 11.05), (106.7, 11.05), (106.75, 11.05), (107.05, 11.55))
    assert [await at(antt, *point) for point in places] == [COMMUNE] * 4
    kept = (await antt.get(f"{PLACES}/boundaries", antt.token("operator", PROVINCE))).json()["features"]
    assert sorted(feature["properties"]["unit"] for feature in kept) == sorted((COMMUNE, EAST))


async def test_boundaries_that_cannot_be_are_refused_whole(antt: Antt) -> None:
    assert (await put(antt, "boundaries", NEIGHBOURS)).status_code == 200
    for name, (body, errors) in WRONG.items():
        answer = await put(antt, "boundaries", body)
        assert answer.status_code == 422, (name, answer.text)
        assert refused(answer) == errors, (name, answer.text)
    assert await at(antt, 106.65, 11.05) == ENCLAVE
    (load,) = (await antt.get(PLACES)).json()
    assert load["version"] == 1


async def test_a_million_vertices_are_refused_before_anything_is_made_of_them(antt: Antt) -> None:
    angles = numpy.linspace(0, 6.28, 10**6)
    circle = numpy.column_stack((106.6 + 0.1 * numpy.cos(angles), 11 + 0.1 * numpy.sin(angles))).tolist()
    content = msgspec.json.encode(collection(boundary(COMMUNE, [*circle, circle[0]])))
    assert kind_of(await put(antt, "boundaries", content)) == (413, "body-too-large")
    few = msgspec.json.encode(collection(boundary(COMMUNE, [*circle[::8], circle[0]])))
    assert refused(await put(antt, "boundaries", few)) == {("features.0.geometry", "too-many-vertices")}


async def test_only_the_province_loads_places(antt: Antt) -> None:
    for caller, problem in (
        ({}, (401, "unauthenticated")),
        (antt.token("commune_officer", COMMUNE), (403, "forbidden")),
        (antt.token("system", PROVINCE), (403, "forbidden")),
        (antt.token("province_officer", "2025:01"), (403, "foreign-area")),
    ):
        for kind in ("boundaries", "hamlets"):
            assert kind_of(await put(antt, kind, NEIGHBOURS, caller)) == problem
    assert kind_of(await put(antt, "boundaries", b"x", Content_Type="text/plain")) == (415, "wrong-media-type")
    assert (await put(antt, "boundaries", NEIGHBOURS, antt.token("province_officer", PROVINCE))).status_code == 200
    assert kind_of(await antt.get(f"{PLACES}/boundaries")) == (401, "unauthenticated")


async def test_a_load_replaces_what_was_there_and_is_given_back_as_it_was(antt: Antt) -> None:
    officer = antt.token("commune_officer", COMMUNE)
    first = await put(antt, "boundaries", NEIGHBOURS)
    given = await antt.get(f"{PLACES}/boundaries", officer)
    assert given.headers["etag"] == first.headers["etag"]
    assert given.headers["content-type"] == "application/geo+json"
    shapes = {
        f["properties"]["unit"]: shapely.from_geojson(json.dumps(f["geometry"])) for f in given.json()["features"]
    }
    for feature in NEIGHBOURS["features"]:
        loaded = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shapes[feature["properties"]["unit"]].equals(loaded)
    unchanged = await antt.get(f"{PLACES}/boundaries", {**officer, "If-None-Match": given.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    # What was given out can be loaded again, as long as nobody loaded something else meanwhile.
    again = await put(antt, "boundaries", given.content, If_Match=given.headers["etag"])
    assert again.status_code == 200
    assert kind_of(await put(antt, "boundaries", given.content, If_Match=given.headers["etag"])) == (
        412,
        "precondition-failed",
    )
    assert (await put(antt, "boundaries", collection(boundary()))).status_code == 200
    assert await at(antt, 106.75, 11.05) == (422, "place-unknown")


def hamlets(*rows: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """A list of hamlets."""
    return {"edition": "2025", "hamlets": [{"code": c, "name": n, "unit": u} for c, n, u in rows], **more}


THREE = hamlets(
    ("25942-1", "Khu phố 1", COMMUNE), ("25942-2", NFD, COMMUNE), ("X.1", "Ấp Bàu Ké", EAST), decision="12/NQ-HĐND"
)


async def test_hamlets_are_listed_by_unit_and_in_pages(antt: Antt) -> None:
    loaded = await put(antt, "hamlets", THREE)
    assert (loaded.status_code, loaded.json()["decision"]) == (200, "12/NQ-HĐND"), loaded.text
    page = await antt.get(f"{PLACES}/hamlets", unit=COMMUNE)
    assert [item["name"] for item in page.json()["items"]] == ["Khu phố 1", NFC]
    assert len((await antt.get(f"{PLACES}/hamlets", unit="2025:79")).json()["items"]) == 3
    assert (await antt.get(f"{PLACES}/hamlets", unit=NORTH)).json() == {"items": []}
    seen: list[str] = []
    address: str | None = f"{PLACES}/hamlets?limit=1"
    while address:
        page = await antt.get(address)
        seen += [item["code"] for item in page.json()["items"]]
        address = page.links.get("next", {}).get("url")
    assert seen == ["25942-1", "25942-2", "X.1"]
    assert kind_of(await antt.get(f"{PLACES}/hamlets", unit="2025:99999")) == (422, "unknown-unit")
    # An editor may have put a byte order mark before the JSON.
    loaded = await put(antt, "hamlets", b"\xef\xbb\xbf" + json.dumps(THREE).encode())
    assert loaded.status_code == 200, loaded.text


async def test_hamlets_that_cannot_be_are_refused_whole(antt: Antt) -> None:
    one = ("a", "Ấp 1", COMMUNE)
    for rows, errors in (
        ([one, ("a", "Ấp 2", COMMUNE)], {("hamlets.1", "duplicate")}),
        ([("a", "Ấp 1", "2025:99999")], {("hamlets.0", "unknown-unit")}),
        ([("a", "Ấp 1", "2025:00004")], {("hamlets.0", "unit-not-served")}),
        ([("a", "Ấp 1", "2025:79")], {("hamlets.0", "not-a-commune")}),
        ([one, ("b", "Ấp 2", OLD_COMMUNE)], {("hamlets.1", "other-edition")}),
        ([("a", "Ấp \u202e1", COMMUNE)], {("hamlets.0.name", "forbidden_character")}),
        ([("<a>", "Ấp 1", COMMUNE)], {("hamlets.0.code", "string_pattern_mismatch")}),
        ([], {("hamlets", "too_short")}),
    ):
        assert refused(await put(antt, "hamlets", hamlets(*rows))) == errors, rows
    assert refused(await put(antt, "hamlets", b"\xff")) == {("", "json_invalid")}
    assert (await antt.get(PLACES)).json() == []


@pytest.fixture
async def database(antt: Antt, databases: dict[str, str]) -> Any:
    """The database of incidents as another process sees it."""
    database = Database(databases["incidents"], 2, 10)
    await database.open()
    yield database
    await database.close()


async def test_a_fact_is_placed_by_its_unit_its_hamlet_or_its_point(antt: Antt, database: Database) -> None:
    day = date(2025, 11, 2)

    async def located(**told: Any) -> str:
        try:
            return await lookup.locate(database, day, **told)
        except Problem as problem:
            return problem.name

    # Before anything is loaded a hamlet is only a note beside the unit.
    assert await located(unit=COMMUNE, hamlet="25942-1") == COMMUNE
    assert await located(hamlet="25942-1") == "unknown-hamlet"
    assert await located(longitude=106.65, latitude=11.01) == "boundaries-not-loaded"
    await put(antt, "boundaries", NEIGHBOURS)
    await put(antt, "hamlets", THREE)
    await lookup.refresh(database)
    assert await located(unit=COMMUNE) == COMMUNE
    assert await located(hamlet="X.1") == EAST
    assert await located(unit="2025:79", hamlet="X.1") == EAST
    assert await located(unit=COMMUNE, hamlet="X.1") == "invalid-input"
    assert await located(unit=COMMUNE, hamlet="X.2") == "unknown-hamlet"
    assert await located(longitude=106.65, latitude=11.01) == COMMUNE
    assert await located(unit=EAST, longitude=106.65, latitude=11.01) == EAST
    assert await located(longitude=106.65) == "invalid-input"
    assert await located() == "invalid-input"
    places = await lookup.known(database)
    assert places.hamlet("25942-1", "2025") == (COMMUNE, "Khu phố 1")
    assert places.hamlet("25942-1", "2024") is None
    assert places.neighbours(COMMUNE) == {EAST, NORTH, ENCLAVE}
    assert places.neighbours(ENCLAVE) == {COMMUNE}
    assert places.neighbours(OLD_COMMUNE) == frozenset()


async def test_a_tip_that_moves_leaves_its_hamlet_and_a_point_that_lies_elsewhere_behind(antt: Antt) -> None:
    province = antt.token("province_officer", "2025:79")
    inside, nowhere = ({"longitude": longitude, "latitude": 11.01} for longitude in (106.65, 108.0))

    async def moved(point: dict[str, float], unit: str, **more: str) -> tuple[Any, ...]:
        tip = {"unit": COMMUNE, "hamlet": "25942-1", "point": point, "content": "Gây rối"}
        at = f"/incidents/v1/tips/{(await antt.post('/incidents/v1/tips', tip)).json()['id']}"
        answer = await antt.post(f"{at}/correct", {"reason": "nhầm nơi", "unit": unit, **more}, province)
        assert answer.status_code == 200, answer.text
        kept, (step,) = answer.json(), (await antt.get(f"{at}/steps", province)).json()
        emptied = {name for name, value in step["details"].items() if value is None}
        assert emptied == {name for name in ("hamlet", "longitude", "latitude") if kept[name] is None}
        return kept["unit"], kept["hamlet"], kept["longitude"]

    # Before boundaries are loaded nobody knows where a point lies.
    assert await moved(inside, EAST) == (EAST, None, 106.65)
    await put(antt, "boundaries", NEIGHBOURS)
    await put(antt, "hamlets", THREE)
    assert await moved(inside, EAST) == (EAST, None, None)
    assert await moved(inside, EAST, hamlet="X.1") == (EAST, "X.1", None)
    assert await moved(inside, "2025:79") == ("2025:79", None, 106.65)
    assert await moved(inside, COMMUNE) == (COMMUNE, "25942-1", 106.65)
    assert await moved(nowhere, EAST) == (EAST, None, 108.0)


async def test_another_process_finds_what_was_loaded_within_seconds(
    antt: Antt, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(database, "connection", counted(asked, database.connection))
    await asyncio.gather(*(lookup.known(database) for _ in range(20)))
    assert len(asked) == 1
    await put(antt, "boundaries", NEIGHBOURS)
    # Nobody asks the database for each lookup …
    assert (await lookup.known(database)).version == 0
    in_two_seconds = monotonic() + 2
    monkeypatch.setattr(lookup, "monotonic", lambda: in_two_seconds)
    # … and many who ask at once ask it once.
    await asyncio.gather(*(lookup.known(database) for _ in range(20)))
    assert (await lookup.known(database)).find(106.65, 11.01, "2025") == COMMUNE
    assert len(asked) == 2


def counted(calls: list[str], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, noting each call."""

    def call(*arguments: Any) -> Any:
        calls.append(function.__name__)
        return function(*arguments)

    return call


async def test_two_loads_at_once_leave_one_of_them_whole(antt: Antt, databases: dict[str, str]) -> None:
    one, other = collection(boundary(COMMUNE)), collection(boundary(EAST), boundary(NORTH, box(106.8, 11)))
    answers = await asyncio.gather(*(put(antt, "boundaries", body) for body in (one, other) * 4))
    assert {answer.status_code for answer in answers} == {200}
    connection = await asyncpg.connect(databases["incidents"])
    there = {row["unit"] for row in await connection.fetch("SELECT unit FROM boundaries")}
    assert there in ({COMMUNE}, {EAST, NORTH})
    await connection.close()


# Borders among them, which no random point meets.
coordinates = st.floats(min_value=-0.1, max_value=1.1) | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@given(coordinates, coordinates, st.integers(min_value=1, max_value=6))
def test_a_point_in_a_gapless_map_is_in_exactly_one_commune(x: float, y: float, parts: int) -> None:
    edges = [number / parts for number in range(parts + 1)]
    cells = {
        f"2025:{row}{column}": shapely.box(edges[column], edges[row], edges[column + 1], edges[row + 1])
        for row in range(parts)
        for column in range(parts)
    }
    containing = [unit for unit, cell in cells.items() if cell.intersects(shapely.Point(x, y))]
    # In whatever order they come, as rows of a table do.
    assert Communes(dict(reversed(cells.items()))).find(x, y) == (min(containing) if containing else None)


async def test_an_operator_loads_files_from_the_command_line(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANTT_INCIDENTS_URL", address)
    settings.cache_clear()
    boundaries, table, broken = tmp_path / "b.geojson", tmp_path / "h.csv", tmp_path / "x.csv"
    boundaries.write_text(json.dumps(NEIGHBOURS), encoding="utf-8-sig")
    # As Excel writes it: with a mark at its beginning, and lines that end in both signs.
    table.write_text(f"code,name,unit\r\n25942-03,Khu phố 3,{COMMUNE}\r\n", encoding="utf-8-sig")
    broken.write_text(f"code,name,unit\na,Ấp 1,{COMMUNE}\na,,{COMMUNE}\n", encoding="utf-8")
    # With Vietnamese settings: with semicolons, and with what else it leaves of a table.
    vietnamese, untidy = CASES / "hamlets-csv-semicolon" / "input.csv", tmp_path / "u.csv"
    untidy.write_text(f"sep=;\r\nCode ;NAME;unit;;\r\na; Ấp 1 ;{COMMUNE} ;;\r\n;;;;\r\n", encoding="utf-8-sig")
    for kind, file, code, told in (
        ("boundaries", boundaries, 0, "Đã nạp 4"),
        ("hamlets", vietnamese, 0, "Đã nạp 1"),
        ("hamlets", untidy, 0, "Đã nạp 1"),
        ("hamlets", table, 0, "Đã nạp 1"),
        ("hamlets", broken, 1, "hamlets.1.name"),
    ):
        # A file that names no edition is of today's.
        assert await asyncio.to_thread(load, kind, file, None, "12/NQ-HĐND") == code  # type: ignore[arg-type]
        assert told in capsys.readouterr().out
    assert await asyncio.to_thread(load, "hamlets", table, "1925", None) == 1
    refused = capsys.readouterr().out
    assert all(f"'{edition}'" in refused for edition in units.editions()), refused
    async with httpx.AsyncClient(base_url=address) as http:
        loads = (await http.get(PLACES)).json()
    assert [(load["kind"], load["entries"], load["decision"]) for load in loads] == [
        ("boundaries", 4, None),
        ("hamlets", 1, "12/NQ-HĐND"),
    ]
    for content, why in (("code;name\n", "code, name, unit"), ('code;name;unit\n"a', "2"), ("code;name;ấp\n", "UTF-8")):
        broken.write_text(content, encoding="utf-16" if why == "UTF-8" else "utf-8")
        with pytest.raises(NotStarted, match=why):
            await asyncio.to_thread(load, "hamlets", broken, "2025", None)
    monkeypatch.setenv("ANTT_INCIDENTS_URL", "http://127.0.0.1:1")
    settings.cache_clear()
    with pytest.raises(NotStarted, match="ANTT_INCIDENTS_URL"):
        await asyncio.to_thread(load, "hamlets", table, "2025", None)
