"""Everything around the store that a client touches, by real requests: each format in, exports, what is refused and how, relabelling
per source, the admin API, cardinality, and the data directory by `belfry store`."""

import gzip
import http.server
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
from urllib.parse import quote

from harness import (BELFRY, REMOTE_WRITE_HEADERS, World, _field, _varint, call, free_port, get_json, query, run_cases, wait_for,
                     write_request)

CONFIG = """
global: {{evaluation_interval: 1s}}
rules: [{{files: "{dir}/rules/*.yml"}}]
ingest: {{opentsdb_listen: "127.0.0.1:{telnet}"}}
sources:
  defaults:
    write_relabel_configs: [{{source_labels: [__name__], regex: "debug_.*", action: drop}}]
  overrides:
    - source: small
      series_max: 3
    - source: own
      write_relabel_configs: [{{source_labels: [__name__], regex: "chatty_.*", action: drop}}]
"""


class Served:
    """A server with CONFIG."""

    def __init__(self, world, rules=""):
        self.world, self.telnet = world, free_port()
        world.write("rules/all.yml", rules or "groups: []\n")
        self.config = world.write("belfry.yml", CONFIG.format(dir=world.dir, telnet=self.telnet))
        self.server = world.belfry(self.config, free_port(), extra=["--self-scrape", "off"]).start()
        self.port = self.server.port

    def post(self, path, body="", headers=None, method="POST"):
        status, answer_headers, answer = call(self.port, method, path, body, headers)
        return status, answer.decode(), answer_headers

    def export(self, selector, more=""):
        status, _, body = call(self.port, "GET", f"/api/v1/export?match[]={quote(selector)}{more}")
        assert status == 200, body
        lines = [json.loads(line) for line in body.decode().splitlines()]
        return [(line["metric"], list(zip(line["timestamps"], line["values"]))) for line in lines]


def text_and_openmetrics():
    with World() as world:
        at = Served(world)
        status, body, _ = at.post("/api/v1/import/prometheus", '# TYPE a counter\na{x="1"} 5 1700000000000\nnonsense\nb 2\n')
        assert status == 400 and "line 3" in body and "2 stored" in body, body
        assert at.export("a") == [({"__name__": "a", "x": "1"}, [(1700000000000, 5)])]
        status, body, _ = at.post("/api/v1/import/prometheus?timestamp=1600000000000&extra_label=cluster=c9&extra_label=x=2",
                                  'stamped{x="1"} 7\n')
        assert status == 204, body
        assert at.export("stamped") == [({"__name__": "stamped", "cluster": "c9", "x": "2"}, [(1600000000000, 7)])]
        for bad in ("extra_label=x", "extra_label==y", "timestamp=soon"):
            status, body, _ = at.post(f"/api/v1/import/prometheus?{bad}", "c 1\n")
            assert status == 400 and bad.split("=")[0] in body, body
        assert not at.export("c")
        open_metrics = {"Content-Type": "application/openmetrics-text; version=1.0.0"}
        status, body, _ = at.post("/api/v1/import/prometheus",
                                  '# TYPE f counter\nf_total{a="b"} 17 1520879607.789 # {trace_id="x"} 0.5\n# EOF\n', open_metrics)
        assert status == 204, body
        assert at.export("f_total") == [({"__name__": "f_total", "a": "b"}, [(1520879607789, 17)])]
        status, body, _ = at.post("/api/v1/import/prometheus", "g 1 1520879607\n", open_metrics)
        assert status == 400 and "# EOF" in body, body


