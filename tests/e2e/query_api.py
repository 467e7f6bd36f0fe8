"""The query API as clients see it, on a real server: forms and parameters, limits and what they say, a full queue, clients that
leave, packed answers, metadata, and `belfry query`."""

import gzip
import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import quote, urlencode

from harness import BELFRY, REMOTE_WRITE_HEADERS, World, _field, _varint, call, free_port, get_json, run_cases, wait_for

CONFIG = """
query: {{{query}}}
"""
NOW = 1700000000


class Served:
    """A server with some series of one metric at NOW and each 15 s before."""

    def __init__(self, world, query="", series=10, points=9):
        self.world = world
        config = world.write("belfry.yml", CONFIG.format(query=query))
        self.server = world.belfry(config, free_port(), extra=["--self-scrape", "off", "--rules", "none"]).start()
        self.port = self.server.port
        lines = [f'm{{i="{i}"}} {i * 10 + k} {(NOW - 15 * (points - 1 - k)) * 1000}' for i in range(series) for k in range(points)]
        status, _, body = call(self.port, "POST", "/api/v1/import/prometheus", "\n".join(lines) + "\n")
        assert status == 204, body

    def ask(self, path, method="GET", **params):
        """(status, decoded JSON)"""
        text = urlencode(params, doseq=True)
        if method == "POST":
            status, _, body = call(self.port, "POST", "/api/v1/" + path, text, {"Content-Type": "application/x-www-form-urlencoded"})
        else:
            status, _, body = call(self.port, "GET", f"/api/v1/{path}?{text}")
        return status, json.loads(body)


