"""The data quality rules about what an interest makes of the events. They read the manifest's `input`."""

from recflow_glue.arguments import Interest, fold_type
from recflow_glue.checks import SAMPLES, Check, printable
from recflow_glue.interest import IMPRESSION, RATING
from recflow_glue.summary import OTHER

SCALE = 2.0  # times the threshold: the highest value of a rating that fits the threshold
LIKED = 0.8  # of the highest value: what is suggested as threshold, as 4 of 5 stars
FEW = 0.01  # share of events that is not worth a warning
MOST = 0.5
SPREAD = 10.0  # 90th percentile by the 10th of values that differ a lot


def run(input_: dict, interest: Interest) -> list[Check]:
    return [
        event_types(input_, interest),
        rating_scale(input_, interest),
        returns(input_),
        value_use(input_, interest),
        repeated_content(input_),
    ]


def event_types(input_: dict, interest: Interest) -> Check:
    """Check for event types that have no weight. The message is loud if they are most of the events."""
    declared = {fold_type(t) for t in interest.weights} | {IMPRESSION}
    weightless = [t for t in input_["event_types"] if fold_type(t["type"]) not in declared and t["type"] != OTHER]
    n = sum(t["events"] for t in weightless)
    if not n:
        return Check("event_types", "warning", True, 0, "every event type has a weight, or is declared to have none")
    acted = sum(t["events"] for t in input_["event_types"] if fold_type(t["type"]) != IMPRESSION)
    named = ", ".join(f"{printable(t['type'])} ({percent(t['events'], acted)})" for t in weightless[:SAMPLES])
    more = f" and {len(weightless) - SAMPLES} more types" if len(weightless) > SAMPLES else ""
    loud = "MOST EVENTS TRAIN NOTHING: " if n > MOST * acted else ""
    message = f"{loud}{n} events train nothing, because their types have no weight: {named}{more}; give the types a weight with --interest"
    return Check("event_types", "warning", False, n, message, [printable(t["type"]) for t in weightless[:SAMPLES]])


def rating_scale(input_: dict, interest: Interest) -> Check:
    """Check whether the values of the ratings fit the threshold. Stars of 1 to 5 fit 4; 1 to 10, 0 to 100, 0 and 1
    do not, and a negative value usually means that there is no rating."""
    ratings = [t for t in input_["event_types"] if fold_type(t["type"]) == RATING and t.get("percentiles")]
    if not ratings:
        return Check("rating_scale", "warning", True, 0, "there are no ratings with a value")
    n, limit = sum(t["values"] for t in ratings), interest.rating_threshold
    liked, negative = (sum(t[field] for t in ratings) for field in ("counting", "negative"))
    lowest, highest = min(t["percentiles"][0] for t in ratings), max(t["percentiles"][-1] for t in ratings)
    usual = max(t["percentiles"][99] for t in ratings)
    found = []
    if highest < limit:
        found.append("no rating counts")
    elif usual > SCALE * limit > 0:
        found.append("the threshold is in the lower half of the scale, so dislikes count as likes")
    if negative:
        found.append(f"{negative} are negative, which usually means not rated; they have no weight")
    elif lowest == 0 and highest > 1 and share_of(ratings, 0.0) > FEW:
        found.append(f"about {share_of(ratings, 0.0):.0%} are 0, which may mean not rated; they have no weight")
    message = (
        f"ratings are from {lowest:g} to {highest:g}, and {percent(liked, n)} of them reach the threshold {limit:g}"
    )
    if found:
        message += f": {'; '.join(found)}; set rating_threshold with --interest, for example to {LIKED * usual:g}"
    return Check("rating_scale", "warning", not found, n if found else 0, message)


def share_of(types: list[dict], value: float) -> float:
    """Return the approximate share of a value, to a percent."""
    n = sum(t["values"] for t in types)
    return sum(t["values"] * sum(p == value for p in t["percentiles"]) / len(t["percentiles"]) for t in types) / n


def returns(input_: dict) -> Check:
    """Check for types with more returns than purchases, in number or in quantity: their values may mean something
    else."""
    valued = [t for t in merged(input_["event_types"]) if t["negative"]]
    n = sum(t["negative"] for t in valued)
    if not n:
        return Check("returns", "warning", True, 0, "no event takes back interest by a negative value")
    text = f"{n} events have a negative value and take back interest"
    wrong = [t for t in valued if t["negative"] > t["events"] - t["negative"] or t["sum_negative"] > t["sum_positive"]]
    if wrong:
        named = ", ".join(f"{printable(t['type'])} ({t['negative']} of {t['events']} events)" for t in wrong[:SAMPLES])
        text += f"; more is taken back than was added by {named}: if the values mean something else, import the events without them"
    return Check("returns", "warning", not wrong, sum(t["negative"] for t in wrong), text)


def merged(types: list[dict]) -> list[dict]:
    """Return the types whose value is a quantity, those that differ in case and separators as one."""
    found: dict[str, dict] = {}
    for t in types:
        kind = fold_type(t["type"])
        if kind in (RATING, IMPRESSION):
            continue
        one = found.setdefault(kind, {"type": t["type"]})
        for name in ("events", "negative", "sum_positive", "sum_negative"):
            one[name] = one.get(name, 0) + t[name]
    return list(found.values())


def value_use(input_: dict, interest: Interest) -> Check:
    """Check for values that differ a lot and that the interest ignores, such as numbers of plays."""
    used, weights = interest.folded_uses(), interest.folded_weights()
    spread = []
    for t in input_["event_types"]:
        kind, p = fold_type(t["type"]), t.get("percentiles")
        if kind == RATING or kind not in weights or kind in used or not p:
            continue
        low, high = next((x for x in p[10:] if x > 0), 0), p[90]
        if low > 0 and high >= SPREAD * low:
            spread.append(
                f"{printable(t['type'])} (a tenth of the values is at most {low:g}, a tenth at least {high:g})"
            )
    if not spread:
        return Check("value_use", "warning", True, 0, "no values that differ a lot are ignored")
    message = f"the values of {', '.join(spread[:SAMPLES])} differ a lot and are ignored; if they are counts or quantities, set value_use to log with --interest"
    return Check("value_use", "warning", False, len(spread), message)


def repeated_content(input_: dict) -> Check:
    """Report how many events repeat the content of another one under another id."""
    n, total = input_["repeated_content"], input_["events"]
    message = (
        f"about {n} of {total} events ({percent(n, total)}) have the user, item, type, time and value of another event"
    )
    few = n <= FEW * total
    if not few:
        message += "; if a log was imported twice, remove one of the imports, or import it with --ids content"
    return Check("repeated_content", "warning", few, n, message)


def percent(n: int, total: int) -> str:
    return f"{n / total if total else 0:.1%}"