def packed_bodies_of_any_size():
    with World() as world:
        at = Served(world)
        lines = "".join(f'big{{i="{i % 500}"}} {i} {1700000000000 + i * 1000}\n' for i in range(300_000))
        packed = gzip.compress(lines.encode(), 1)
        middle = len(packed) // 2
        # Two members, as `cat a.gz b.gz` makes them.
        more = gzip.compress(b"big{i=\"x\"} 1 1700000000000\n")
        status, body, _ = at.post("/api/v1/import/prometheus", packed + more, {"Content-Encoding": "gzip"})
        assert status == 204, body
        assert sum(len(rows) for _, rows in at.export("big")) == 300_001
        status, body, _ = at.post("/api/v1/import/prometheus?extra_label=cut=1", packed[:middle], {"Content-Encoding": "gzip"})
        assert status == 400 and "breaks off" in body and "stored" in body, body
        status, body, _ = at.post("/api/v1/import/prometheus", b"\x1f\x8b\x08garbage and more", {"Content-Encoding": "gzip"})
        assert status == 400 and "gzip" in body, body
        status, body, _ = at.post("/api/v1/import/prometheus", "a 1\n", {"Content-Encoding": "br"})
        assert status == 415 and "br" in body, body
        if subprocess.run(["zstd", "--version"], capture_output=True, check=False).returncode == 0:
            zstd = subprocess.run(["zstd", "-q", "-5"], input=lines.encode(), capture_output=True, check=True).stdout
            status, body, _ = at.post("/api/v1/import/prometheus?extra_label=z=1", zstd, {"Content-Encoding": "zstd"})
            assert status == 204, body


def json_lines_out_and_in_again():
    with World() as world:
        at = Served(world)
        line = '{"metric":{"__name__":"v","job":"x"},"values":[1,null,0.1,"Infinity","-Infinity","NaN"],"timestamps":[10,20,30,40,50,60]}'
        assert at.post("/api/v1/import", line)[0] == 204
        assert at.export("v") == [({"__name__": "v", "job": "x"}, list(zip([10, 20, 30, 40, 50, 60],
                                                                           [1, None, 0.1, "Infinity", "-Infinity", "NaN"])))]
        assert at.export("v", "&start=0.02&end=0.03")[0][1] == [(20, None), (30, 0.1)]
        assert len(at.export("v", "&max_rows_per_line=2")) == 3
        assert call(at.port, "GET", "/api/v1/export")[0] == 400
        status, body, _ = at.post("/api/v1/import", line + '\n{"metric":{"__name__":"w"},"values":[1],"timestamps":[1,2]}\n')
        assert status == 400 and "line 2" in body and "differ in length" in body, body
        random.seed(1)
        many = "".join(json.dumps({"metric": {"__name__": "m", "i": str(i)},
                                   "values": [random.uniform(-1, 1) * 10 ** random.randint(-300, 300) for _ in range(200)],
                                   "timestamps": [1_700_000_000_000 + k * 15_000 for k in range(200)]}) + "\n"
                       for i in range(3000))
        assert at.post("/api/v1/import", many)[0] == 204
        out = call(at.port, "GET", "/api/v1/export?match[]=m")[2]
        key = lambda entry: int(entry["metric"]["i"])
        wanted, found = ([json.loads(line, parse_int=float) for line in text.splitlines()]
                         for text in (many, out.decode()))
        assert sorted(wanted, key=key) == sorted(found, key=key), "what was exported is not what was imported"
        # A client that leaves in the middle costs nothing.
        with socket.create_connection(("127.0.0.1", at.port)) as left:
            left.sendall(b"GET /api/v1/export?match[]=m HTTP/1.1\r\nHost: x\r\n\r\n")
            left.recv(1000)
        assert call(at.port, "GET", "/-/healthy")[0] == 200


def opentsdb_by_http():
    with World() as world:
        at = Served(world)
        good = {"metric": "sys.load", "timestamp": 1346846400, "value": 18, "tags": {"host": "web01"}}
        bad = {"metric": "sys.load", "timestamp": 1346846401, "value": "x", "tags": {"host": "web01"}}
        assert at.post("/api/put", json.dumps(good))[0] == 204
        status, body, _ = at.post("/api/put?summary", json.dumps([good, bad]))
        assert status == 400 and json.loads(body) == {"success": 1, "failed": 1}, body
        status, body, _ = at.post("/api/put?details", json.dumps([good, bad]))
        answer = json.loads(body)
        assert status == 400 and answer["failed"] == 1 and json.loads(answer["errors"][0]["datapoint"]) == bad, body
        status, body, _ = at.post("/api/put?details", json.dumps(good))
        assert status == 200 and json.loads(body) == {"success": 1, "failed": 0, "errors": []}, body
        for text in ("not json", ""):
            status, body, _ = at.post("/api/put", text)
            assert status == 400 and json.loads(body)["error"]["code"] == 400, body
        assert at.export('{__name__="sys.load"}') == [({"__name__": "sys.load", "host": "web01"}, [(1346846400000, 18)])]


