"""Makes the sample data in ``demo/data``: four deliveries over three days, with the accidents that real landing zones see.

What belongs here: the story and its bytes, the same on every run. What does not: landing them (``run.py``).

    python demo/make_data.py            writes demo/data anew

=================  =======================================================================================================
1_2025-11-03       a plain day; a few rows of every dataset break their contract
2_2025-11-04       late and corrected order lines; revised purchase orders; one "JSON" page that is an HTML error page
3_2025-11-04       the same evening: the stock report is overwritten, a sales file comes again under another name, and a
                   shipment file comes again under its own
4_2025-11-05       one hub starts to send an extra column, another's gzip file is cut off, and the marketing export has
                   switched to American dates, so that none of its rows can be read
=================  =======================================================================================================
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import random
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data"
MONDAY = dt.date(2025, 11, 3)
SKUS = [f"00{number}" for number in (4711, 4712, 4720, 5003, 5004, 5110, 6021, 6022, 6040, 7001, 7002, 7105, 8300, 8301, 9012)]
WAREHOUSES = ("AMS1", "LAX2", "SIN1")
HUBS = {"rotterdam": ("NLRTM", "AMS1"), "long_beach": ("USLGB", "LAX2"), "singapore": ("SGSIN", "SIN1")}
SUPPLIERS = [
    ("Shenzhen Haoyu Electronics", "CN", "Shenzhen", 38), ("Kaohsiung Precision Works", "TW", "Kaohsiung", 35),
    ("Viet Thang Garment", "VN", "Ho Chi Minh City", 42), ("Tata Autocomp Parts", "IN", "Pune", 45),
    ("Nordisk Emballage", "DK", "Aarhus", 9), ("Brückner Feinmechanik", "DE", "Ulm", 12),
    ("Officine Carraro", "IT", "Padova", 14), ("Plásticos del Bajío", "MX", "León", 11),
    ("Great Lakes Fasteners", "US", "Cleveland", 7), ("Hanwool Display", "KR", "Gumi", 30),
    ("Osaka Bearing Kogyo", "JP", "Osaka", 28), ("Łódź Packaging", "PL", "Łódź", 10),
    ("Anadolu Tekstil", "TR", "Bursa", 18), ("São Bento Móveis", "BR", "Joinville", 33),
    ("Lyon Chimie Fine", "FR", "Lyon", 13), ("Penang Semicon Assembly", "MY", "George Town", 34),
    ("Dhaka Knit Composite", "BD", "Dhaka", 47), ("Jurong Cold Chain", "SG", "Singapore", 16),
]  # fmt: skip
CAMPAIGNS = ("Herbstaktion Küche", "Black Week Vorverkauf", "Neue Größen", "Weihnachten früh")

Files = dict[str, bytes]
"""Path below ``demo/data`` → bytes."""


def main() -> None:
    """Write every file."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, data in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"{len(data):7,} bytes  {path.relative_to(FOLDER)}")


def files() -> Files:
    """The whole story."""
    days = [MONDAY + dt.timedelta(days=number) for number in range(3)]
    folders = [f"1_{days[0]}", f"2_{days[1]}", f"4_{days[2]}"]
    out: Files = {}
    for number, (day, folder) in enumerate(zip(days, folders, strict=True)):
        for make in (suppliers, purchase_orders, shipments, inventory, sales_orders, marketing_events):
            chance = random.Random(f"{make.__name__} {number}")
            out |= {f"{folder}/{make.__name__}/{name}": data for name, data in make(number, day, chance)}
    return dict(sorted((out | evening(days[1], out, folders[1])).items()))


def evening(day: dt.date, sent: Files, morning: str) -> Files:
    """What comes once more on the second day."""
    recount = dict(inventory(1, day, random.Random("recount"), bad=False))
    return {
        f"3_{day}/inventory/stock.csv": recount["stock.csv"],
        f"3_{day}/sales_orders/orders_eu (1).jsonl": sent[f"{morning}/sales_orders/orders_eu.jsonl"],
        f"3_{day}/shipments/rotterdam.csv.gz": sent[f"{morning}/shipments/rotterdam.csv.gz"],
    }


