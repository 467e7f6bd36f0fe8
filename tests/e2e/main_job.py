"""The main job, end to end, with the real programs: a Prometheus scrapes a real node_exporter and writes to Belfry, a rule fires, a
real Alertmanager and a PagerDuty listener are told; a silence and a maintenance flag hold; and `kill -9` at ten moments loses
nothing that was acknowledged."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time

from harness import (BELFRY, Listener, World, call, free_port, get_json, need, query, remote_write,
                     run_cases, wait_for)

ROUTING_KEY = "0123456789abcdef0123456789abcdef"

RULES = """
groups:
  - name: e2e
    interval: 1s
    rules:
      - alert: Fault
        expr: e2e_fault == 1
        for: 2s
        labels: {severity: critical}
        annotations:
          summary: "{{ $labels.part }} is broken ({{ $value }})"
      - record: e2e:faults:sum
        expr: sum(e2e_fault)
"""

CONFIG = """
global: {{evaluation_interval: 1s}}
rules: [{{files: "{dir}/rules/*.yml"}}]
notify:
  route: {{receiver: everyone, group_by: [alertname, part], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
  receivers:
    - name: everyone
      pagerduty_configs: [{{routing_key: {key}, url: "http://127.0.0.1:{pager}/v2/enqueue"}}]
      alertmanager_configs: [{{url: "http://127.0.0.1:{alertmanager}"}}]
"""

PROMETHEUS = """
global: {{scrape_interval: 1s, external_labels: {{cluster: prod-1}}}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
remote_write:
  - url: "http://127.0.0.1:{belfry}/api/v1/write"
    queue_config: {{batch_send_deadline: 200ms, min_backoff: 50ms, max_backoff: 500ms}}
"""

ALERTMANAGER = """
route: {receiver: nobody, group_wait: 1s}
receivers: [{name: nobody}]
"""


class NumberedWriter(threading.Thread):
    """Writes samples 1, 2, 3, ... and remembers which were answered with 2xx."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.acknowledged, self.ending = port, [], False
        self.start_ms = int(time.time() * 1000)

    def run(self):
        number = 0
        while not self.ending:
            number += 1
            labels = {"__name__": "e2e_numbered", "cluster": "writer", "part": str(number % 10)}
            sample = (self.start_ms + number, float(number))
            try:
                status, _, _ = remote_write(self.port, [(labels, [sample])], timeout=5)
                if status // 100 == 2:
                    self.acknowledged.append(number)
            except OSError:
                time.sleep(0.02)
            time.sleep(0.005)

    def missing(self):
        """Numbers that were acknowledged and cannot be read back."""
        path = f"/api/v1/query?query=e2e_numbered[2h]&time={time.time() + 60:.3f}"
        found = {int(float(value)) for series in get_json(self.port, path)["data"]["result"]
                 for _, value in series["values"]}
        return [number for number in list(self.acknowledged) if number not in found]


class MainJob:
    """The servers of the test, wired."""

    def __init__(self, world):
        need("prometheus", "prometheus-node-exporter", "prometheus-alertmanager", "amtool")
        self.world = world
        self.pager = Listener()
        self.port = free_port()
        exporter, prometheus, alertmanager = free_port(), free_port(), free_port()
        self.alertmanager_port = alertmanager
        os.makedirs(world.path("textfile"))
        self.set_fault("web", 0)
        world.write("rules/e2e.yml", RULES)
        config = world.write("belfry.yml", CONFIG.format(
            dir=world.dir, key=ROUTING_KEY, pager=self.pager.port, alertmanager=alertmanager))
        world.add("node_exporter", [
            "prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{exporter}",
            "--collector.disable-defaults", "--collector.textfile", "--collector.loadavg", "--collector.cpu",
            "--collector.textfile.directory=" + world.path("textfile")], exporter, "/").start()
        world.add("alertmanager", [
            "prometheus-alertmanager", "--config.file=" + world.write("alertmanager.yml", ALERTMANAGER),
            "--storage.path=" + world.path("alertmanager"), "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{alertmanager}"], alertmanager, "/-/ready").start()
        self.belfry = world.belfry(config, self.port).start()
        world.add("prometheus", [
            "prometheus", "--config.file=" + world.write("prometheus.yml", PROMETHEUS.format(
                exporter=exporter, belfry=self.port)),
            "--storage.tsdb.path=" + world.path("prometheus"),
            f"--web.listen-address=127.0.0.1:{prometheus}"], prometheus, "/-/ready").start()

    def set_fault(self, part, value):
        self.world.write("textfile/fault.prom", f'e2e_fault{{part="{part}"}} {value}\n')

    def cli(self, *words):
        done = subprocess.run([BELFRY, *words, "--url", f"http://127.0.0.1:{self.port}"],
                              capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"belfry {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def events(self, action, part):
        return [event for event in self.pager.bodies()
                if event["event_action"] == action and part in json.dumps(event.get("payload", {}))]

    def amtool_alerts(self):
        done = subprocess.run(
            ["amtool", f"--alertmanager.url=http://127.0.0.1:{self.alertmanager_port}", "alert", "query", "-o", "json"],
            capture_output=True, text=True, timeout=30, check=True)
        return json.loads(done.stdout)

    def firing(self, part):
        alerts = get_json(self.port, "/api/v1/alerts")["data"]["alerts"]
        return [a for a in alerts if a["labels"].get("part") == part and a["state"] == "firing"]

    def restart(self):
        self.belfry.kill()
        self.belfry.start()

    def outbox_rows(self):
        path = self.world.path("data/state.db")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1) as database:
            return database.execute("SELECT count(*) FROM outbox").fetchone()[0]


def check_payload(event, part):
    assert event["routing_key"] == ROUTING_KEY, event
    assert event["event_action"] == "trigger", event
    assert 0 < len(event["dedup_key"]) <= 255, event
    payload = event["payload"]
    assert payload["severity"] == "critical", payload
    assert f"{part} is broken (1)" in payload["summary"], payload
    assert payload["source"], payload


def fires_and_is_seen(job, part):
    job.set_fault(part, 1)
    wait_for("a page", lambda: job.events("trigger", part))
    check_payload(job.events("trigger", part)[0], part)
    wait_for("the alert at Alertmanager",
             lambda: [a for a in job.amtool_alerts() if a["labels"].get("part") == part])
    alert = job.firing(part)[0]
    assert alert["labels"]["cluster"] == "prod-1" and alert["labels"]["alertname"] == "Fault", alert
    assert query(job.port, f'ALERTS{{alertstate="firing",part="{part}"}}'), "no ALERTS series"
    wait_for("the recording", lambda: query(job.port, "e2e:faults:sum")[0][1] == 1)


def resolves(job, part, key):
    job.set_fault("other-" + part, 0)
    wait_for("the resolve", lambda: [e for e in job.pager.bodies()
                                     if e["event_action"] == "resolve" and e["dedup_key"] == key])
    keys = {e["dedup_key"] for e in job.pager.bodies() if part in json.dumps(e.get("payload", {}))}
    assert keys == {key}, f"one incident, several keys: {keys}"
    wait_for("the resolve at Alertmanager",
             lambda: not [a for a in job.amtool_alerts() if a["labels"].get("part") == part])


def kill_at_moments(job):
    """Five at random; one each at the commit of a transition, the send, its answer, the answer's commit, a flush. A new fault
    each time; every one pages under one key, and its resolve arrives under that key."""
    def at_commit(part):
        before = os.stat(job.world.path("data/state.db-wal")).st_mtime_ns
        job.set_fault(part, 1)
        wait_for("a commit", lambda: os.stat(job.world.path("data/state.db-wal")).st_mtime_ns != before)

    def at_send(part):
        reached = threading.Event()
        job.pager.before = lambda: (job.belfry.process.kill(), reached.set())
        job.set_fault(part, 1)
        assert reached.wait(60), "no send"

    def at_answer(part):
        reached = threading.Event()
        job.pager.after = lambda: (job.belfry.process.kill(), reached.set())
        job.set_fault(part, 1)
        assert reached.wait(60), "no answer"

    def at_answer_commit(part):
        reached = threading.Event()
        job.pager.after = lambda: (time.sleep(0.004), job.belfry.process.kill(), reached.set())
        job.set_fault(part, 1)
        assert reached.wait(60), "no answer"

    def at_flush(part):
        job.set_fault(part, 1)
        wait_for("a flush", lambda: job.outbox_rows() > 0 or job.events("trigger", part))

    def at_random(part):
        job.set_fault(part, 1)
        time.sleep(random.uniform(0, 6))

    for number, moment in enumerate([at_commit, at_send, at_answer, at_answer_commit, at_flush] + [at_random] * 5):
        part = f"{moment.__name__}-{number}"
        moment(part)
        job.restart()
        trigger = wait_for(f"the page of {part}", lambda p=part: job.events("trigger", p))[0]
        resolves(job, part, trigger["dedup_key"])


def silence_and_flag_hold(job):
    silence = job.cli("silence", "add", "part=quiet", "--duration", "1h", "--comment", "e2e", "--author", "e2e")
    flag = job.cli("maintenance", "on", "part=flagged", "--for", "1h", "--reason", "e2e", "--owner", "e2e")
    job.restart()
    assert call(job.port, "GET", f"/api/v2/silence/{silence}")[0] == 200, "the silence is gone"
    assert call(job.port, "GET", f"/api/v1/maintenance/{flag}")[0] == 200, "the flag is gone"
    for part in ("quiet", "flagged"):
        job.set_fault(part, 1)
        wait_for(f"{part} to fire", lambda p=part: job.firing(p))
        time.sleep(3)
        assert not job.events("trigger", part), f"{part} paged"
    states = {a["labels"]["part"]: a["status"]["state"] for a in get_json(job.port, "/api/v2/alerts")}
    assert states.get("flagged") == "suppressed", states


def main_job():
    with World() as world:
        job = MainJob(world)
        wait_for("real metrics", lambda: query(job.port, 'node_load1{cluster="prod-1"}'))
        wait_for("the first fault metric", lambda: query(job.port, "e2e_fault"))
        writer = NumberedWriter(job.port)
        writer.start()
        fires_and_is_seen(job, "web")
        resolves(job, "web", job.events("trigger", "web")[0]["dedup_key"])
        silence_and_flag_hold(job)
        kill_at_moments(job)
        writer.ending = True
        writer.join()
        assert len(writer.acknowledged) > 100, "the numbered writer got nowhere"
        assert not writer.missing(), f"acknowledged samples are missing: {writer.missing()[:10]}"
        assert job.belfry.stop() == 0, "SIGTERM did not end it with 0"
        job.pager.close()


if __name__ == "__main__":
    sys.exit(run_cases([main_job]))
