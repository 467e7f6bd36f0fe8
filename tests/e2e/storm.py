"""A storm: one rule begins to ring for thousands of instances at once. Each alert is told to the pager once and is in
one message of its group, silences are set meanwhile, and in the end each incident is closed once.

STORM_ALERTS: how many (default 1500)."""

import collections
import http.server
import json
import os
import sys
import threading
import time

from harness import World, call, free_port, get_json, run_cases, wait_for

ALERTS = int(os.environ.get("STORM_ALERTS", "1500"))
GROUPS = 50

CONFIG = """
global: {{evaluation_interval: 1s}}
rules: [{{files: "{rules}"}}]
notify:
  route:
    receiver: none
    routes:
      - {{receiver: pager, group_wait: 0s, group_interval: 1s, continue: true}}
      - {{receiver: chat, group_by: [rack], group_wait: 3s, group_interval: 3s}}
  receivers:
    - name: none
    - name: pager
      pagerduty_configs: [{{routing_key: k, incident: alert, timeout: 2m, url: "http://127.0.0.1:{port}/pager"}}]
    - name: chat
      webhook_configs: [{{timeout: 2m, url: "http://127.0.0.1:{port}/chat"}}]
"""

RULES = """
groups:
  - name: storm
    interval: 1s
    rules:
      - alert: Storm
        expr: storm > 0
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.instance }} in {{ $labels.rack }}"}
"""


class Listener:
    """Counts what it is told, by what it is about."""

    def __init__(self):
        self.lock = threading.Lock()
        self.pager = collections.Counter()  # (action, key)
        self.chat = collections.Counter()   # (status, instance)
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with listener.lock:
                    listener.take(self.path, message)
                self.send_response(202)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args):
                pass

        class Patient(http.server.ThreadingHTTPServer):
            """An answer that is lost is a repeat: on a busy machine none may be."""
            request_queue_size = 256

        self.server = Patient(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, message):
        if path == "/pager":
            self.pager[message["event_action"], message["dedup_key"]] += 1
            return
        for alert in message["alerts"]:
            self.chat[alert["status"], alert["labels"]["instance"]] += 1

    def of(self, counter, word):
        with self.lock:
            return {name: times for (status, name), times in counter.items() if status == word}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def write(port, value):
    lines = "".join(f'storm{{instance="n{n}",rack="r{n % GROUPS}"}} {value}\n' for n in range(ALERTS))
    status, _, body = call(port, "POST", "/api/v1/import/prometheus", lines)
    assert status in (200, 204), (status, body)


class Impatient(threading.Thread):
    """Sets silences while the storm goes on."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.done, self.answers, self.longest = port, threading.Event(), [], 0.0

    def run(self):
        while not self.done.is_set():
            body = {"matchers": [{"name": "instance", "value": f"other-{len(self.answers)}", "isRegex": False}],
                    "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
                    "createdBy": "storm", "comment": "meanwhile"}
            begin = time.monotonic()
            self.answers.append(call(self.port, "POST", "/api/v2/silences", json.dumps(body),
                                     {"Content-Type": "application/json"})[0])
            self.longest = max(self.longest, time.monotonic() - begin)
            self.done.wait(0.05)


def each_alert_of_a_storm_is_told_once():
    listener = Listener()
    with World() as world:
        port = free_port()
        rules = world.write("storm.yml", RULES)
        config = world.write("belfry.yml", CONFIG.format(port=listener.port, rules=rules))
        world.belfry(config, port, extra=("--self-scrape", "off")).start()
        impatient = Impatient(port)
        impatient.start()
        write(port, 1)
        wait_for("all pages", lambda: len(listener.of(listener.pager, "trigger")) == ALERTS)
        wait_for("all messages", lambda: len(listener.of(listener.chat, "firing")) == ALERTS)
        impatient.done.set()
        impatient.join()
        assert set(impatient.answers) == {200}, collections.Counter(impatient.answers)
        print(f"{len(impatient.answers)} silences meanwhile, {impatient.longest * 1000:.0f} ms at most", flush=True)
        write(port, 0)
        wait_for("all ends", lambda: len(listener.of(listener.pager, "resolve")) == ALERTS)
        wait_for("an empty outbox", lambda: get_json(port, "/api/v1/notifications")["data"] == [])
        for action in ("trigger", "resolve"):
            times = listener.of(listener.pager, action)
            assert set(times.values()) == {1}, f"{action}: {collections.Counter(times.values())}"
        assert set(listener.of(listener.pager, "trigger")) == set(listener.of(listener.pager, "resolve"))
    listener.close()


if __name__ == "__main__":
    sys.exit(run_cases([each_alert_of_a_storm_is_told_once]))