def parameters():
    with World() as world:
        at = Served(world)
        for method in ("GET", "POST"):
            status, answer = at.ask("query", method, query='sum(m{i=~"1|2"})', time=NOW)
            assert (status, answer) == (200, {"status": "success", "data": {
                "resultType": "vector", "result": [{"metric": {}, "value": [NOW, "46"]}]}}), answer
            status, answer = at.ask("query_range", method, query='m{i="3"}', start=NOW - 30, end=NOW, step="15s")
            assert status == 200 and answer["data"]["result"] == [
                {"metric": {"__name__": "m", "i": "3"}, "values": [[NOW - 30, "36"], [NOW - 15, "37"], [NOW, "38"]]}], answer
            status, answer = at.ask("series", method, **{"match[]": ['m{i="1"}', 'm{i="2"}']})
            assert status == 200 and [s["i"] for s in answer["data"]] == ["1", "2"], answer
            assert at.ask("labels", method)[1]["data"] == ["__name__", "i"]
        # What a form says comes after what the URL says.
        status, _, body = call(at.port, "POST", f"/api/v1/query?time={NOW}", "query=count(m)",
                               {"Content-Type": "application/x-www-form-urlencoded"})
        assert status == 200 and json.loads(body)["data"]["result"][0]["value"] == [NOW, "10"], body

        cut = {"warnings": ["results truncated due to limit"]}
        status, answer = at.ask("query", query="m", time=NOW, limit=3)
        assert status == 200 and len(answer["data"]["result"]) == 3 and answer["warnings"] == cut["warnings"], answer
        status, answer = at.ask("query_range", query="m", start=NOW, end=NOW, step=1, limit=10)
        assert status == 200 and len(answer["data"]["result"]) == 10 and "warnings" not in answer, answer
        for path, more in (("series", {"match[]": "m"}), ("label/i/values", {}), ("labels", {})):
            status, answer = at.ask(path, limit=1, **more)
            assert status == 200 and len(answer["data"]) == 1 and answer["warnings"] == cut["warnings"], (path, answer)
        for name, want in (("U__i", (200, [str(i) for i in range(10)])), ("U___69_", (200, [str(i) for i in range(10)])),
                           ("%ff", (400, 'invalid label name: "\\xff"')), ("%69", (200, [str(i) for i in range(10)])),
                           ("a+b%26c", (200, [])), ("a%zz", (400, 'invalid label name: "a%zz"'))):
            status, answer = at.ask(f"label/{name}/values")
            assert (status, answer.get("data", answer.get("error"))) == want, (name, answer)
        status, answer = at.ask("features")
        assert status == 200 and answer["data"]["promql_functions"]["rate"] and answer["data"]["promql_operators"]["topk"], answer
        for path in ("read", "no/such/thing"):
            status, answer = at.ask(path)
            assert (status, answer["status"], answer["errorType"]) == (404, "error", "not_found"), answer
        assert at.ask("query_exemplars", query="1")[1] == {"status": "success"}
        assert at.ask("query_exemplars", query="m")[1] == {"status": "success", "data": []}
        for text, why in (("x", "invalid syntax"), ("9" * 20, "value out of range")):
            status, answer = at.ask("query", query="m", limit=text)
            assert (status, answer["error"]) == (400, f'invalid parameter "limit": strconv.Atoi: parsing "{text}": {why}'), answer
        assert at.ask("query", query="m", time="a\nb")[1]["error"].endswith('cannot parse "a\\nb" to a valid timestamp')
        status, answer = at.ask("query", query="m", limit=-1)
        assert (status, answer["errorType"]) == (400, "bad_data") and "limit" in answer["error"], answer

        # Five minutes of lookback by default, or as asked.
        assert len(at.ask("query", query="m", time=NOW + 299)[1]["data"]["result"]) == 10
        assert at.ask("query", query="m", time=NOW + 61, lookback_delta="60s")[1]["data"]["result"] == []
        assert at.ask("query", query="m", time=NOW + 1, lookback_delta="x")[0] == 400
        status, answer = at.ask("query", query="sum(m)", time=NOW, stats="all")
        stats = answer["data"]["stats"]
        assert stats["samples"] == {"totalQueryableSamplesPerStep": [[NOW, 10]], "totalQueryableSamples": 10,
                                    "samplesReadPerStep": [[NOW, 10]], "samplesRead": 10, "peakSamples": 10}, stats
        # Windows that overlap are read once; a place of the text counts for itself, a constant at each step.
        for expr, total, read in (("sum(m)", [10, 10, 10], [10, 10, 10]),
                                  ("sum(m) + sum(m)", [20, 20, 20], [20, 20, 20]),
                                  (f"sum(m @ {NOW})", [10, 10, 10], [10, 0, 0]),
                                  ("sum(count_over_time(m[5m]))", [10, 50, 90], [10, 40, 40])):
            start = NOW if "count" not in expr else NOW - 120
            samples = at.ask("query_range", query=expr, start=start, end=start + 120, step=60, stats="all")[1]["data"]["stats"]["samples"]
            assert [n for _, n in samples["totalQueryableSamplesPerStep"]] == total, (expr, samples)
            assert [n for _, n in samples["samplesReadPerStep"]] == read, (expr, samples)
            assert (samples["totalQueryableSamples"], samples["samplesRead"]) == (sum(total), sum(read)), (expr, samples)
        assert at.ask("query", query='"x"', time=NOW, stats="all")[1]["data"]["stats"]["samples"]["samplesReadPerStep"] == [[NOW, 0]]
        assert "totalQueryableSamplesPerStep" not in at.ask("query", query="m", time=NOW, stats="true")[1]["data"]["stats"]["samples"]
        assert set(stats["timings"]) == {"evalTotalTime", "resultSortTime", "queryPreparationTime", "innerEvalTime", "execQueueTime",
                                         "execTotalTime"}, stats
        status, answer = at.ask("query", query="sum(rate(m[1m]))", time=NOW, explain=1)
        plan = answer["data"]["explain"]
        assert plan["op"] == "sum" and plan["inputs"][0]["op"] == "rate", plan
        assert "explain" not in at.ask("query", query="sum(m)", time=NOW)[1]["data"]
        # Numbers as Prometheus writes them.
        for expr, want in (("1/0", "+Inf"), ("-1/0", "-Inf"), ("0/0", "NaN"), ("1e20", "100000000000000000000"), ("0.1 + 0.2",
                           "0.30000000000000004"), ("vector(1e21)", "1e+21"), ("vector(1e-7)", "1e-07")):
            result = at.ask("query", query=expr, time=NOW)[1]["data"]["result"]
            value = result[1] if expr[0] != "v" else result[0]["value"][1]
            assert value == want, (expr, value)