def suppliers(number: int, day: dt.date, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """The vendor master, then its changes: one vendor is deleted, and an older change of it comes after that."""
    everyone = range(len(SUPPLIERS) - 1)
    chosen = [everyone, [2, 5, 9, 12, 17], [4, 7, 9, 10, 12, 14]][number]
    rows = [_supplier(index, dt.datetime.combine(day, dt.time(1, 10 + index)), chance) for index in chosen]
    if number == 0:
        rows[6]["country"] = "Italy"
    if number == 1:
        rows[3]["is_deleted"] = True
    if number == 2:
        rows[4]["updated_at"] = dt.datetime.combine(MONDAY, dt.time(9, 0))
        rows[5]["lead_time_days"] = 400
    yield "suppliers.parquet", _parquet(rows)


def _supplier(index: int, updated_at: dt.datetime, chance: random.Random) -> dict[str, Any]:
    name, country, city, days = SUPPLIERS[index]
    return {
        "supplier_id": f"SUP-{1001 + index}",
        "supplier_name": name,
        "country": country,
        "city": city,
        "lead_time_days": days + chance.choice((0, 0, 0, 1, 3)),
        "rating": Decimal(chance.randint(280, 495)) / 100,
        "is_deleted": False,
        "updated_at": updated_at,
    }


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "supplier_id": pa.string(),
        "supplier_name": pa.string(),
        "country": pa.string(),
        "city": pa.string(),
        "lead_time_days": pa.int32(),
        "rating": pa.decimal128(3, 2),
        "is_deleted": pa.bool_(),
        "updated_at": pa.timestamp("us", tz="UTC"),
    }
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(types.items()))), sink)
    return sink.getvalue()


