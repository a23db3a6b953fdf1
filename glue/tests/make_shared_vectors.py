"""Write the test vectors that Go and Python share, in internal/recsys/testdata.

The vectors are computed with Python floats and fractions, without code of either side.
Run it only when the rules change: python tests/make_shared_vectors.py
"""

import hashlib
import json
import math
import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

OUT = Path(__file__).resolve().parents[2] / "internal" / "recsys" / "testdata"
START = datetime(2017, 1, 1, tzinfo=UTC)
DAY = 86400
DEFAULT = {"view": 1, "click": 1, "add_to_cart": 3, "purchase": 5, "rating": 1, "impression": 0}
PLAIN = {"weights": DEFAULT, "rating_threshold": 4, "half_life_seconds": 0, "floor": 0.01}
AGING = PLAIN | {"half_life_seconds": 30 * DAY, "floor": 0.5}
HOURLY = PLAIN | {"half_life_seconds": 3600}
OWN = {"alpha": 5.0, "regularization": 8.0, "regularization_exponent": 0.5, "mean_items": 12.5}
MLLIB = {"alpha": 5.0, "regularization": 0.1, "regularization_exponent": 1.0, "mean_items": 1.0}
VALUED = PLAIN | {
    "weights": DEFAULT | {"play": 2, "Acheté": 1, "iσασ": 1},
    "value_use": {"purchase": "value", "PLAY": "log", "acheté": "value", "İΣΑΣ": "log"},
}
FRACTIONAL = {"weights": {"view": 0.1, "click": 0.7}, "rating_threshold": 4, "half_life_seconds": 0, "floor": 0.3}


def solve(a: list[list[Fraction]], b: list[Fraction]) -> list[Fraction]:
    """Solve the linear equations exactly, by elimination."""
    n = len(b)
    m = [[*row, y] for row, y in zip(a, b, strict=True)]
    for i in range(n):
        p = next(r for r in range(i, n) if m[r][i])
        m[i], m[p] = m[p], m[i]
        for r in range(n):
            if r != i and m[r][i]:
                f = m[r][i] / m[i][i]
                m[r] = [x - f * y for x, y in zip(m[r], m[i], strict=True)]
    return [m[i][n] / m[i][i] for i in range(n)]


def short(x: float) -> float:
    """Round to a float32 with few digits, which JSON represents exactly."""
    return round(x * 1024) / 1024


def foldin(rng: random.Random, k: int, n: int, weights: list[float], **settings: float) -> dict:
    catalog = [[short(rng.gauss(0, 0.4)) for _ in range(k)] for _ in range(4 * k)]
    gram = [[sum(Fraction(v[i]) * Fraction(v[j]) for v in catalog) for j in range(k)] for i in range(k)]
    items = catalog[:n]
    a, b = [row[:] for row in gram], [Fraction(0)] * k
    counted = 0
    for v, w in zip(items, weights, strict=True):
        if w <= 0:
            continue
        counted += 1
        c = Fraction(settings["alpha"]) * Fraction(w)
        for i in range(k):
            b[i] += (1 + c) * Fraction(v[i])
            for j in range(k):
                a[i][j] += c * Fraction(v[i]) * Fraction(v[j])
    scale = (counted / settings["mean_items"]) ** settings["regularization_exponent"]
    for i in range(k):
        a[i][i] += Fraction(settings["regularization"] * scale)
    return {
        "dimension": k, **settings,
        "gram": [float(x) for row in gram for x in row],
        "items": items, "weights": weights, "vector": [float(x) for x in solve(a, b)],
    }  # fmt: skip


def event(n: int, item: str, kind: str, seconds: float, value: float | None = None) -> dict:
    t = START + timedelta(seconds=seconds)
    e = {
        "event_id": f"e{n:03}",
        "item_id": item,
        "event_type": kind,
        "occurred_at": t.isoformat().replace("+00:00", "Z"),
    }
    return e if value is None else e | {"value": value}


def when(e: dict) -> datetime:
    return datetime.fromisoformat(e["occurred_at"])


def same(name: str) -> str:
    return "".join(c.lower()[0] for c in name if c not in "_- ")


