import json

from recflow_glue import imports


def put(bucket, name, **fields):
    body = {"file": f"{name}.csv", "complete": True, "rows": 3, "report": {"warnings": []}} | fields
    bucket.put(f"raw/imports/{name}.json", json.dumps(body).encode())


def it_repeats_the_warnings_of_imports(bucket):
    assert imports.check(bucket).message == "none of 0 imports has a warning"
    put(bucket, "good")
    bucket.put("raw/imports/broken.json", b"{")
    bucket.put("raw/imports/list.json", b"[]")
    got = imports.check(bucket)
    assert (got.passed, got.message) == (True, "none of 1 imports has a warning")
    put(bucket, "bad", report={"warnings": [{"code": "no_times", "message": "m"}, {"code": "busy_user"}]})
    put(bucket, "cut", complete=False)
    put(bucket, "sent", complete=False, rows=0)  # claimed by `recflow events send`
    put(bucket, "old", report=None)
    got = imports.check(bucket)
    assert (got.rule, got.severity, got.passed, got.count) == ("imports", "warning", False, 2)
    assert got.message.startswith("2 of 5 imports have warnings: ")
    assert "bad.csv (no_times, busy_user)" in got.message
    assert "cut.csv (incomplete)" in got.message
