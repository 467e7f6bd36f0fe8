"""Why was I paged, how good are the alerts, what is drawn on the graphs; and shadow mode beside a real Alertmanager."""

import hashlib
import hmac
import json
import subprocess
import sys
import time

from harness import BELFRY, Listener, World, call, free_port, get_json, need, query, remote_write, run_cases, wait_for

CONFIG = """
global: {{evaluation_interval: 1s}}
rules: [{{files: "{dir}/rules.yml"}}]
notify:
  {extra}
  route:
    receiver: pager
    group_by: [alertname]
    group_wait: 1s
    group_interval: 1s
    routes: [{{matchers: [severity="info"], receiver: nobody}}]
  receivers:
    - name: nobody
    - name: pager
      webhook_configs: [{{url: "http://127.0.0.1:{sink}/"}}]
"""

RULES = """
groups:
- name: g
  interval: 1s
  rules:
  - {alert: Hot, expr: "temperature > 80", labels: {severity: critical, team: ops}, annotations: {summary: "too hot"}}
  - {alert: Warm, expr: "temperature > 50", labels: {severity: info}}
  - {alert: Never, expr: "temperature > 1000"}
"""

SECRET = "geheim"


def cli(port, *words, status=0):
    done = subprocess.run([BELFRY, *words, "--url", f"http://127.0.0.1:{port}"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == status, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout


def write(port, value, **labels):
    status, _, body = remote_write(port, [({"__name__": "temperature", **labels}, [(int(time.time() * 1000), value)])])
    assert status in (200, 204), body


def post(port, path, value, headers=None):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    status, _, answer = call(port, "POST", path, body, {"Content-Type": "application/json", **(headers or {})})
    return status, answer


def explained(port, name):
    alerts = get_json(port, f"/api/v1/explain?alert={name}")["data"]["alerts"]
    return alerts[0] if alerts else None


def events(alert):
    return [event["event"] for event in alert["timeline"]]


def pages_are_explained_counted_and_drawn():
    sink = Listener(status=200, answer=b"ok")
    with World() as world:
        port = free_port()
        world.write("rules.yml", RULES)
        belfry = world.belfry(
            world.write("belfry.yml", CONFIG.format(dir=world.dir, sink=sink.port, extra=f"pagerduty_webhook: {{secret: {SECRET}}}")),
            port, extra=("--self-scrape", "off")).start()
        began = time.time()
        write(port, 90, cluster="a")
        hot = wait_for("the page", lambda: (found := explained(port, "Hot")) and found["paged"] and found)
        for event in ("fired", "routed", "queued", "attempted", "delivered"):
            assert event in events(hot), (event, events(hot))
        out = cli(port, "explain", "Hot", "cluster=a")
        assert "Paged: told pager (webhook)" in out and hot["fingerprint"] in out, out
        assert "Paged" in cli(port, "explain", hot["fingerprint"])
        assert "nobody has told nobody" in cli(port, "explain", "Warm")
        assert "its condition has no result" in cli(port, "explain", "Never", status=1)
        assert "did you mean Hot" in cli(port, "explain", "Hoot", status=1)
        cli(port, "explain", status=2)

        # Acknowledged at the pager.
        event = {"event": {"event_type": "incident.acknowledged", "occurred_at": "2026-01-01T00:00:00Z",
                           "agent": {"summary": "Ann"}, "data": {"incident_key": hot["dedup_key"], "html_url": "https://pd/1"}}}
        event["event"]["occurred_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body = json.dumps(event).encode()
        signature = "v1=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert post(port, "/api/v1/webhooks/pagerduty", body, {"X-PagerDuty-Signature": signature})[0] == 200
        assert post(port, "/api/v1/webhooks/pagerduty", body, {"X-PagerDuty-Signature": "v1=00"})[0] == 401
        assert post(port, "/api/v1/webhooks/pagerduty", body)[0] == 401
        assert SECRET not in json.dumps(get_json(port, "/api/v2/status"))
        assert SECRET not in json.dumps(get_json(port, "/api/v1/status/config"))
        wait_for("the acknowledgement", lambda: "acknowledged" in events(explained(port, "Hot")))

        # Silenced, by whom.
        cli(port, "silence", "add", "cluster=b", "--comment", "disk swap", "--author", "bob")
        write(port, 90, cluster="b")
        wait_for("the silence to hold it", lambda: any(
            "silenced" in events(a) for a in get_json(port, "/api/v1/explain?alert=Hot")["data"]["alerts"]))
        out = cli(port, "explain", "Hot", "cluster=b")
        assert "Not paged: silenced until" in out and "by bob: disk swap" in out, out

        # The end, a kill and a restart: the feed reaches back over it.
        write(port, 20, cluster="a")
        wait_for("the end", lambda: "resolved" in events(next(
            a for a in get_json(port, "/api/v1/explain?alert=Hot")["data"]["alerts"] if a["labels"]["cluster"] == "a")))
        belfry.kill()
        belfry.start()
        quality = get_json(port, "/api/v1/quality")["data"]
        row = next(r for r in quality["rules"] if r["rule"] == "Hot")
        assert (row["team"], row["fired"], row["rang"], row["silenced"], row["acknowledged"]) == ("ops", 2, 1, 1, 1), row
        assert row["auto_resolved_5m"] == 1 and row["never_acknowledged"] == 0, row
        assert "Hot" in cli(port, "quality", "--last", "1h")
        assert "ops" in cli(port, "quality", "--by", "team")

        now = int(time.time() * 1000) + 1000
        feed = get_json(port, f"/api/v1/annotations?from={int(began * 1000) - 5000}&to={now}")
        tags = [a["tags"][0] for a in feed]
        assert tags.count("restart") == 2 and "silence" in tags, tags
        hots = {a["labels"]["cluster"]: a for a in feed if a["title"] == "Hot"}
        assert hots["b"]["open"] and not hots["a"]["open"] and "too hot" in hots["a"]["text"]
        only = get_json(port, f"/api/v1/annotations?from={int(began * 1000)}&to={now}&severity=critical&match[]=%7Bcluster%3D%22a%22%7D")
        assert [a["title"] for a in only] == ["Hot"], only

        # It agrees with the ALERTS series.
        begin, end = hots["a"]["time"], hots["a"]["timeEnd"]
        alerts = 'ALERTS{alertname="Hot",alertstate="firing",cluster="a"}'
        assert query(port, alerts, begin / 1000), "the series begins where the region does"
        assert not query(port, alerts, (begin - 1) / 1000)
        assert query(port, alerts, (end - 1) / 1000) and not query(port, alerts, end / 1000), "and ends there"

        # Grafana's data sources.
        span = {"from": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(began - 5)),
                "to": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 2))}
        status, answer = post(port, "/annotations", {"range": span, "annotation": {"name": "x", "query": '{cluster="a"} #alert'}})
        simple = json.loads(answer)
        assert status == 200 and {a["annotation"]["name"] for a in simple} == {"x"}, answer
        assert {a["title"] for a in simple} == {"Hot", "Warm"} and all(a["isRegion"] and a["timeEnd"] > a["time"] for a in simple)
        assert "annotations" in json.loads(post(port, "/search", {"target": ""})[1])
        status, answer = post(port, "/query", {"range": span, "targets": [
            {"refId": "A", "target": "alert", "payload": {"query": '{cluster="a",alertname="Hot"}'}}]})
        table = json.loads(answer)[0]
        assert [c["text"] for c in table["columns"]] == ["time", "timeEnd", "title", "text", "tags", "id"]
        assert [row[2] for row in table["rows"]] == ["Hot"], table
        influx = call(port, "POST", "/query", "q=CREATE+DATABASE+x", {"Content-Type": "application/x-www-form-urlencoded"})
        assert json.loads(influx[2])["results"], "InfluxDB's clients have their answer on the same path"
        assert post(port, "/metrics", {})[0] == 200 and json.loads(post(port, "/metric-payload-options", {})[1]) == []
        assert {"type": "string", "text": "cluster"} in json.loads(post(port, "/tag-keys", {})[1])
        assert {"text": "a"} in json.loads(post(port, "/tag-values", {"key": "cluster"})[1])
        assert post(port, "/annotations", b"{")[0] == 400
        assert call(port, "GET", "/api/v1/annotations?from=x")[0] == 400
        assert call(port, "GET", "/")[0] == 200
    sink.close()