def opentsdb_by_telnet():
    with World() as world:
        at = Served(world)
        with socket.create_connection(("127.0.0.1", at.telnet)) as client:
            client.settimeout(10)
            answers = client.makefile("rb")
            client.sendall(b"put t.ok 1346846400 1 host=a\nput t.ok 1346846401 x host=a\nput bad\nput t.ok 13468")
            assert answers.readline().startswith(b'put: value "x"') and answers.readline().startswith(b"put: ")
            client.sendall(b"46402 3 host=a\r\nput debug_x 1346846402 3 host=a\n")
            client.sendall(b"".join(b"put t.small %d 1 cluster=small i=%d\n" % (1346846400, i) for i in range(5)))
            assert [b"limit of 3" in answers.readline() for _ in range(2)] == [True, True]
            client.sendall(b"put t.ok 1346846403 4 host=a\nver")
            client.sendall(b"sion\n")
            assert answers.readline().startswith(b"belfry"), "silence for what was good"
            client.sendall(b"exit\n")
            assert answers.read() == b""
        assert at.export('{__name__="t.ok"}')[0][1] == [(1346846400000, 1), (1346846402000, 3), (1346846403000, 4)]
        assert not at.export("debug_x")


def influx_lines():
    with World() as world:
        at = Served(world)
        assert at.post("/write?db=tele&precision=s", "cpu,host=a usage=1.5,idle=2i 1700000001\n")[0] == 204
        assert at.post("/influx/write", "mem,host=a value=3 1700000001000000000\n")[0] == 204
        found = {metric["__name__"]: rows for metric, rows in at.export('{host="a"}')}
        assert found == {"cpu_usage": [(1700000001000, 1.5)], "cpu_idle": [(1700000001000, 2)],
                         "mem_value": [(1700000001000, 3)]}, found
        assert at.post("/write", "broken\n")[0] == 400
        assert call(at.port, "GET", "/ping?verbose=true")[0] == 200 and get_json(at.port, "/health")["status"] == "pass"
        assert get_json(at.port, "/api/version")["version"]
        assert call(at.port, "GET", "/ping")[0] == 204 and at.post("/query", "q=CREATE DATABASE x")[0] == 200


V2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request", "Content-Encoding": "snappy",
      "X-Prometheus-Remote-Write-Version": "2.0.0"}


def _literal(message):
    packed = _varint(len(message))
    for start in range(0, len(message), 60):
        piece = message[start:start + 60]
        packed += bytes([(len(piece) - 1) << 2]) + piece
    return packed


def _write_2(names, samples):
    """io.prometheus.write.v2.Request with a series {__name__=name} for each, one sample each."""
    symbols = ["", "__name__", *names]
    message = b"".join(_field(4, symbol.encode()) for symbol in symbols)
    for i, (time_ms, value) in enumerate(samples):
        sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time_ms)
        message += _field(5, _field(1, _varint(1) + _varint(i + 2)) + _field(2, sample))
    return _literal(message)


