"""Rules over somebody else's data: a real Prometheus and a real VictoriaMetrics are asked, and get results and ALERTS back by remote
write. The same rules, the same states, also over kill -9."""

import http.server
import json
import sys
import threading
import time
import urllib.parse

from harness import Listener, World, call, free_port, get_json, need, query, remote_write, run_cases, wait_for

CONFIG = """
global: {{evaluation_interval: 1s}}
rules: [{{files: "{dir}/rules/*.yml"}}]
datasource: {{url: "http://127.0.0.1:{source}", params: {{nocache: "1"}}}}
notify:
  route: {{receiver: page, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
  receivers: [{{name: page, webhook_configs: [{{url: "http://127.0.0.1:{page}/"}}]}}]
"""

RULES = """
groups:
- name: remote
  interval: 1s
  rules:
  - {alert: Fires, expr: x > 0, for: 2s}
  - {alert: Held, expr: x > 0, keep_firing_for: 1h}
  - {record: twice, expr: x * 2}
"""


def states(port):
    return {a["labels"]["alertname"]: a["state"] for a in get_json(port, "/api/v1/alerts")["data"]["alerts"]}


def evaluates_against(world, source, source_port):
    page, port = Listener(200), free_port()
    source.start()
    world.write("rules/rules.yml", RULES)
    config = world.write("belfry.yml", CONFIG.format(dir=world.dir, page=page.port, source=source_port))
    belfry = world.belfry(config, port).start()

    def feeding(value, probe):
        def step():
            remote_write(source_port, [({"__name__": "x", "cluster": "c1"}, [(int(time.time() * 1000), value)])])
            time.sleep(0.3)
            return probe()
        return step

    wait_for("both alerts to fire", feeding(1, lambda: states(port) == {"Fires": "firing", "Held": "firing"}))
    series = {'ALERTS{alertstate="firing"}': 2, 'ALERTS{alertstate="pending"}': 0, "ALERTS_FOR_STATE": 2, "twice": 1}
    wait_for("results at the source", feeding(1, lambda: {name: len(query(source_port, name)) for name in series} == series))
    belfry.kill()
    belfry.start()
    wait_for("one to resolve, one to be held", feeding(0, lambda: states(port) == {"Held": "firing"}))
    wait_for("the end of its series", feeding(0, lambda: [s["alertname"] for s, _ in query(source_port, "ALERTS")] == ["Held"]))
    wait_for("all pages", lambda: len(page.bodies()) >= 3)
    told = sorted((a["status"], a["labels"]["alertname"]) for body in page.bodies() for a in body["alerts"])
    assert told == [("firing", "Fires"), ("firing", "Held"), ("resolved", "Fires")], told
    page.close()


def rules_on_prometheus():
    need("prometheus")
    with World() as world:
        port = free_port()
        config = world.write("prometheus.yml", "global: {scrape_interval: 1h}\n")
        evaluates_against(world, world.add("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={world.path('tsdb')}",
            f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"], port, "/-/ready"), port)


def rules_on_victoria_metrics():
    need("victoria-metrics")
    with World() as world:
        port = free_port()
        evaluates_against(world, world.add("victoria-metrics", [
            "victoria-metrics", f"-storageDataPath={world.path('vm')}", f"-httpListenAddr=127.0.0.1:{port}",
            "-search.latencyOffset=0s"], port, "/health"), port)


class Source:
    """A datasource that answers one series: to what asks for `hangs` when it is let (the first time after `first` seconds),
    to what asks for `crawls` after more than others should wait, to what asks for `counted` after a moment, and notes how many of the
    latter there were at once. Writes are answered as `judge` says of their bytes."""

    def __init__(self, first=1.5, judge=lambda body: 204):
        self.first = first
        self.judge = judge
        self.open, self.lock = threading.Event(), threading.Lock()
        self.now = self.most = self.hanging = 0
        self.asked = []
        source = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = urllib.parse.parse_qs(body.decode("latin-1")) if "query" in self.path else {}
                query = asked.get("query", [""])[0]
                with source.lock:
                    source.asked.append((query, {name: values[0] for name, values in asked.items()}))
                source.answer(query)
                status = source.judge(body) if self.path.endswith("/write") else 200
                # Not to what Belfry asks for itself: sources that want no alerts.
                asks = any(word in query for word in ("answers", "hangs", "crawls", "counted", "c1", "wanted"))
                result = [{"metric": {"a": "b"}, "value": [time.time(), "1"]}] if asks else []
                data = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, query):
        if "hangs" in query:
            with self.lock:
                self.hanging += 1
                first = self.hanging == 1
            self.open.wait(self.first if first else 60)
        elif "crawls" in query:
            self.open.wait(1.2)
        elif "counted" in query:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.05)
            with self.lock:
                self.now -= 1

    def close(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()


HANGING = """
groups:
- {name: slow, rules: [{record: slow, expr: hangs}]}
- {name: quick, rules: [{record: quick, expr: answers}]}
"""


def metrics(port):
    lines = call(port, "GET", "/metrics")[2].decode().splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("belfry_remote_write_")}