def limits_name_themselves():
    long = "quantile_over_time(0.5, vector(1)[1d:1s])"
    for limit, expr, kind, words in (
            ("series_max: 5", "m", 422, "query.series_max"),
            ("samples_max: 50", "sum_over_time(m[5m])", 422, "query.samples_max"),
            ("memory_max: 1MiB", "max_over_time(vector(1)[1d:1s])", 422, "query.memory_max"),
            ("timeout: 300ms", long, 503, "query.timeout")):
        with World() as world:
            at = Served(world, limit)
            status, answer = at.ask("query_range", query=expr, start=NOW - 11000, end=NOW, step=1)
            assert status == kind and words in answer["error"], (limit, status, answer)
            assert answer["errorType"] == ("timeout" if kind == 503 else "execution"), answer
            assert at.ask("query", query="vector(1)")[0] == 200
    with World() as world:
        at = Served(world)
        # The parameter may shorten the time, in any flavour.
        for flavour in ("prometheus", "metricsql"):
            began = time.monotonic()
            status, answer = at.ask("query_range", query=long, start=NOW - 11000, end=NOW, step=1, timeout="200ms", flavour=flavour)
            assert (status, answer["errorType"]) == (503, "timeout"), answer
            assert time.monotonic() - began < 60


SLOW = "/api/v1/query_range?" + urlencode({"query": "quantile_over_time(0.5, vector(1)[1d:1s])", "start": NOW - 11000, "end": NOW,
                                            "step": 1})