def remote_write_answers():
    with World() as world:
        at = Served(world)
        now = int(time.time() * 1000)
        status, body, headers = at.post("/api/v1/write", _write_2(["x", "y"], [(now, 1.0), (now, 2.0)]), V2)
        assert status == 204, body
        assert headers["X-Prometheus-Remote-Write-Samples-Written"] == "2"
        assert headers["X-Prometheus-Remote-Write-Histograms-Written"] == "0"
        assert headers["X-Prometheus-Remote-Write-Exemplars-Written"] == "0"
        # Partly good: the good one is stored, the answer names the bad one.
        status, body, headers = at.post("/api/v1/write", _write_2(["x", "z"], [(now + 1, 3.0), (now + 10 ** 10, 4.0)]), V2)
        assert status == 400 and headers["X-Prometheus-Remote-Write-Samples-Written"] == "1", (status, body)
        assert "future" in body and len(at.export("x")[0][1]) == 2
        limited = [({"__name__": f"l{i}", "cluster": "small"}, [(now, 1.0)]) for i in range(5)]
        status, body, _ = at.post("/api/v1/write", write_request(limited), REMOTE_WRITE_HEADERS)
        assert status == 400 and "limit of 3" in body and "3 stored" in body, body
        for kind, want in (("application/json", 415), ("application/x-protobuf;proto=io.prometheus.write.v9", 415),
                           ("application/x-protobuf;proto=prometheus.WriteRequest", 204), ("application/x-protobuf", 204)):
            status, body, _ = at.post("/api/v1/write", write_request([({"__name__": "k"}, [(now, 1.0)])]),
                                      {**REMOTE_WRITE_HEADERS, "Content-Type": kind})
            assert status == want, (kind, status, body)
        assert at.post("/api/v1/write", b"x", {**REMOTE_WRITE_HEADERS, "Content-Encoding": "br"})[0] == 415
        assert at.post("/api/v1/write", b"\x05nope!", REMOTE_WRITE_HEADERS)[0] == 400
        status, _, _ = at.post("/api/v1/write?extra_label=cluster=given", write_request(
            [({"__name__": "e", "cluster": "claimed"}, [(now, 1.0)])]), REMOTE_WRITE_HEADERS)
        assert status == 204 and at.export("e")[0][0]["cluster"] == "given"


def _zigzag(value):
    return _varint(value * 2 if value >= 0 else -value * 2 - 1)


def _double(number, value):
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _native(time_ms, schema, spans, counts, is_float=False, bounds=()):
    """A native histogram message, the same in both versions; counts are those of the positive buckets, from the first on."""
    total = sum(counts)
    message = _double(2, total) if is_float else _varint(1 << 3) + _varint(total)
    message += _double(3, total / 4) + _varint(4 << 3) + _zigzag(schema)
    if schema != -53:
        message += _double(5, 0.001) + (_double(7, 0) if is_float else _varint(6 << 3) + _varint(0))
    for offset, length in spans:
        message += _field(11, _varint(1 << 3) + _zigzag(offset) + _varint(2 << 3) + _varint(length))
    if is_float:
        message += _field(13, b"".join(struct.pack("<d", count) for count in counts))
    else:
        before, deltas = 0, b""
        for count in counts:
            deltas += _zigzag(count - before)
            before = count
        message += _field(12, deltas)
    if bounds:
        message += _field(16, b"".join(struct.pack("<d", bound) for bound in bounds))
    return message + _varint(15 << 3) + _varint(time_ms)


