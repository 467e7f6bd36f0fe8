"""A page is never lost: the server is killed (SIGKILL) at random points while alerts begin and end, and the receiver
answers, refuses, hangs up and hangs. In the end every alert that fires has its incident open at the receiver, every
other incident is closed, and events of one key came in order.

NOTIFY_KILLS: how many kills (default 6; 200 for a whole night's worth)."""

import http.server
import json
import os
import random
import socket
import sys
import threading
import time

from harness import World, call, free_port, get_json, run_cases, wait_for

KILLS = int(os.environ.get("NOTIFY_KILLS", "6"))
SEED = int(os.environ.get("NOTIFY_SEED", str(random.randrange(10**6))))
ALERTS = 40

CONFIG = """
global: {{evaluation_interval: 1s}}
rules: []
notify:
  route: {{receiver: pager, group_wait: 0s, group_interval: 1s}}
  receivers:
    - name: pager
      pagerduty_configs:
        - {{routing_key: k, incident: alert, timeout: 300ms, url: "http://127.0.0.1:{port}/v2/enqueue"}}
"""


class Pager:
    """PagerDuty as far as it matters: incidents by key. In a bad mood it answers 429, 500, garbage or not at all, and
    then it may have taken the event or not, as the mood says."""

    def __init__(self):
        self.open, self.events, self.mood, self.lock = {}, [], "good", threading.Lock()
        pager = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with pager.lock:
                    mood = pager.mood
                    if mood in ("good", "lost answer"):
                        pager.take(event)
                if mood == "lost answer":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if mood == "nothing":
                    time.sleep(0.5)
                    self.close_connection = True
                    return
                if mood == "garbage":
                    self.wfile.write(b"\x00\xff<html>not HTTP at all\r\n")
                    self.close_connection = True
                    return
                status = {"good": 202, "429": 429, "500": 500}[mood]
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda request, address: None  # a client that was killed
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, event):
        key, action = event["dedup_key"], event["event_action"]
        self.events.append((key, action))
        if action == "trigger":
            self.open[key] = event["payload"]["source"]
        else:
            self.open.pop(key, None)

    def feel(self, mood):
        with self.lock:
            self.mood = mood

    def open_sources(self):
        with self.lock:
            return sorted(self.open.values())

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def post(port, firing, numbers):
    """Alerts from outside; a firing one on a lease long enough for the whole test."""
    now = time.time()

    def stamp(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + seconds))

    body = [{"labels": {"alertname": "A", "instance": f"n{n}", "severity": "critical"},
             "startsAt": stamp(-1), "endsAt": stamp(3600 if firing else -0)} for n in numbers]
    return call(port, "POST", "/api/v2/alerts", json.dumps(body), {"Content-Type": "application/json"}, 10)[0]


def insist(world, server, port, firing, numbers):
    """Posts as a Prometheus does: until it was taken, by this life of the server or the next."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if server.process.poll() is not None:
            server.start()
        try:
            if post(port, firing, numbers) == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError("alerts were not taken in 60 s")


def kill_at_random_points():
    dice = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills", flush=True)
    pager = Pager()
    with World() as world:
        port = free_port()
        config = world.write("belfry.yml", CONFIG.format(port=pager.port))
        server = world.belfry(config, port, extra=("--rules", "none", "--self-scrape", "off")).start()
        firing = set()
        for _ in range(KILLS):
            pager.feel(dice.choice(["good", "good", "429", "500", "nothing", "garbage", "lost answer"]))
            killer = threading.Timer(dice.random() * 0.6, server.process.kill)
            killer.start()
            while killer.is_alive():
                begin = {n for n in range(ALERTS) if n not in firing and dice.random() < 0.1}
                end = {n for n in firing if dice.random() < 0.1}
                for is_begin, numbers in ((True, begin), (False, end)):
                    if numbers:
                        insist(world, server, port, is_begin, sorted(numbers))
                        firing = firing | numbers if is_begin else firing - numbers
            killer.join()
            wait_for("its death, or its next life", lambda: server.process.poll() is not None or server.is_ready())
            if server.process.poll() is not None:
                server.start()
        pager.feel("good")
        want = sorted(f"n{n}" for n in firing)

        def is_settled():
            """Nobody waits for the backoff of two hundred bad moods: what waits is tried at once."""
            waiting = [n["id"] for n in get_json(port, "/api/v1/notifications?status=retrying")["data"]]
            if waiting:
                call(port, "POST", "/api/v1/notifications/retry", json.dumps({"ids": waiting}))
            return pager.open_sources() == want

        wait_for("every alert to be where it belongs", is_settled, 90)
        wait_for("an empty outbox", lambda: get_json(port, "/api/v1/notifications?status=queued")["data"] == []
                 and get_json(port, "/api/v1/notifications?status=retrying")["data"] == [], 90)
        assert pager.open_sources() == want
        assert get_json(port, "/api/v1/notifications?status=failed")["data"] == []
    pager.close()


if __name__ == "__main__":
    sys.exit(run_cases([kill_at_random_points]))
