"""Belfry in front of a real Alertmanager: alerts that arrive there, their lease, their end, what is silenced here, and
what another Alertmanager that was away gets when it is back."""

import json
import sys
import time

from harness import World, call, free_port, get_json, need, run_cases, wait_for

CONFIG = """
global: {{evaluation_interval: 1s}}
rules: []
notify:
  route:
    receiver: am
    routes: [{{matchers: [team="all"], receiver: everything}}]
  receivers:
    - name: am
      alertmanager_configs: [{{static_configs: [{{targets: ["127.0.0.1:{first}", "127.0.0.1:{second}"]}}]}}]
    - name: everything
      alertmanager_configs: [{{url: "http://127.0.0.1:{first}", forward: all}}]
"""

ALERTMANAGER = "route: {receiver: none, group_wait: 1s}\nreceivers: [{name: none}]\n"


def start_alertmanager(world, name, port):
    config = world.write(f"{name}.yml", ALERTMANAGER)
    return world.add(name, ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={world.path(name)}",
                            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="], port, "/-/ready")


def post(port, firing, **labels):
    now = time.time()

    def stamp(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + seconds))

    body = [{"labels": labels, "annotations": {"summary": "it burns"}, "startsAt": stamp(-5),
             "endsAt": stamp(600 if firing else -1)}]
    status, _, answer = call(port, "POST", "/api/v2/alerts", json.dumps(body), {"Content-Type": "application/json"})
    assert status == 200, answer


def names(port):
    """alertname, with a ! where it is marked as suppressed."""
    return sorted(alert["labels"]["alertname"] + ("!" if alert["labels"].get("belfry_suppressed") else "")
                  for alert in get_json(port, "/api/v2/alerts"))


def alerts_reach_a_real_alertmanager():
    need("prometheus-alertmanager")
    with World() as world:
        port, first, second = free_port(), free_port(), free_port()
        start_alertmanager(world, "first", first).start()
        other = start_alertmanager(world, "second", second)
        config = world.write("belfry.yml", CONFIG.format(first=first, second=second))
        world.belfry(config, port, extra=("--rules", "none", "--self-scrape", "off")).start()

        post(port, True, alertname="Burns", severity="critical")
        wait_for("the alert at the first", lambda: names(first) == ["Burns"])
        alert = get_json(first, "/api/v2/alerts")[0]
        assert alert["annotations"] == {"summary": "it burns"}, alert
        lease = time.mktime(time.strptime(alert["endsAt"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - time.time()
        assert 200 < lease < 260, f"a lease of four minutes, not {lease} s"

        other.start()
        wait_for("the one that was away to have it, too", lambda: names(second) == ["Burns"], 90)
        post(port, False, alertname="Burns", severity="critical")
        wait_for("the end at both", lambda: names(first) == [] and names(second) == [])

        silence = {"matchers": [{"name": "alertname", "value": "Quiet.*", "isRegex": True}], "createdBy": "me",
                   "comment": "work", "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z"}
        status, _, body = call(port, "POST", "/api/v2/silences", json.dumps(silence), {"Content-Type": "application/json"})
        assert status == 200, body
        post(port, True, alertname="Quiet")
        post(port, True, alertname="QuietButTold", team="all")
        wait_for("what is told all the same, marked", lambda: names(first) == ["QuietButTold!"])
        call(port, "DELETE", "/api/v2/silence/" + json.loads(body)["silenceID"])
        wait_for("both, unmarked", lambda: names(first) == ["Quiet", "QuietButTold"])


if __name__ == "__main__":
    sys.exit(run_cases([alerts_reach_a_real_alertmanager]))