def native_histograms():
    """Integer and float, exponential and custom buckets, by both versions: the same answers from head, block, merged block and
    after a kill."""
    start, count = 1700000000000, 40

    def series(name):
        kinds = {"int": (1, [(0, 2), (3, 1)], False, ()), "float": (-1, [(-2, 1), (0, 2)], True, ()),
                 "custom": (-53, [(0, 3)], False, (0.1, 2.5)), "custom_float": (-53, [(0, 3)], True, (0.1, 2.5))}
        schema, spans, is_float, bounds = kinds[name]
        return [_native(start + i * 15000, schema, spans, [2 * i + 1, 3 * i, 7], is_float, bounds) for i in range(count)]

    with World() as world:
        at = Served(world)
        message = b"".join(_field(1, _field(1, _field(1, b"__name__") + _field(2, b"native")) +
                                  _field(1, _field(1, b"kind") + _field(2, name.encode())) +
                                  b"".join(_field(4, one) for one in series(name))) for name in ("int", "float"))
        status, body, _ = at.post("/api/v1/write", _literal(message), REMOTE_WRITE_HEADERS)
        assert status == 204, body
        names = ["custom", "custom_float"]
        message = b"".join(_field(4, symbol.encode()) for symbol in ["", "__name__", "native", "kind", *names])
        for i, name in enumerate(names):
            message += _field(5, _field(1, bytes([1, 2, 3, i + 4])) + b"".join(_field(3, one) for one in series(name)))
        status, body, headers = at.post("/api/v1/write", _literal(message), V2)
        assert status == 204 and headers["X-Prometheus-Remote-Write-Histograms-Written"] == str(2 * count), (body, headers)

        def everything():
            end = start // 1000 + count * 15
            answers = [get_json(at.port, f"/api/v1/query?query={quote(expr)}&time={end}")["data"]["result"] for expr in (
                "native", "native[1h]", "histogram_quantile(0.5, native)", "rate(native[5m])")]
            return [sorted(answer, key=str) for answer in answers]

        first = everything()
        assert [len(answer) for answer in first] == [4, 4, 4, 4], first
        assert all(len(row["histograms"]) == count for row in first[1]), first[1]
        found = {row["metric"]["kind"]: row["histogram"][1] for row in first[0]}
        assert found["int"]["count"] == found["float"]["count"] == "203" and found["int"]["sum"] == "50.75", found
        assert found["int"]["buckets"][0] == [0, "0.7071067811865475", "1", "79"], found["int"]
        assert found["float"]["buckets"][0][1:] == ["0.015625", "0.0625", "79"], found["float"]
        assert [bucket[1:] for bucket in found["custom"]["buckets"]] == [
            ["-Inf", "0.1", "79"], ["0.1", "2.5", "117"], ["2.5", "+Inf", "7"]], found["custom"]
        assert found["custom_float"]["buckets"] == found["custom"]["buckets"]
        at.server.kill()
        at.server.start()
        assert everything() == first, "from the log"
        assert at.post("/api/v1/admin/flush")[0] == 204 and everything() == first, "from a block"
        assert at.post("/api/v1/admin/compact")[0] == 204 and everything() == first, "from a merged block"
        at.server.stop()
        at.server.start()
        assert everything() == first, "after a restart"


def relabelling_per_source():
    with World() as world:
        at = Served(world)
        at.post("/api/v1/import/prometheus", "".join(
            f'{name}{{cluster="{cluster}"}} 1\n' for name in ("debug_a", "chatty_a", "kept") for cluster in ("own", "other")))
        found = sorted((m["__name__"], m["cluster"]) for m, _ in at.export('{cluster=~"own|other"}'))
        assert found == [("chatty_a", "other"), ("debug_a", "own"), ("kept", "other"), ("kept", "own")], found
        # A reload forgets what was remembered of the old rules.
        world.write("belfry.yml", open(at.config, encoding="utf-8").read().replace("chatty_.*", "kept"))
        assert call(at.port, "POST", "/-/reload")[0] == 200
        at.post("/api/v1/import/prometheus", 'chatty_a{cluster="own"} 1\nkept{cluster="own"} 2\n')
        assert len(at.export('chatty_a{cluster="own"}')) == 1 and len(at.export('kept{cluster="own"}')[0][1]) == 1


def admin_and_snapshots():
    with World() as world:
        at = Served(world)
        at.post("/api/v1/import/prometheus", "a 1 1700000000000\na 2 1700000100000\nb 3 1700000000000\n")
        assert at.post("/api/v1/admin/flush")[0] == 204
        inspected = json.loads(store("inspect", world.path("data"), "--json").stdout)
        assert inspected["samples"] == 3 and inspected["series"] == 2 and inspected["in_use"], inspected
        assert inspected["index_bytes"] > 0 and sum(inspected["sections"].values()) == sum(b["bytes"] for b in inspected["blocks"])
        assert at.post("/api/v1/admin/tsdb/delete_series?match[]=a&end=1700000050", method="PUT")[0] == 204
        assert at.export("a")[0][1] == [(1700000100000, 2)]
        assert at.post("/api/v1/admin/tsdb/delete_series")[0] == 400
        assert at.post("/api/v1/admin/tsdb/clean_tombstones", method="PUT")[0] == 204
        assert at.post("/api/v1/admin/compact")[0] == 204
        status, body, _ = at.post("/api/v1/admin/tsdb/snapshot?skip_head=false")
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", body
        snapshot = world.path("data/snapshots/" + answer["data"]["name"])
        assert json.loads(store("inspect", snapshot, "--json").stdout)["samples"] == 2
        assert call(at.port, "GET", "/api/v1/admin/flush")[0] == 405