def weight(interest: dict, e: dict) -> float:
    kind, value = same(e["event_type"]), e.get("value")
    w = next((float(w) for t, w in interest["weights"].items() if same(t) == kind), 0.0)
    use = next((u for t, u in interest.get("value_use", {}).items() if same(t) == kind), "ignore")
    if kind == "rating":
        return w if value is not None and value >= interest["rating_threshold"] else 0.0
    if value is None:
        return w
    size = {"ignore": 1.0, "log": math.log2(1 + min(abs(value), 1e6)), "value": min(abs(value), 1e6)}[use]
    return -abs(w) * size if value < 0 or w < 0 else w * size


def history(name: str, interest: dict, events: list[dict]) -> dict:
    first: dict[str, dict] = {}
    for e in sorted(
        (e for e in events if same(e["event_type"]) != "impression"), key=lambda e: (when(e), e["event_id"])
    ):
        first.setdefault(e["event_id"], e)
    counting = [when(e) for e in first.values() if weight(interest, e) > 0]
    ref = max(counting, default=None)
    sums: dict[str, float] = {}
    for e in first.values():
        w = weight(interest, e)
        if interest["half_life_seconds"] and ref and w:
            halvings = (ref - when(e)).total_seconds() / interest["half_life_seconds"]
            w = w * 2.0**-halvings if halvings > -1000 else w * math.inf
        sums[e["item_id"]] = sums.get(e["item_id"], 0.0) + w
    liked = {i: w for i, w in sorted(sums.items()) if w >= max(interest["floor"], 1e-9)}
    return {
        "name": name, "interest": interest, "events": events,
        "items": list(liked), "weights": list(liked.values()),
        "reference_time": ref.isoformat().replace("+00:00", "Z") if ref else None,
        "seen": sorted(i for i in sums if i not in liked),
    }  # fmt: skip


def histories() -> list[dict]:
    mixed = [
        event(1, "a", "purchase", 0),
        event(2, "a", "view", 3 * DAY + 0.25),
        event(3, "b", "wishlist", 5 * DAY),
        event(4, "c", "rating", 6 * DAY, 4),
        event(5, "d", "rating", 7 * DAY, 3.5),
        event(6, "e", "rating", 8 * DAY),
        event(7, "f", "wishlist", 9 * DAY),
        event(8, "b", "click", 61 * DAY),
        event(9, "g", "wishlist", 400 * DAY),
    ]
    repeated = [
        event(1, "a", "click", DAY),
        event(1, "b", "purchase", 2 * DAY),
        event(2, "a", "click", DAY),
        event(1, "a", "click", DAY),
    ]
    spelled = [
        event(n, f"item-{n}", kind, n, value)
        for n, (kind, value) in enumerate(
            [
                ("Purchase", None),
                ("CLICK", None),
                ("AddToCart", None),
                ("add-to-cart", None),
                ("Add To Cart ", None),
                ("RATING", 5),
                ("Rating", 3),
                ("Impression", None),
                ("IM_PRESSION", None),
                ("İMPRESSİON", None),
                ("purchases", None),
                ("ACHETÉ", None),
            ]
        )
    ]
    valued = [
        event(n, f"item-{n}", kind, n, value)
        for n, (kind, value) in enumerate(
            [
                ("purchase", None),
                ("purchase", 0),
                ("purchase", 2.5),
                ("purchase", 1e300),
                ("Play", None),
                ("play", 0),
                ("play", 1),
                ("play", 499),
                ("view", 12),
                ("rating", 5),
                ("view", -1),
                ("acheté", 3),
                ("ACHETÉ", 3),
                ("İΣΑΣ", 3),
            ]
        )
    ]
    returned = [
        event(1, "kept", "purchase", 0, 3),
        event(2, "back", "purchase", DAY, 2),
        event(3, "kept", "purchase", 40 * DAY, -1),
        event(4, "back", "purchase", 2 * DAY, -2),
        event(5, "again", "purchase", 3 * DAY, 1),
        event(6, "again", "purchase", 4 * DAY, -1),
        event(7, "again", "purchase", 35 * DAY, 1),
        event(8, "viewed", "view", 30 * DAY),
        event(9, "kept", "purchase", 200 * DAY, -1),
    ]
    fractions = [event(i, "a" if i % 3 else "b", "view" if i % 2 else "click", i) for i in range(1, 12)] + [
        event(12, "c", "view", 12)
    ]
    return [
        history("it sums weights without decay", PLAIN, mixed),
        history("it applies decay up to the latest counting event and the floor after summing", AGING, mixed),
        history("it counts the earliest event of each event id", PLAIN, repeated),
        history(
            "it marks items without weight as seen",
            AGING,
            [event(1, "a", "wishlist", 0), event(2, "b", "rating", DAY, 1)],
        ),
        history(
            "it ignores later events without weight for the reference time",
            HOURLY,
            [event(1, "a", "click", 0), event(2, "a", "wishlist", 60 * DAY)],
        ),
        history(
            "it ignores impressions even if they have a weight",
            AGING | {"weights": DEFAULT | {"impression": 9}},
            [
                event(1, "shown", "impression", 0),
                event(2, "a", "click", DAY),
                event(3, "a", "impression", 2 * DAY),
                event(4, "b", "wishlist", 3 * DAY),
                event(5, "b", "impression", 400 * DAY),
            ],
        ),
        history("it adds fractions in event order", FRACTIONAL, fractions),
        history(
            "it breaks ties by event id",
            AGING,
            [event(3, "a", "view", 9.000001), event(1, "a", "purchase", 9.000001), event(2, "b", "view", 9)],
        ),
        history("it looks up types without case, spaces, hyphens and underscores", PLAIN, spelled),
        history("it counts the value of a type as its use says", VALUED, valued),
        history("it takes back what was returned, from its own date", AGING, returned),
        history("it takes back quantities", VALUED | {"half_life_seconds": 30 * DAY}, returned),
        history(
            "it does not move the reference time for a return",
            HOURLY,
            [event(1, "a", "click", 0), event(2, "b", "click", 0), event(3, "a", "click", 3000 * DAY, -1)],
        ),
        history("it marks what was only returned as seen", AGING, [event(1, "a", "purchase", DAY, -2)]),
        history(
            "it ignores what rounding leaves of a return without a floor",
            FRACTIONAL | {"floor": 0},
            [
                event(1, "a", "view", 1),
                event(2, "a", "click", 2),
                event(3, "a", "view", 3, -1),
                event(4, "a", "click", 4, -1),
                event(5, "b", "click", 5),
            ],
        ),
        history(
            "it never adds interest for a negative value of a type with a negative weight",
            PLAIN | {"weights": DEFAULT | {"return": -5, "dislike": -1}},
            [
                event(1, "a", "purchase", 0),
                event(2, "a", "Return", 1, -1),
                event(3, "b", "purchase", 2),
                event(4, "b", "dislike", 3),
                event(5, "c", "return", 4, -3),
            ],
        ),
    ]