SHARED = """
route: {{receiver: pager, group_by: [alertname], group_wait: 1s, group_interval: 1s, routes: [{{matchers: [severity="info"], receiver: chat}}]}}
receivers:
- name: pager
  webhook_configs: [{{url: "http://127.0.0.1:{sink}/", send_resolved: true}}, {{url: "http://127.0.0.1:{belfry}/api/v1/shadow/alertmanager"}}]
- name: chat
  webhook_configs: [{{url: "http://127.0.0.1:{belfry}/api/v1/shadow/alertmanager"}}]
"""


def send_both(ports, name, firing, **labels):
    now = time.time()
    alert = {"labels": {"alertname": name, **labels}, "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 2))}
    end = now + 300 if firing else now
    alert["endsAt"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    for port in ports:
        status, answer = post(port, "/api/v2/alerts", [alert])
        assert status == 200, answer


def shadow_mode_is_compared_with_a_real_alertmanager():
    need("prometheus-alertmanager")
    sink = Listener(status=200, answer=b"ok")
    with World() as world:
        port, am_port = free_port(), free_port()
        shared = world.write("alertmanager.yml", SHARED.format(sink=sink.port, belfry=port))
        config = "rules: []\nnotify: {config: alertmanager.yml, shadow: true}\n"
        world.belfry(world.write("belfry.yml", config), port, extra=("--self-scrape", "off", "--rules", "none")).start()
        world.add("alertmanager", ["prometheus-alertmanager", "--config.file=" + shared,
                                   "--storage.path=" + world.path("am"), "--cluster.listen-address=",
                                   f"--web.listen-address=127.0.0.1:{am_port}"], am_port, "/-/ready").start()
        both = (port, am_port)
        send_both(both, "Both", True, severity="critical")
        send_both(both, "Chat", True, severity="info")

        def diff(status=None):
            got = get_json(port, "/api/v1/shadow/diff?within=3s&all=true")["data"]
            return got if status is None or status(got) else None

        wait_for("both to be told by both", lambda: diff(lambda d: d["both"] == 2))
        send_both(both, "Both", False, severity="critical")
        wait_for("its end", lambda: diff(lambda d: d["both"] == 3))
        # One that only Belfry keeps quiet, one that only Belfry has.
        cli(port, "silence", "add", "alertname=Quiet", "--comment", "why not", "--author", "bob")
        send_both(both, "Quiet", True)
        send_both((port,), "Ours", True)
        found = wait_for("the differences", lambda: diff(
            lambda d: d["only_alertmanager"] == 1 and d["only_belfry"] == 1), 30)
        theirs = next(r for r in found["rows"] if r["side"] == "only_alertmanager")
        ours = next(r for r in found["rows"] if r["side"] == "only_belfry")
        assert theirs["labels"]["alertname"] == "Quiet" and "silenced" in theirs["why"], theirs
        assert ours["labels"]["alertname"] == "Ours" and ours["receiver"] == "pager", ours
        out = cli(port, "shadow", "diff", "--within", "3s", status=3)
        assert "only Alertmanager" in out and "by bob: why not" in out and "3 told by both" in out, out
        shadowed = explained(port, "Both")
        assert not shadowed["paged"] and "in shadow mode; it would have been told to pager (webhook)" in shadowed["verdict"]
        agents = {headers.get("User-Agent", "") for _, headers, _ in sink.events}
        assert not any("Belfry" in agent for agent in agents), f"shadow mode sent something: {agents}"
        assert post(port, "/api/v1/shadow/alertmanager", b"[]")[0] == 400
    sink.close()


if __name__ == "__main__":
    sys.exit(run_cases([pages_are_explained_counted_and_drawn, shadow_mode_is_compared_with_a_real_alertmanager]))
