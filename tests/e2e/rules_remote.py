"""Rules over somebody else's data: a real Prometheus and a real VictoriaMetrics are asked, and get results and ALERTS back by remote
write. The same rules, the same states, also over kill -9."""

import sys
import time

from harness import Listener, World, free_port, get_json, need, query, remote_write, run_cases, wait_for

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


if __name__ == "__main__":
    sys.exit(run_cases([rules_on_prometheus, rules_on_victoria_metrics]))