def bits(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def main() -> None:
    rng = random.Random(5)
    users = [f"user-{i}" for i in range(40)] + ["Zoë", "用户", "a" * 256, " "]
    ids = ["", "a", "event-1", "Ünï", *(f"{i:032x}" for i in range(20))]
    xor = 0
    for i in ids:
        xor ^= bits(i)
    files = {
        "foldin": [
            foldin(rng, 3, 1, [1.0], **OWN),
            foldin(rng, 8, 5, [1.0, 5.0, 0.03125, 40.0, 3.0], **OWN),
            foldin(rng, 8, 5, [1.0, 5.0, 0.03125, 40.0, 3.0], **MLLIB),
            foldin(rng, 8, 4, [2.0, 0.0, -1.0, 1.5], **OWN | {"regularization": 0.0}),
            foldin(rng, 8, 4, [2.0, 1.0, 0.5, 1.5], **OWN | {"regularization_exponent": 0.0}),
            foldin(rng, 16, 30, [short(rng.uniform(0.01, 9)) for _ in range(30)], **OWN | {"alpha": 40.0}),
        ],
        "history": histories(),
        "holdout": [
            {"bound": b, "users": {u: bits("holdout:" + u) < int(b, 16) for u in users}}
            for b in ("1999999999999999", "8000000000000000", "0000000000000000", "ffffffffffffffff")
        ],
        "eventset": [{"ids": ids, "count": len(ids), "hash": f"{xor:016x}"}, {"ids": [], "count": 0, "hash": "0" * 16}],
    }
    for name, cases in files.items():
        body = json.dumps(cases, ensure_ascii=False, separators=(",", ":")).replace('},{"', '},\n{"')
        (OUT / f"{name}.json").write_text(body + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