def purchase_orders(number: int, day: dt.date, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """New orders each day, and second revisions of some of the day before."""
    first = 400_100 + 20 * number
    orders = [_order(po, 1, day, chance) for po in range(first, first + 20)]
    if number:
        orders += [_order(po, 2, day, chance) for po in range(first - 20, first - 14)]
    if number != 1:
        orders[3]["amount"]["total"] = -orders[3]["amount"]["total"]
    orders[11]["expected_on"] = "2025-02-30"
    half = len(orders) // 2
    yield "page_1.json", _page(1, orders[:half])
    yield "page_2.json", _page(2, orders[half:])
    if number == 1:
        yield "page_3.json", b"<html><head><title>502 Bad Gateway</title></head><body>coupa upstream timed out</body></html>\n"


def _order(po: int, revision: int, day: dt.date, chance: random.Random) -> dict[str, Any]:
    index = po % (len(SUPPLIERS) - 1)
    lines = [
        {"sku": sku, "quantity": chance.randrange(50, 2_000, 50), "unit_price": chance.randint(120, 9_900) / 100}
        for sku in chance.sample(SKUS, chance.randint(1, 3))
    ]
    total = sum(line["quantity"] * round(line["unit_price"] * 100) for line in lines) / 100
    time = dt.datetime.combine(day, dt.time(8)) + dt.timedelta(minutes=chance.randrange(540))
    return {
        "po_number": f"PO-{po}",
        "revision": revision,
        "supplier": {"id": f"SUP-{1001 + index}"},
        "status": "sent" if revision == 1 else "confirmed",
        "ordered_at": f"{time:%Y-%m-%dT%H:%M:%S}Z",
        "expected_on": f"{day + dt.timedelta(days=SUPPLIERS[index][3])}",
        "amount": {"total": total, "currency": chance.choice(("USD", "USD", "EUR"))},
        "lines": lines,
    }


def _page(number: int, orders: list[dict[str, Any]]) -> bytes:
    return (json.dumps({"page": number, "data": {"orders": orders}}, indent=1) + "\n").encode()


def shipments(number: int, day: dt.date, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Per hub: new shipments, and those of the days before whose status has moved."""
    for at, (hub, (origin, warehouse)) in enumerate(HUBS.items()):
        start = 770_000 + 1_000 * at
        ids = [*range(start + 20 * number, start + 20 * number + 30)]
        rows = [_shipment(one, origin, warehouse, day, chance, moved=one < ids[10] and number > 0) for one in ids]
        rows.append(rows[4] | {"status": "delayed", "updated_at": f"{day}T18:40:00Z"})
        _spoil_shipments(rows, day, at)
        if number == 2 and hub == "singapore":
            for row in rows:
                row["co2_kg"] = f"{Decimal(chance.randint(900, 88_000)) / 10}"
        data = gzip.compress(_csv(rows), mtime=0)
        cut = number == 2 and hub == "long_beach"
        yield f"{hub}.csv.gz", data[: len(data) * 2 // 3] if cut else data


def _shipment(one: int, origin: str, warehouse: str, day: dt.date, chance: random.Random, *, moved: bool) -> dict[str, str]:
    shipped = day - dt.timedelta(days=one % 9 + 3)
    status = chance.choice(("delivered", "delayed", "in_transit")) if moved else chance.choice(("booked", "in_transit"))
    return {
        "shipment_id": f"SHP-{one}",
        "po_number": f"PO-{400_100 + one % 20}",
        "carrier": chance.choice(("Maersk", "CMA CGM", "Kuehne+Nagel", "DSV, Air & Sea")),
        "origin": origin,
        "destination": warehouse,
        "transport": chance.choice(("sea", "sea", "air", "road")),
        "status": status,
        "weight_kg": f"{Decimal(chance.randint(40_000, 18_000_000)) / 1000}",
        "freight_usd": f"{Decimal(chance.randint(15_000, 940_000)) / 100}",
        "shipped_on": f"{shipped}",
        "delivered_on": f"{day}" if status == "delivered" else "",
        "updated_at": f"{day}T{6 + one % 10:02}:{one % 60:02}:00Z",
    }


def _spoil_shipments(rows: list[dict[str, str]], day: dt.date, at: int) -> None:
    """One fault or two per hub."""
    if at == 0:
        rows[7]["weight_kg"] = "n/a"
        rows[12] |= {"status": "delivered", "shipped_on": f"{day}", "delivered_on": f"{day - dt.timedelta(days=30)}"}
    if at == 1:
        rows[9]["status"] = "lost?"
    if at == 2:
        rows[2]["weight_kg"] = "-12.500"
        rows[21]["origin"] = "Singapore"


def inventory(number: int, day: dt.date, chance: random.Random, *, bad: bool = True) -> Iterator[tuple[str, bytes]]:
    """One count of every article in every warehouse; two counts are impossible."""
    rows = []
    for warehouse in WAREHOUSES:
        for sku in SKUS:
            on_hand = chance.randint(0, 900)
            reserved = chance.randint(0, on_hand // 3)
            cost = f"{Decimal(random.Random(sku).randint(8_000, 900_000)) / 10_000}"
            rows.append([warehouse, sku, on_hand, reserved, cost, f"{day} 22:{30 + number}"])
    if bad:
        rows[5][2] = -3
        rows[31][3] = int(rows[31][2]) + 40
    header = ["Warehouse Code", "sku", "on_hand", "reserved", "unit_cost", "counted_at"]
    yield "stock.csv", _csv([dict(zip(header, map(str, row), strict=True)) for row in rows])


def sales_orders(number: int, day: dt.date, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Lines of the day; from the second day on also late lines and corrections of the day before."""
    for at, (region, countries) in enumerate({"eu": ("DE", "NL", "FR", "NO"), "us": ("US", "CA", "MX")}.items()):
        start = 5_000_000 + 100_000 * at + 100 * number
        lines = [_sale((start + index // 2, index % 2 + 1), (day, day), countries, chance) for index in range(44)]
        if number:
            yesterday = day - dt.timedelta(days=1)
            late = range(start - 100, start - 96)
            lines += [_sale((order, 1), (yesterday, day), countries, chance) for order in late]
            lines += [_sale((start - 60, line), (yesterday, day), countries, chance) for line in (1, 2)]
        lines.append(lines[0])
        lines[8]["quantity"] = 0
        lines[15]["unit_price"] = "on request"
        text = [json.dumps(line, ensure_ascii=False) for line in lines]
        if region == "us":
            text[20] = text[20][: len(text[20]) // 2]
        yield f"orders_{region}.jsonl", ("\n".join(text) + "\n").encode()


def _sale(
    key: tuple[int, int], dates: tuple[dt.date, dt.date], countries: tuple[str, ...], chance: random.Random
) -> dict[str, Any]:
    (order, line), (ordered, sent) = key, dates
    return {
        "order_id": f"SO-{order}",
        "line": line,
        "order_date": f"{ordered}",
        "sku": chance.choice(SKUS),
        "quantity": chance.choice((1, 1, 2, 3, 6, 12, 40)),
        "unit_price": f"{Decimal(chance.randint(490, 24_900)) / 100}",
        "channel": chance.choice(("web", "web", "app", "marketplace")),
        "shipping": {"country": chance.choice(countries)},
        "updated_at": f"{sent}T{chance.randint(0, 22):02}:{chance.randint(0, 59):02}:00Z",
    }


def marketing_events(number: int, day: dt.date, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Events in German notation; on the third day the export has switched to American dates."""
    rows = []
    for _ in range(60):
        time = dt.datetime.combine(day, dt.time(0)) + dt.timedelta(seconds=chance.randrange(86_400))
        event = chance.choice(("impression", "impression", "click", "signup", "purchase"))
        rows.append(
            {
                "Zeitpunkt": f"{time:%m/%d/%Y %I:%M:%S %p}" if number == 2 else f"{time:%d.%m.%Y %H:%M:%S}",
                "Kampagne": chance.choice(CAMPAIGNS),
                "Kanal": chance.choice(("email", "search", "social", "display")),
                "Ereignis": event,
                "Artikel": chance.choice([*SKUS, ""]),
                "Kunde": f"c{chance.randrange(16**6):06x}",
                "Kosten": f"{chance.randint(0, 48_000) / 10_000:.4f}".replace(".", ","),
            }
        )
    rows += [rows[10], rows[11]]
    rows[3]["Kosten"] = "kostenlos"
    rows[20]["Kanal"] = "fax"
    yield "events.csv", _csv(rows, delimiter=";", encoding="cp1252")


def _csv(rows: list[dict[str, str]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


if __name__ == "__main__":
    main()