def store(*args, ok=True):
    result = subprocess.run([BELFRY, "store", *args], capture_output=True, text=True, timeout=60, check=False)
    assert not ok or result.returncode == 0, result
    return result


def the_data_directory():
    with World() as world:
        at = Served(world)
        data = world.path("data")
        at.post("/api/v1/import/prometheus", 'a{p="q\\"\\\\"} 1 1700000000000\na{p="z"} 2 1700000000000\n')
        at.post("/api/v1/admin/flush")
        at.post("/api/v1/import/prometheus", "late 1 1600000000000\n")
        refused = store("export", data, ok=False)
        assert refused.returncode == 1 and "/api/v1/export" in refused.stderr, refused
        assert store("repair", data, ok=False).returncode == 1
        at.server.kill()
        lines = [json.loads(line) for line in store("export", "--data", data).stdout.splitlines()]
        assert [line["metric"]["__name__"] for line in lines] == ["a", "a", "late"], lines
        text = store("export", data, "--format", "openmetrics", "--match", "a", "--start", "1650000000").stdout
        assert text == 'a{p="q\\"\\\\"} 1 1700000000.000\na{p="z"} 2 1700000000.000\n# EOF\n', text
        block = os.path.join(data, "blocks", next(name for name in os.listdir(data + "/blocks") if name.startswith("b-")))
        with open(block, "r+b") as file:
            file.seek(-20, os.SEEK_END)
            byte = file.read(1)
            file.seek(-20, os.SEEK_END)
            file.write(bytes([byte[0] ^ 0xFF]))
        found = store("verify", data, ok=False)
        assert found.returncode == 1 and "DAMAGED" in found.stdout, found
        assert json.loads(store("verify", data, "--json", ok=False).stdout)["damaged"] == 1
        assert "1 damaged block moved" in store("repair", data).stdout
        assert store("verify", data).returncode == 0
        for args in (["inspect", "/nonexistent"], ["inspect", world.dir], ["export", world.dir], ["export", data, "--match", "{"],
                     ["export", data, "--format", "csv"], ["inspect", data, data]):
            assert store(*args, ok=False).returncode == 1, args
        assert store("inspect", "--nope", ok=False).returncode == 2


RULES = """
groups:
  - name: uses
    rules:
      - {record: "used:sum", expr: "sum(used_by_rule)"}
      - {alert: A, expr: "used_by_rule > 5 or {__name__=~'pattern_.*'} > 9"}
"""


def who_uses_a_metric():
    with World() as world:
        at = Served(world, RULES)
        names = ["used_by_rule", "pattern_x", "asked", "asked_by_pattern", "dead"]
        at.post("/api/v1/import/prometheus", "".join(f'{name}{{cluster="c{i}"}} 1\n' for name in names for i in range(3)))
        at.post("/api/v1/query", "query=" + quote("rate(asked[5m])"), {"Content-Type": "application/x-www-form-urlencoded"})
        call(at.port, "GET", "/api/v1/query?query=" + quote('{__name__=~"asked_by.*"}'))
        data = get_json(at.port, "/api/v1/status/store?limit=100")["data"]
        metrics = {m["name"]: m for m in data["metrics"]}
        assert metrics["used_by_rule"]["rules"] == 2 and metrics["used_by_rule"]["series"] == 3, metrics
        assert metrics["pattern_x"]["lastRule"]["name"] == "A" and metrics["pattern_x"]["rules"] == 1
        assert metrics["asked"]["lastQuery"]["query"] == "rate(asked[5m])" and metrics["asked"]["rules"] == 0
        assert metrics["asked_by_pattern"]["lastQuery"]["query"] == '{__name__=~"asked_by.*"}'
        assert "lastQuery" not in metrics["dead"] and "lastRule" not in metrics["dead"]
        unused = {m["name"] for m in get_json(at.port, "/api/v1/status/store?unused=true")["data"]["metrics"]}
        assert "dead" in unused and not unused & set(names[:4]), unused
        assert data["unused"]["series"] >= 3 and data["sources"][0]["series"] >= 5 and data["seriesCreatedLastHour"] >= 15
        tsdb = get_json(at.port, "/api/v1/status/tsdb?limit=2")["data"]
        assert sorted(tsdb) == ["headStats", "labelValueCountByLabelName", "memoryInBytesByLabelName", "seriesCountByLabelValuePair",
                                "seriesCountByMetricName"], sorted(tsdb)
        assert sorted(tsdb["headStats"]) == ["chunkCount", "maxTime", "minTime", "numLabelPairs", "numSeries"]
        assert len(tsdb["seriesCountByMetricName"]) == 2
        assert call(at.port, "GET", "/api/v1/status/tsdb?limit=0")[0] == 400
        shown = subprocess.run([BELFRY, "cardinality", "--url", f"http://127.0.0.1:{at.port}", "--limit", "50"], capture_output=True,
                               text=True, timeout=60, check=True).stdout
        assert "used_by_rule" in shown and "query rate(asked[5m])" in shown, shown


