import pytest

from recflow_glue import interest_checks
from recflow_glue.arguments import Interest


def kind(name: str, events: int, values=(), counting=None) -> dict:
    """Return the counts of an event type. values are those of its events, one by one."""
    ordered = sorted(values)
    t = {
        "type": name,
        "events": events,
        "counting": events if counting is None else counting,
        "values": len(values),
        "negative": sum(v < 0 for v in values),
        "sum_positive": float(sum(v for v in values if v > 0)),
        "sum_negative": float(-sum(v for v in values if v < 0)),
    }
    if ordered:
        t["percentiles"] = [ordered[min(len(ordered) - 1, len(ordered) * n // 100)] for n in range(101)]
    return t


def input_(*types: dict, repeated: int = 0) -> dict:
    return {"event_types": list(types), "events": sum(t["events"] for t in types), "repeated_content": repeated}


@pytest.mark.parametrize("name", ["Purchase", "CLICK", "add-to-cart", "addtocart", "impression", "Impression"])
def it_accepts_other_names_of_types_with_a_weight(name):
    c = interest_checks.event_types(input_(kind(name, 10)), Interest())
    assert (c.passed, c.message) == (True, "every event type has a weight, or is declared to have none")


def it_warns_about_types_without_a_weight():
    c = interest_checks.event_types(
        input_(kind("view", 70), kind("transaction", 30), kind("impression", 900)), Interest()
    )
    assert (c.passed, c.severity, c.count, c.samples) == (False, "warning", 30, ["transaction"])
    assert c.message.startswith("30 events train nothing, because their types have no weight: transaction (30.0%)")
    assert "--interest" in c.message


def it_is_loud_if_most_events_train_nothing():
    c = interest_checks.event_types(input_(kind("transaction", 60), kind("view", 40)), Interest())
    assert c.message.startswith("MOST EVENTS TRAIN NOTHING: 60 events")


def it_does_not_warn_about_types_that_are_declared_to_weigh_nothing():
    weights = {"view": 1.0, "Remove_from_cart": 0.0}
    assert interest_checks.event_types(input_(kind("view", 1), kind("remove_from_cart", 9)), Interest(weights)).passed


STARS = [1, 2, 3, 3.5, 4, 4, 4.5, 5] * 20


@pytest.mark.parametrize(
    ("values", "threshold", "problem"),
    [
        (STARS, 4, None),
        ([*STARS, 10], 4, None),  # a single wrong one
        ([v * 2 for v in STARS], 8, None),
        ([0, 1] * 50, 1, None),
        ([0, 1] * 50, 4, "no rating counts"),
        ([v * 2 for v in STARS], 4, "the threshold is in the lower half of the scale"),
        ([v * 20 for v in STARS], 4, "the threshold is in the lower half of the scale"),
        ([-1] * 60 + STARS, 4, "60 are negative, which usually means not rated"),
        ([0] * 60 + STARS, 4, "are 0, which may mean not rated"),
    ],
)
def it_compares_the_scale_of_ratings_with_the_threshold(values, threshold, problem):
    liked = sum(v >= threshold for v in values)
    found = input_(kind("Rating", len(values), values, liked))
    c = interest_checks.rating_scale(found, Interest(rating_threshold=threshold))
    assert c.passed == (problem is None)
    assert c.message.startswith(f"ratings are from {min(values):g} to {max(values):g}, and {liked / len(values):.1%}")
    assert (problem or "") in c.message
    if problem:
        assert f"set rating_threshold with --interest, for example to {0.8 * max(values):g}" in c.message


def it_warns_if_more_is_returned_than_bought():
    few = interest_checks.returns(input_(kind("purchase", 10, [1] * 8 + [-1] * 2)))
    assert (few.passed, few.message) == (True, "2 events have a negative value and take back interest")
    many = interest_checks.returns(input_(kind("purchase", 10, [1] * 4 + [-1] * 6)))
    assert (many.passed, many.count) == (False, 6)
    assert "purchase (6 of 10 events)" in many.message
    spelled = interest_checks.returns(input_(kind("purchase", 8, [1] * 8), kind("Purchase", 6, [-1] * 6)))
    assert spelled.passed, "both names are one type"
    heavy = interest_checks.returns(input_(kind("purchase", 10, [1] * 8 + [-50] * 2)))
    assert not heavy.passed
    assert interest_checks.returns(input_(kind("rating", 10, [-1] * 10))).passed


def it_warns_about_counts_that_are_ignored():
    plays = input_(kind("click", 100, [1] * 50 + [400] * 50))
    c = interest_checks.value_use(plays, Interest())
    assert (c.passed, c.count) == (False, 1)
    assert "click (a tenth of the values is at most 1, a tenth at least 400)" in c.message
    assert interest_checks.value_use(plays, Interest(value_use={"Click": "log"})).passed
    assert interest_checks.value_use(input_(kind("purchase", 100, [1] * 95 + [12] * 5)), Interest()).passed
    assert interest_checks.value_use(input_(kind("rating", 100, [1] * 50 + [100] * 50)), Interest()).passed


def it_always_reports_repeated_content():
    few = interest_checks.repeated_content(input_(kind("click", 1000), repeated=5))
    assert (few.passed, few.count) == (True, 5)
    assert few.message == "about 5 of 1000 events (0.5%) have the user, item, type, time and value of another event"
    many = interest_checks.repeated_content(input_(kind("click", 1000), repeated=500))
    assert (many.passed, many.severity) == (False, "warning")
    assert "--ids content" in many.message