def leave_open(port, count):
    """Clients that ask a slow query and do not read."""
    sockets = []
    for number in range(count):
        if number == 1:
            time.sleep(0.5)  # the first is under way, the others wait
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(f"GET {SLOW} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        sockets.append(sock)
    return sockets


def full_queue_and_clients_that_leave():
    with World() as world:
        at = Served(world, "concurrency: 1, queue_max: 2")
        sockets = leave_open(at.port, 3)

        def refused():
            # One that came before the others waits in their place, and is given up.
            status, headers, body = call(at.port, "GET", "/api/v1/query?query=1", timeout=1)
            return status == 503 and (headers, json.loads(body))
        headers, answer = wait_for("the queue to be full", refused, 20)
        assert answer["status"] == "error" and answer["errorType"] == "unavailable", answer
        assert "query.concurrency" in answer["error"] and "query.queue_max" in answer["error"], answer
        assert headers["Retry-After"] and headers["Content-Type"] == "application/json", headers
        # They would take minutes each; once they have left the next one is answered.
        for sock in sockets:
            sock.close()
        wait_for("an answer", lambda: call(at.port, "GET", "/api/v1/query?query=1")[0] == 200, 60)


def packed_answers():
    with World() as world:
        at = Served(world, series=300)
        paths = [f"/api/v1/query?query=m&time={NOW}", f"/api/v1/query_range?query=m&start={NOW - 60}&end={NOW}&step=15",
                 "/api/v1/series?match[]=m", "/api/v1/label/i/values"]
        for path in paths:
            status, headers, plain = call(at.port, "GET", path, headers={"Accept-Encoding": "identity"})
            assert status == 200 and "Content-Encoding" not in headers and len(plain) > 1400, headers
            status, headers, packed = call(at.port, "GET", path, headers={"Accept-Encoding": "gzip, deflate"})
            assert headers["Content-Encoding"] == "gzip" and headers["Vary"] == "Accept-Encoding", headers
            assert gzip.decompress(packed) == plain, path
            status, headers, packed = call(at.port, "GET", path, headers={"Accept-Encoding": "gzip, zstd"})
            assert headers["Content-Encoding"] == "zstd", headers
            if shutil.which("zstd"):
                assert subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout == plain, path
            for refusing in ("gzip;q=0", "zstd;q=0, gzip; q=0.0", "*;q=0"):
                status, headers, body = call(at.port, "GET", path, headers={"Accept-Encoding": refusing})
                assert "Content-Encoding" not in headers and body == plain, (refusing, headers)
        status, headers, body = call(at.port, "GET", "/api/v1/query?query=1", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in headers, headers


def literal(data):
    """Snappy, without compressing."""
    return _varint(len(data)) + bytes([61 << 2]) + (len(data) - 1).to_bytes(2, "little") + data


def metadata():
    with World() as world:
        at = Served(world)
        assert at.ask("metadata") == (200, {"status": "success", "data": {}})
        page = ("# HELP a_total What it \\\\ counts\\nand how.\n# TYPE a_total counter\na_total 1\n"
                "# TYPE b histogram\nb_bucket{le=\"+Inf\"} 1\nb_sum 1\nb_count 1\n# HELP c Only help.\nc 1\n")
        assert call(at.port, "POST", "/api/v1/import/prometheus", page)[0] == 204
        v1 = b"".join(_field(3, bytes([8, kind]) + _field(2, name) + _field(4, text) + _field(5, unit))
                      for kind, name, text, unit in ((2, b"d_bytes", b"First.", b"bytes"), (2, b"d_bytes", b"Second.", b"bytes")))
        assert call(at.port, "POST", "/api/v1/write", literal(v1), REMOTE_WRITE_HEADERS)[0] == 204
        symbols = [b"", b"__name__", b"e_seconds_bucket", b"le", b"1", b"Time.", b"seconds"]
        series = (_field(1, bytes([1, 2, 3, 4])) + _field(2, b"\x09" + bytes(8) + b"\x10" + _varint(NOW * 1000)) +
                  _field(5, bytes([8, 3, 24, 5, 32, 6])))
        v2 = b"".join(_field(4, symbol) for symbol in symbols) + _field(5, series)
        headers = {"Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "2.0.0",
                   "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
        assert call(at.port, "POST", "/api/v1/write", literal(v2), headers)[0] == 204
        status, answer = at.ask("metadata")
        assert status == 200 and answer["data"] == {
            "a_total": [{"type": "counter", "help": "What it \\ counts\nand how.", "unit": ""}],
            "b": [{"type": "histogram", "help": "", "unit": ""}],
            "c": [{"type": "unknown", "help": "Only help.", "unit": ""}],
            "d_bytes": [{"type": "gauge", "help": "First.", "unit": "bytes"}, {"type": "gauge", "help": "Second.", "unit": "bytes"}],
            "e_seconds": [{"type": "histogram", "help": "Time.", "unit": "seconds"}]}, answer
        assert list(at.ask("metadata", metric="d_bytes", limit_per_metric=1)[1]["data"].values()) == [
            [{"type": "gauge", "help": "First.", "unit": "bytes"}]]
        assert list(at.ask("metadata", limit=2)[1]["data"]) == ["a_total", "b"]
        assert at.ask("metadata", metric="nothing")[1]["data"] == {}
        assert at.ask("metadata", limit="x") == (400, {"status": "error", "errorType": "bad_data", "error": "limit must be a number"})
        assert at.ask("scrape_pools")[1]["data"] == {"scrapePools": []}
        assert at.ask("alertmanagers")[1]["data"] == {"activeAlertmanagers": [], "droppedAlertmanagers": []}
        assert set(at.ask("status/walreplay")[1]["data"]) == {"min", "max", "current"}


def prometheus_own_client():
    if not shutil.which("promtool"):
        return
    with World() as world:
        at = Served(world)
        url = f"http://127.0.0.1:{at.port}"

        def promtool(*args):
            return subprocess.run(["promtool", "query", *args], capture_output=True, text=True, timeout=60)
        assert promtool("instant", f"--time={NOW}", url, 'm{i="1"}').stdout == f'm{{i="1"}} => 18 @[{NOW}]\n'
        assert promtool("range", f"--start={NOW - 15}", f"--end={NOW}", "--step=15s", url, 'm{i="1"}').stdout == (
            f'm{{i="1"}} =>\n17 @[{NOW - 15}]\n18 @[{NOW}]\n')
        span = (f"--start={NOW - 60}", f"--end={NOW + 60}")
        assert promtool("series", '--match=m{i="1"}', *span, url).stdout == '{__name__="m", i="1"}\n'
        assert promtool("labels", *span, url, "i").stdout.split() == [str(i) for i in range(10)]
        bad = promtool("instant", url, "m{")
        assert bad.returncode == 1 and "bad_data" in bad.stderr, bad


def belfry_query():
    with World() as world:
        at = Served(world, series=2)

        def ask(*args):
            done = subprocess.run([BELFRY, "query", *args, "--url", f"http://127.0.0.1:{at.port}"], capture_output=True, text=True,
                                  timeout=60)
            return done.returncode, done.stdout, done.stderr
        when = ("--time", str(NOW))
        assert ask("m", *when) == (0, 'm{i="0"}  8\nm{i="1"}  18\n', "")
        assert ask("m", *when, "--format", "csv") == (0, 'series,time,value\n"m{i=""0""}",1700000000.000,8\n"m{i=""1""}",1700000000.000,18\n', "")
        assert ask("1 + 1", *when) == (0, "2\n", "")
        assert ask("rate(m[1m]) * 0", *when)[2].startswith("info: PromQL info: metric might not be a counter"), ask("rate(m[1m])")
        assert ask("quantile(2, m)", *when)[2].startswith("warning: PromQL warning: quantile value should be between"), when
        assert ask("1 + 1", *when, "--format", "csv") == (0, 'series,time,value\n"",1700000000.000,2\n', "")
        assert ask('"a, \\"b\\""', *when, "--format", "csv") == (0, 'series,time,value\n"",1700000000.000,"a, ""b"""\n', "")
        assert ask('"text"', *when) == (0, "text\n", "")
        assert ask('m{i="1"}[16s]', *when) == (0, 'm{i="1"}\n  1699999985.000  17\n  1700000000.000  18\n', "")
        assert ask("nothing", *when) == (0, "", "")
        assert ask("nothing", *when, "--format", "csv") == (0, "series,time,value\n", "")
        for start, end, step in (("2023-11-14T22:12:50Z", "2023-11-14T22:13:20Z", "15s"), (str(NOW - 30), str(NOW), "15")):
            span = ("--from", start, "--to", end, "--step", step)
            assert ask("sum(m)", *span) == (0, "{}\n  1699999970.000  22\n  1699999985.000  24\n  1700000000.000  26\n", "")
            status, out, _ = ask("sum(m)", *span, "--format", "sparkline")
            assert status == 0 and out == "{}\n  ▁▄█  22 .. 26\n", out
            status, out, _ = ask("m", *span, "--format", "json")
            assert status == 0 and len(json.loads(out)["data"]["result"]) == 2, out
        assert ask("time()", "--from", "-2m", "--to", "-1m", "--step", "30s", "--format", "csv")[1].count("\n") == 4
        for args, words in ((("m{",), "parse error"), (("m", "--format", "xml"), "xml"), (("m", "--from", "tomorrow"), "--from"),
                            (("m", "--from", "-1h", "--step", "0s"), "--step"), (("m", "--to", "-1h"), "--from"),
                            (("m", "--from", "-1h", "--to", "-2h"), "end timestamp"), ((), "one expression")):
            status, out, err = ask(*args)
            assert status != 0 and words in err and not out, (args, status, out, err)
        status, out, err = ask("sum(rate(m[1m]))", *when, "--explain")
        assert status == 0 and "rate" in out and "operator" in out, out


if __name__ == "__main__":
    sys.exit(run_cases([parameters, limits_name_themselves, full_queue_and_clients_that_leave, packed_answers, metadata,
                        prometheus_own_client, belfry_query]))