SCRAPES = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, external_labels: {{cluster: home}}}}
rules: []
scrape_configs:
  - job_name: clash
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{team: ours}}}}]
  - job_name: honoured
    honor_labels: true
    honor_timestamps: false
    metrics_path: /other
    params: {{name: [x y]}}
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{team: ours}}}}]
    metric_relabel_configs:
      - {{source_labels: [__name__], regex: "drop_.*", action: drop}}
      - {{regex: "secret", action: labeldrop}}
  - job_name: from-file
    file_sd_configs: [{{files: ["sd/*.json"], refresh_interval: 1s}}]
    relabel_configs:
      - {{source_labels: [__meta_kind], regex: "no", action: drop}}
      - {{source_labels: [__meta_kind], target_label: kind}}
"""

PAGE = """# TYPE page gauge
page{team="theirs",secret="s"} 1
page_stamped 2 1700000000000
drop_me 3
"""


def scraping():
    asked = []

    class Exporter(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *args):
            pass

    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
    exporter.daemon_threads = True
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    port = exporter.server_address[1]
    with World() as world:
        config = world.write("belfry.yml", SCRAPES.format(port=port))
        server = world.belfry(config, free_port(), extra=["--self-scrape", "off"]).start()

        def labels_of(selector):
            return [metric for metric, _ in query(server.port, selector)]

        clash = wait_for("the clash", lambda: labels_of('page{job="clash"}'))[0]
        assert clash["team"] == "ours" and clash["exported_team"] == "theirs" and clash["cluster"] == "home", clash
        assert query(server.port, "page_stamped{job='clash'}", 1700000000) and not query(server.port, "page_stamped{job='clash'}")
        honoured = wait_for("the honoured", lambda: labels_of('page{job="honoured"}'))[0]
        assert honoured["team"] == "theirs" and "secret" not in honoured and "exported_team" not in honoured, honoured
        assert query(server.port, "page_stamped{job='honoured'}") and not query(server.port, "drop_me{job='honoured'}")
        assert "/other?name=x+y" in asked or "/other?name=x%20y" in asked, asked
        assert query(server.port, "scrape_samples_post_metric_relabeling{job='honoured'}")[0][1] == 2
        world.write("sd/a.json", json.dumps([{"targets": [f"127.0.0.1:{port}"], "labels": {"__meta_kind": "yes"}},
                                             {"targets": ["127.0.0.1:1"], "labels": {"__meta_kind": "no"}}]))
        found = wait_for("the file's target", lambda: labels_of('up{job="from-file"} == 1'))
        assert len(found) == 1 and found[0]["kind"] == "yes", found
        world.write("sd/a.json", "[]")
        wait_for("its stale marker", lambda: not labels_of('up{job="from-file"}'))
        targets = get_json(server.port, "/api/v1/targets")["data"]["activeTargets"]
        assert sorted(t["scrapePool"] for t in targets) == ["clash", "honoured"] and targets[0]["health"] == "up", targets
    exporter.shutdown()
    exporter.server_close()


if __name__ == "__main__":
    sys.exit(run_cases([scraping, text_and_openmetrics, packed_bodies_of_any_size, json_lines_out_and_in_again, opentsdb_by_http,
                        opentsdb_by_telnet, influx_lines, remote_write_answers, native_histograms, relabelling_per_source, admin_and_snapshots,
                        the_data_directory, who_uses_a_metric]))
