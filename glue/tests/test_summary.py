from data import frame, row

from recflow_glue import summary
from recflow_glue.arguments import Interest


def it_counts_events_and_values_by_type(spark):
    rows = [
        row("1", "u1", "a", "purchase", 0, 3.0),
        row("2", "u1", "a", "purchase", 1, -1.0),
        row("3", "u1", "b", "Rating", 2, 5.0),
        row("4", "u2", "b", "Rating", 3, 2.0),
        row("5", "u2", "c", "view", 4),
        row("6", "u2", "c", "view", 4),
        row("7", "u3", "d", "purchase", 5, -2.0),
        row("8", "u4", "d", "impression", 6),
        row("9", "u4", "d", "impression", 6),
        row("A", "u5", "e", "view", 7, float("nan")),
        row("B", "u5", "e", "view", 8, float("inf")),
        row("C", "u5", "e", "play", 9, 1e308),
        row("D", "u5", "e", "play", 10, 1e308),
    ]
    found, _ = summary.summarize(frame(spark, rows), Interest(), None)
    types = {t.pop("type"): t for t in found["event_types"]}
    percentiles = types["Rating"].pop("percentiles")
    assert (len(percentiles), percentiles[0], percentiles[100]) == (101, 2.0, 5.0)
    assert types["purchase"].pop("percentiles")[0] == -2.0
    assert types["play"].pop("percentiles")[50] == 1e308
    zero = {"values": 0, "negative": 0, "sum_positive": 0.0, "sum_negative": 0.0}
    assert types == {
        "view": {"events": 4, "counting": 4} | zero,
        "purchase": {"events": 3, "counting": 1, "values": 3, "negative": 2, "sum_positive": 3.0, "sum_negative": 3.0},
        "Rating": {"events": 2, "counting": 1, "values": 2, "negative": 0, "sum_positive": 7.0, "sum_negative": 0.0},
        "impression": {"events": 2, "counting": 2} | zero,
        "play": {"events": 2, "counting": 2, "values": 2, "negative": 0, "sum_positive": 2e6, "sum_negative": 0.0},
    }
    assert found["repeated_content"] == 1
    assert found["event_type_shares"]["view"] == 4 / 13
    assert {(*s["types"], s["users"]) for s in found["user_types"]} == {
        ("Rating", "purchase", 1),
        ("view", 1),
        ("play", "view", 1),
        (1,),
    }
    assert {(*s["types"], s["items"]) for s in found["item_types"]} == {
        ("purchase", 1),
        ("Rating", 1),
        ("view", 1),
        ("play", "view", 1),
        ("impression", 1),
    }


def it_merges_rare_types(spark, monkeypatch):
    monkeypatch.setattr(summary, "MAX_TYPES", 2)
    rows = [
        row(f"{t}{n}", f"u{t}", "i", t, n)
        for t, many in (("a", 5), ("other", 4), ("c", 2), ("d", 1))
        for n in range(many)
    ]
    found, _ = summary.summarize(frame(spark, rows), Interest(), None)
    assert [(t["type"], t["events"]) for t in found["event_types"]] == [("a", 5), ("other", 7)]
    assert sorted((*s["types"], s["users"]) for s in found["user_types"]) == [("a", 1), ("other", 3)]


def it_estimates_repeated_content_and_percentiles_from_a_share_of_the_events(spark, monkeypatch):
    rows = [row(f"{n}-{copy}", f"u{n}", "i", "view", n, value=float(n)) for n in range(2000) for copy in range(2)]
    whole, _ = summary.summarize(frame(spark, rows), Interest(), None)
    assert whole["repeated_content"] == 2000
    monkeypatch.setattr(summary, "SAMPLED_ROWS", 1000)
    found, _ = summary.summarize(frame(spark, rows), Interest(), None)
    assert 1600 < found["repeated_content"] < 2400
    percentiles = found["event_types"][0]["percentiles"]
    assert (percentiles[0], percentiles[-1], len(percentiles)) == (0, 1999, 101)
    assert 850 < percentiles[50] < 1150


def it_summarizes_no_events(spark):
    found, _ = summary.summarize(frame(spark, []), Interest(), None)
    assert (found["events"], found["event_types"], found["user_types"]) == (0, [], [])
