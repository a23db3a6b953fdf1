from data import row, table

from recflow_glue import arrays, holdout
from recflow_glue.arguments import Interest


def split(rows) -> dict[str, list[tuple[str, bool]]]:
    got: dict[str, list[tuple[str, bool]]] = {}
    for r in holdout.split(table(rows), Interest()).to_pylist():
        if not r["repeat"]:
            got.setdefault(r["user_id"], []).append((r["event_id"], r["answer"]))
    return {u: sorted(e) for u, e in got.items()}


def it_uses_the_last_fifth_as_answers_and_at_least_one():
    few = [row(f"f{n}", "few", f"i{n}", seconds=n) for n in range(3)]
    many = [row(f"m{n:02}", "many", f"i{n}", seconds=100 - n) for n in range(11)]
    got = split(few + many)
    assert got["few"] == [("f0", False), ("f1", False), ("f2", True)]
    assert [e for e, answer in got["many"] if answer] == ["m00", "m01"]


def it_orders_equal_times_by_event_id():
    got = split([row(e, item_id=e, seconds=7) for e in ("b", "c", "a")])
    assert got["u"] == [("a", False), ("b", False), ("c", True)]


def it_drops_answers_that_repeat_or_are_in_the_history():
    rows = [row(f"h{n}", item_id=f"h{n}", seconds=n) for n in range(8)]
    rows += [row("seen", item_id="seen", event_type="wishlist", seconds=7.5)]
    later = [("x1", "new"), ("x2", "h0")]
    rows += [row(e, item_id=i, seconds=10 + n) for n, (e, i) in enumerate(later)]
    got = split(rows)
    assert [e for e, answer in got["u"] if answer] == ["x1"]
    assert ("x2", False) not in got["u"]
    assert [r["event_id"] for r in holdout.split(table(rows), Interest()).to_pylist() if r["repeat"]] == ["x2"]
    assert ("seen", False) in got["u"]

    twice = [row(f"h{n}", item_id=f"h{n}", seconds=n) for n in range(8)]
    twice += [row("t1", item_id="new", seconds=20), row("t2", item_id="new", seconds=21)]
    assert [e for e, answer in split(twice)["u"] if answer] == ["t1"]


def it_excludes_users_that_cannot_be_scored():
    one = [row("o", "one event")]
    weightless = [row(f"w{n}", "only wishes", f"i{n}", "wishlist", n) for n in range(4)]
    repeats = [row(f"r{n}", "nothing new", "i", seconds=n) for n in range(3)]
    assert split(one + weightless + repeats) == {}


def it_includes_events_without_weight_only_before_the_cut():
    rows = [
        row("c1", item_id="a", seconds=0),
        row("before", item_id="b", event_type="wishlist", seconds=1),
        row("c2", item_id="c", seconds=2),
        row("after", item_id="d", event_type="wishlist", seconds=3),
    ]
    assert split(rows)["u"] == [("before", False), ("c1", False), ("c2", True)]


def it_ignores_impressions():
    clicks = [row("c1", item_id="a", seconds=0), row("c2", item_id="shown", seconds=2)]
    impressions = [row(f"s{n}", item_id="shown", event_type="impression", seconds=n) for n in range(4)]
    assert split(clicks + impressions)["u"] == [("c1", False), ("c2", True)]


def it_does_not_take_what_was_returned_for_an_answer():
    rows = [row(f"h{n}", item_id=f"h{n}", event_type="purchase", seconds=n) for n in range(8)]
    rows += [row("x1", item_id="back", event_type="purchase", seconds=10, value=2)]
    rows += [row("x2", item_id="back", event_type="Purchase", seconds=11, value=-2)]
    rows += [row("x3", item_id="kept", event_type="purchase", seconds=12)]
    rows += [row("x4", item_id="late", event_type="purchase", seconds=13, value=1)]
    rows += [row("x5", item_id="late", event_type="purchase", seconds=14, value=-1)]
    got = split(rows)["u"]
    assert [e for e, answer in got if answer] == ["x3"]
    assert not {"x4", "x5"} & {e for e, _ in got}
    assert {("x1", False), ("x2", False)} <= set(got), "they are before the answer"


def it_excludes_users_who_returned_everything_before_the_cut():
    rows = [row("p", item_id="a", event_type="purchase", seconds=0)]
    rows += [row("r", item_id="a", event_type="purchase", seconds=1, value=-1)]
    rows += [row("x", item_id="b", event_type="purchase", seconds=2)]
    assert split(rows) == {}


def it_ignores_impressions_under_other_names():
    clicks = [row("c1", item_id="a", seconds=0), row("c2", item_id="b", seconds=2)]
    shown = [row("s", item_id="b", event_type="Impression", seconds=1)]
    assert split(clicks + shown)["u"] == [("c1", False), ("c2", True)]


def it_limits_the_holdout_to_a_tenth_and_ten_thousand_users():
    assert holdout.bound(50, 1000) == "1999999999999999"
    assert holdout.bound(100_000, 50_000_000) == "1999999999999999"
    assert int(holdout.bound(1_000_000, 0), 16) / 2**64 * 1_000_000 == 10_000


def it_limits_the_events_of_the_holdout():
    assert int(holdout.bound(1_000, 1_000_000_000), 16) / 2**64 * 1_000_000_000 == 5_000_000


def it_splits_an_empty_table():
    assert split([]) == {}
    assert arrays.histories(table([]), Interest()).num_rows == 0