def groups(port):
    return {g["name"]: g for g in get_json(port, "/api/v1/rules")["data"]["groups"]}


def a_group_that_hangs_holds_up_itself_only():
    with World() as world:
        source, page, port = Source(), Listener(200), free_port()
        world.write("rules/rules.yml", HANGING)
        world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir, page=page.port, source=source.port)), port).start()
        wait_for("the group to be put aside", lambda: groups(port)["slow"]["aside"] and source.hanging >= 2)
        for _ in range(3):
            seen = groups(port)["quick"]["lastEvaluation"]
            wait_for("the other group to go on", lambda: groups(port)["quick"]["lastEvaluation"] > seen)
        assert not source.open.is_set() and groups(port)["slow"]["aside"]
        # Neither waits a reload for it.
        assert call(port, "POST", "/-/reload")[0] == 200
        wait_for("it to be asked again", lambda: source.hanging >= 3)
        source.open.set()
        wait_for("it to come back", lambda: not groups(port)["slow"]["aside"])
        assert groups(port)["slow"]["rules"][0]["health"] == "ok"
        source.close()
        page.close()


CRAWLING = """
groups:
- {name: hangs, concurrency: 1, rules: [{record: h1, expr: hangs > 1}, {record: h2, expr: hangs > 2}, {record: h3, expr: hangs > 3}]}
- {name: crawls, rules: [{record: c1, expr: crawls > 1}, {record: c2, expr: c1}]}
- {name: quick, rules: [{record: quick, expr: answers}]}
"""


def no_group_waits_for_another_from_the_first_slot_on():
    with World() as world:
        source, page, port = Source(60), Listener(200), free_port()
        world.write("rules/rules.yml", CRAWLING)
        world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir, page=page.port, source=source.port)), port).start()
        wait_for("quick and crawling groups", lambda: all(r["health"] == "ok" for n in ("quick", "crawls") for r in groups(port)[n]["rules"]))
        for name in ("quick", "crawls"):
            seen = groups(port)[name]["lastEvaluation"]
            wait_for(name + " to go on", lambda: groups(port)[name]["lastEvaluation"] > seen)
        now = groups(port)
        assert {n: g["aside"] for n, g in now.items() if n != "belfry"} | {"hangs": True, "crawls": True, "quick": False} == {
            n: g["aside"] for n, g in now.items() if n != "belfry"}, now
        assert all(r["health"] == "unknown" for r in now["hangs"]["rules"]), "nothing of it was decided"
        source.open.set()
        wait_for("the hanging group", lambda: all(r["health"] == "ok" for r in groups(port)["hangs"]["rules"]))
        wait_for("all to be together again", lambda: not any(groups(port)[n]["aside"] for n in ("hangs", "crawls")))
        source.close()
        page.close()


SOURCES = """
groups:
- {name: held, rules: [{alert: Moves, expr: 'rate(c[4s]) > 0'}, {alert: Waits, expr: 'rate(c[4s]) > 0', for: 12s}]}
"""
SOURCES_CONFIG = "sources: {{late: 2s, lost: 3s}}" + CONFIG


