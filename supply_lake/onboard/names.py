"""Names of columns: what the files call them → names that every engine takes without quotes, and what a name hints at.

What belongs here: names as texts. What does not: which names of several files are one column (``headers``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

LONGEST = 63
_UNITS = {
    "kilograms": "kg", "kilogram": "kg", "kg": "kg", "grams": "g", "g": "g", "lb": "lb", "lbs": "lb", "pounds": "lb",
    "usd": "USD", "eur": "EUR", "gbp": "GBP", "jpy": "JPY", "cny": "CNY", "chf": "CHF", "%": "percent", "percent": "percent",
    "days": "days", "hours": "hours", "minutes": "minutes", "seconds": "seconds", "ms": "ms", "km": "km", "m": "m", "cm": "cm",
    "mm": "mm", "miles": "miles", "litres": "l", "liters": "l", "m3": "m3", "cbm": "m3", "pcs": "pieces", "pieces": "pieces",
    "units": "units",
}  # fmt: skip
_IDENTITY = {
    "id", "ids", "key", "code", "no", "nr", "num", "number", "sku", "guid", "uuid", "ref", "reference", "pk", "isin", "iso",
    "ndc", "fips", "ticket", "serial", "asin", "lei", "barcode",
}  # fmt: skip
_TEXT_CODES = {
    "zip", "zipcode", "postal", "postcode", "plz", "phone", "fax", "mobile", "tel", "telephone", "ean", "gtin", "upc", "isbn",
    "iban", "sku", "barcode", "fips", "ndc", "vat", "ssn", "swift", "bic", "hs",
}  # fmt: skip
_MONEY = {
    "price", "amount", "cost", "costs", "value", "total", "subtotal", "tax", "freight", "fee", "charge", "revenue", "sales",
    "insurance", "balance", "discount", "rate", "money", "due", "spend", "salary", "credit", "debit", "preis", "betrag",
    "kosten", "montant", "precio",
}  # fmt: skip
_MEASURES = _MONEY | {
    "quantity", "qty", "count", "weight", "volume", "length", "width", "height", "age", "duration", "score", "rating", "lat",
    "latitude", "long", "lon", "longitude", "percent", "pct", "ratio", "size", "stock", "level", "confirmed", "deaths",
    "recovered", "active",
}  # fmt: skip
_KINDS = {
    "status", "state", "type", "kind", "mode", "category", "class", "group", "level", "priority", "currency", "unit", "uom",
    "method", "term", "terms", "incoterm", "month", "weekday", "channel", "reason", "flag", "stage", "phase", "grade",
    "outcome", "result",
}  # fmt: skip
_DATES = {"date", "dt", "day", "datum", "fecha", "jour"}
_CHANGES = {"updated", "update", "modified", "changed", "edited", "lastmodified", "refreshed", "asof", "rowversion"}
# As databases write names that had capitals once.
_CHANGES_IN_ONE_WORD = re.compile(r"(last)?(updated?|modified|changed?|edited|refreshed)(at|on|date|time|timestamp|ts|utc)")


def tokens(name: str) -> list[str]:
    """``PQ First Sent to Client Date`` → its words; ``InvoiceNo`` and ``invoice_no`` have the same two."""
    plain = name.replace("ß", "ss")
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    plain = plain.replace("#", " no ") if not re.search(r"(?i)\bno\b|\bnr\b", plain) else plain.replace("#", " ")
    plain = plain.replace("%", " percent ").replace("&", " and ")
    plain = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", plain)
    plain = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", plain)
    return [word.lower() for word in re.findall(r"[A-Za-z0-9]+", plain)]


def published(names: Iterable[str]) -> list[str]:
    """Names for the published table, one for each, all different: ``Line Item Value`` → ``line_item_value``."""
    taken: set[str] = set()
    out = []
    for at, name in enumerate(names, start=1):
        base = "_".join(tokens(name)) or f"column_{at}"
        base = (f"c_{base}" if base[0].isdigit() else base)[:LONGEST].rstrip("_")
        unique, again = base, 2
        while unique in taken:
            unique, again = f"{base[: LONGEST - 6]}_{again}", again + 1
        taken.add(unique)
        out.append(unique)
    return out


def unit(name: str) -> str:
    """The unit that a name carries in brackets or as its last word: ``Weight (Kilograms)`` → ``kg``."""
    bracketed = re.search(r"[(\[]\s*([^()\[\]]+?)\s*[)\]]\s*$", name)
    if bracketed:
        return _UNITS.get(bracketed[1].lower(), "")
    last = (tokens(name) or [""])[-1]
    return _UNITS.get(last, "") if len(last) > 1 and len(tokens(name)) > 1 else ""


def is_unnamed(name: str) -> bool:
    """Whether it is a name that was made up for a column without one."""
    return re.fullmatch(r"column_\d+", name) is not None


def says_identity(name: str) -> bool:
    """Whether the name speaks of a key, a code or a number that names things."""
    words = tokens(name)
    return bool(_IDENTITY & set(words)) and not _MEASURES & set(words[-1:])


def says_text_code(name: str) -> bool:
    """Whether the name speaks of digits that nobody computes with, such as postal codes."""
    return bool(_TEXT_CODES & set(tokens(name)))


def says_money(name: str) -> bool:
    """Whether the name speaks of money."""
    return bool(_MONEY & set(tokens(name)))


def says_measure(name: str) -> bool:
    """Whether the name speaks of an amount of something."""
    return bool(_MEASURES & set(tokens(name)))


def says_kind(name: str) -> bool:
    """Whether the name speaks of one of a few kinds, of which there will hardly be more."""
    return bool(_KINDS & set(tokens(name)))


def says_date(name: str) -> bool:
    """Whether the name speaks of a date."""
    return bool(_DATES & set(tokens(name)))


def says_change(name: str) -> bool:
    """Whether the name speaks of the time of the last change."""
    words = tokens(name)
    in_one_word = any(_CHANGES_IN_ONE_WORD.fullmatch(word) for word in words)
    return in_one_word or bool(_CHANGES & set(words)) or words[:2] == ["as", "of"]


def says_flag(name: str) -> bool:
    """Whether the name speaks of yes or no."""
    words = tokens(name)
    return words[:1] in (["is"], ["has"], ["can"]) or bool({"flag", "flagged", "active", "enabled", "deleted"} & set(words))


def is_reserved(name: str) -> bool:
    """Whether SQL takes the name for a word of its own."""
    return name in _reserved_words()


@cache
def _reserved_words() -> frozenset[str]:
    import duckdb

    with duckdb.connect() as connection:
        found = connection.execute("SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'").fetchall()
    return frozenset(word for (word,) in found)