def a_source_that_is_late_at_the_datasource_resolves_nothing():
    """Prometheus goes on answering; it is the sender that is silent, before, while and after Belfry is killed."""
    need("prometheus")
    with World() as world:
        source_port, port, page = free_port(), free_port(), Listener(200)
        config = world.write("prometheus.yml", "global: {scrape_interval: 1h}\n")
        world.add("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={world.path('tsdb')}",
            f"--web.listen-address=127.0.0.1:{source_port}", "--web.enable-remote-write-receiver"], source_port, "/-/ready").start()
        world.write("rules/rules.yml", SOURCES)
        belfry = world.belfry(world.write("belfry.yml", SOURCES_CONFIG.format(dir=world.dir, page=page.port, source=source_port)), port,
                              extra=("--self-scrape", "off"))
        count = [0]

        def send():
            count[0] += 1
            now = int(time.time() * 1000)
            remote_write(source_port, [({"__name__": "up", "cluster": "c1"}, [(now, 1)]), ({"__name__": "c", "cluster": "c1"}, [(now, count[0])])])
            time.sleep(0.5)

        def sending(probe):
            def step():
                send()
                return probe()
            return step

        def since():
            return {a["labels"]["alertname"]: a["activeAt"] for a in get_json(port, "/api/v1/alerts")["data"]["alerts"]}

        for _ in range(8):
            send()
        belfry.start()
        wait_for("the alert", sending(lambda: states(port).get("Moves") == "firing"))
        before = since()
        assert [s["source"] for s in get_json(port, "/api/v1/sources")["data"]] == ["c1"]
        wait_for("the loss", lambda: states(port).get("TelemetryLost") == "firing")
        assert since()["Moves"] == before["Moves"] and since()["Waits"] == before["Waits"], "nothing was decided"
        belfry.kill()
        belfry.start()
        time.sleep(2)
        assert {**since(), "TelemetryLost": 0} == {**before, "TelemetryLost": 0} and states(port)["TelemetryLost"] == "firing", since()
        wait_for("both to fire", sending(lambda: states(port) == {"Moves": "firing", "Waits": "firing"}))
        assert since() == before, "no `for` started over"
        told = sorted((a["status"], a["labels"]["alertname"]) for body in page.bodies() for a in body["alerts"])
        assert ("resolved", "Moves") not in told and told.count(("firing", "Moves")) == 1, told
        assert told.count(("firing", "TelemetryLost")) == 1, told
        page.close()


WRITING = """
groups:
- {name: bad, rules: [{record: unwanted, expr: answers}]}
- {name: good, rules: [{record: wanted, expr: answers}, {record: chained, expr: wanted}]}
- {name: ringing, rules: [{alert: Rings, expr: answers}]}
"""


def rule(port, group, index=0):
    return groups(port)[group]["rules"][index]


def a_refused_write_costs_the_group_that_caused_it():
    with World() as world:
        source, page, port = Source(judge=lambda body: 400 if b"unwanted" in body else 204), Listener(200), free_port()
        world.write("rules/rules.yml", WRITING)
        world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir, page=page.port, source=source.port)), port).start()
        wait_for("the refusal", lambda: "refused with status 400" in rule(port, "bad").get("lastError", ""))
        for _ in range(2):
            seen = groups(port)["good"]["lastEvaluation"]
            wait_for("a good one", lambda: groups(port)["good"]["lastEvaluation"] > seen and rule(port, "good", 1)["health"] == "ok")
        values = metrics(port)
        assert values["belfry_remote_write_samples_failed_total"] >= 1 and values["belfry_remote_write_samples_total"] >= 2, values
        source.close()
        page.close()


def a_write_that_hangs_holds_up_nobody_and_is_made_later():
    with World() as world:
        held, bodies = threading.Event(), []

        def judge(body):
            bodies.append(len(body))
            return 204 if held.wait(40) else 500

        source, page, port = Source(judge=judge), Listener(200), free_port()
        world.write("rules/rules.yml", WRITING)
        world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir, page=page.port, source=source.port)), port).start()
        wait_for("the page", lambda: page.bodies())
        for name in ("good", "ringing"):
            for _ in range(3):
                seen = groups(port)[name]["lastEvaluation"]
                wait_for(name + " to go on", lambda: groups(port)[name]["lastEvaluation"] > seen)
        assert len(bodies) == 1 and not any(g["aside"] for n, g in groups(port).items() if "aside" in g), bodies
        assert metrics(port)["belfry_remote_write_samples_waiting"] > 6
        held.set()
        wait_for("all to be written", lambda: metrics(port)["belfry_remote_write_samples_waiting"] < 6)
        values = metrics(port)
        assert values["belfry_remote_write_samples_failed_total"] == 0, values
        assert values["belfry_remote_write_requests_total"] * 5 < values["belfry_remote_write_samples_total"] * 2, values
        source.close()
        page.close()


def a_write_that_fails_is_tried_again():
    with World() as world:
        well = threading.Event()
        source, page, port = Source(judge=lambda body: 204 if well.is_set() else 503), Listener(200), free_port()
        world.write("rules/rules.yml", WRITING)
        world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir, page=page.port, source=source.port)), port).start()
        wait_for("the trouble", lambda: "not written yet, will be tried again: remote write was refused with status 503" in
                 rule(port, "good").get("lastError", ""))
        well.set()
        wait_for("the end of it", lambda: all(rule(port, n)["health"] == "ok" for n in ("good", "bad")))
        values = metrics(port)
        assert values["belfry_remote_write_samples_failed_total"] == 0, values
        source.close()
        page.close()


def a_group_has_as_many_rules_under_way_as_it_says():
    rules = "[" + ", ".join(f"{{record: r{i}, expr: counted > {i}}}" for i in range(12)) + "]"
    for group, most in (("concurrency: 2, ", 2), ("", 12)):
        with World() as world:
            source, page, port = Source(), Listener(200), free_port()
            world.write("rules/rules.yml", f"groups: [{{name: g, {group}rules: {rules}}}]")
            world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir, page=page.port, source=source.port)), port).start()
            wait_for("an evaluation", lambda: groups(port)["g"]["rules"][11]["health"] == "ok")
            assert source.most <= most and (group or source.most > 2), source.most
            source.close()
            page.close()


TIMING = """
groups:
- {name: plain, interval: 2s, rules: [{record: t1, expr: answers > 1}]}
- {name: offset, interval: 2s, query_offset: 1s, rules: [{record: t2, expr: answers > 2}, {alert: Asked, expr: answers > 2}]}
"""
TIMING_VMALERT = """
groups:
- {name: shifted, interval: 4s, eval_offset: 1s, rules: [{record: t3, expr: answers > 3}]}
- {name: delayed, interval: 2s, eval_delay: 3s, rules: [{record: t4, expr: answers > 4}]}
- {name: unaligned, interval: 2s, eval_delay: 3s, eval_alignment: false, params: {extra: [word]}, rules: [{record: t5, expr: answers > 5}]}
"""


def groups_ask_for_the_times_they_say():
    with World() as world:
        source, page, port = Source(), Listener(200), free_port()
        world.write("rules/prometheus.yml", TIMING)
        world.write("rules/vmalert.yml", TIMING_VMALERT)
        world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir, page=page.port, source=source.port)), port).start()

        def asked(n):
            with source.lock:
                return [words for query, words in source.asked if query == f"answers > {n}"]

        wait_for("two evaluations of each", lambda: all(len(asked(n)) >= 2 for n in range(1, 6)))
        rests = {n: {float(words["time"]) % (4 if n == 3 else 2) for words in asked(n)} for n in range(1, 6)}
        assert rests == {1: {0}, 2: {1}, 3: {1}, 4: {0}, 5: {1}}, rests
        assert {words["step"] for n in range(1, 6) for words in asked(n)} == {"300.000"}, "the lookback"
        assert all(words["flavour"] == "metricsql" and words["extra"] == "word" for words in asked(5)), asked(5)
        assert not any("flavour" in words for words in asked(1)), "a Prometheus file is PromQL"
        # The alert is active since the slot, not since what was asked for.
        since = [a["activeAt"] for a in get_json(port, "/api/v1/alerts")["data"]["alerts"] if a["labels"]["alertname"] == "Asked"]
        assert since and int(since[0][17:19]) % 2 == 0, since
        source.close()
        page.close()


if __name__ == "__main__":
    sys.exit(run_cases([rules_on_prometheus, rules_on_victoria_metrics, a_group_that_hangs_holds_up_itself_only,
                        no_group_waits_for_another_from_the_first_slot_on, a_refused_write_costs_the_group_that_caused_it, a_source_that_is_late_at_the_datasource_resolves_nothing,
                        a_write_that_hangs_holds_up_nobody_and_is_made_later, a_write_that_fails_is_tried_again,
                        a_group_has_as_many_rules_under_way_as_it_says, groups_ask_for_the_times_they_say]))
