"""A test cluster never pages from its first minute: it says so itself, by an external label or by a metric, and nobody has
to create a silence first. The rules aggregate, so that the alert does not even carry the label."""

import json
import subprocess
import sys
import threading
import time

from harness import BELFRY, Listener, World, call, free_port, get_json, remote_write, run_cases, wait_for

CONFIG = """
global: {{evaluation_interval: 1s}}
rules: [{{files: "{dir}/rules/*.yml"}}]
notify:
  route: {{receiver: pager, group_by: [cluster], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
  receivers: [{{name: pager, pagerduty_configs: [{{routing_key: key, url: "http://127.0.0.1:{pager}/v2/enqueue"}}]}}]
"""

RULES = """
groups: [{name: g, interval: 1s, rules: [{alert: Broken, expr: "sum by (cluster) (broken) > 0", labels: {severity: critical}}]}]
"""


def start(world, pager, more=""):
    port = free_port()
    world.write("rules/r.yml", RULES)
    config = world.write("belfry.yml", CONFIG.format(dir=world.dir, pager=pager.port) + more)
    return port, world.belfry(config, port, extra=("--self-scrape", "off")).start()


def write(port, cluster, value, with_up=True, **labels):
    now = int(time.time() * 1000)
    series = [({"__name__": "broken", "cluster": cluster, "part": "a", **labels}, [(now, value)])]
    if with_up:
        series.append(({"__name__": "up", "cluster": cluster, "job": "j", **labels}, [(now, 1.0)]))
    assert remote_write(port, series)[0] // 100 == 2


def pages(pager):
    return {event["payload"]["summary"] for event in pager.bodies() if event["event_action"] == "trigger"}


def paged(pager, cluster):
    return any(cluster in str(event) for event in pager.bodies())


def flags(port):
    return {m: f for f in get_json(port, "/api/v1/maintenance")["data"] for m in f["matchers"]}


def an_external_label_keeps_a_cluster_quiet():
    pager = Listener()
    with World() as world:
        port, belfry = start(world, pager, "  flag_label: {below_critical: 'alerting=\"some\"'}\n")
        write(port, "test-1", 1.0, alerting="off")
        write(port, "test-2", 1.0, with_up=False, alerting="off")
        write(port, "test-3", 1.0, alerting="some")
        write(port, "prod-1", 1.0)
        wait_for("the page of the real cluster", lambda: paged(pager, "prod-1"))
        wait_for("a critical alert's page", lambda: paged(pager, "test-3"))
        assert wait_for("its flag", lambda: flags(port).get('cluster="test-3"'))["mode"] == "below_critical"
        wait_for("both flags", lambda: {'cluster="test-1"', 'cluster="test-2"'} <= set(flags(port)))
        flag = flags(port)['cluster="test-1"']
        assert flag["origin"] == "label" and flag["owner"] and flag["reason"] and flag["review_at"], flag
        belfry.kill()
        belfry.start()
        time.sleep(3)
        assert not paged(pager, "test-1") and not paged(pager, "test-2"), pages(pager)
        states = {a["labels"]["cluster"]: a["status"]["state"] for a in get_json(port, "/api/v2/alerts")}
        assert states["test-1"] == "suppressed" and states["prod-1"] == "active", states
        assert call(port, "DELETE", "/api/v1/maintenance/" + flag["id"])[0] == 409
    pager.close()


def no_cluster_pages_whenever_it_comes():
    """Also those whose first data comes between a look for flags and the evaluation that sees it."""
    pager = Listener()
    with World() as world:
        port, _ = start(world, pager)
        write(port, "prod-1", 1.0)
        end = time.monotonic() + 3

        def come(writer):
            count = 0
            while time.monotonic() < end:
                count += 1
                write(port, f"test-{writer}-{count}", 1.0, with_up=bool(count % 2), alerting="off")

        writers = [threading.Thread(target=come, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        wait_for("the page of the real cluster", lambda: paged(pager, "prod-1"))
        wait_for("the last flags", lambda: len(flags(port)) == len({a["labels"]["cluster"] for a in get_json(port, "/api/v2/alerts")}) - 1)
        assert pages(pager) == {"Broken on prod-1"}, pages(pager)
    pager.close()


def one_series_with_the_label_flags_no_cluster():
    pager = Listener()
    with World() as world:
        port, _ = start(world, pager)
        now = int(time.time() * 1000)
        remote_write(port, [({"__name__": "app", "cluster": "prod-2", "alerting": "off"}, [(now, 1.0)])] +
                     [({"__name__": "up", "cluster": "prod-2", "job": "j"}, [(now, 1.0)])])
        write(port, "prod-2", 1.0)
        wait_for("the page", lambda: paged(pager, "prod-2"))
        assert 'cluster="prod-2"' not in flags(port), flags(port)
    pager.close()


def a_metric_sets_a_flag_and_ends_it():
    pager = Listener()
    with World() as world:
        port, _ = start(world, pager)

        def say(value):
            now = int(time.time() * 1000)
            labels = {"__name__": "belfry_maintenance", "cluster": "c-3", "job": "cron", "reason": "upgrade", "owner": "ops"}
            assert remote_write(port, [(labels, [(now, value)])])[0] // 100 == 2

        say(1.0)
        write(port, "c-3", 1.0)
        flag = wait_for("the flag", lambda: flags(port).get('cluster="c-3"'))
        assert (flag["origin"], flag["reason"], flag["owner"]) == ("metric", "upgrade", "ops"), flag
        time.sleep(2)
        assert not paged(pager, "c-3")
        time.sleep(0.01)
        say(0.0)
        write(port, "c-3", 1.0)
        wait_for("its end", lambda: 'cluster="c-3"' not in flags(port))
        wait_for("what still burns rings then", lambda: paged(pager, "c-3"))
    pager.close()


def who_did_it_is_kept():
    """By the commands: set by one, ended by another; each change has its author in the audit trail."""
    with World() as world:
        port = free_port()
        world.belfry(world.write("belfry.yml", "{}\n"), port, extra=("--self-scrape", "off", "--rules", "none")).start()

        def belfry(*words):
            command = [BELFRY, *words, "--url", f"http://127.0.0.1:{port}"]
            return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

        silence = belfry("silence", "add", "alertname=X", "--comment", "c", "--author", "lee").strip()
        belfry("silence", "expire", silence, "--author", "kim")
        belfry("maintenance", "on", "cluster=a", "--for", "1h", "--reason", "r", "--owner", "db", "--author", "lee")
        belfry("maintenance", "off", "cluster=a", "--author", "kim")
        rows = [json.loads(line) for line in belfry("audit").splitlines()]
        told = [(row["action"], row["actor"], row["claimed"]) for row in rows if row["actor"] != "belfry"]
        assert told == [("silence.create", "lee", True), ("silence.expire", "kim", True),
                        ("maintenance.set", "lee", True), ("maintenance.clear", "kim", True)], told
        belfry("maintenance", "on", "cluster=b", "--until", "2035-01-31", "--reason", "r", "--review", "2034-01-31 18:30")
        flag = json.loads(belfry("maintenance", "list", "--json"))[0]
        assert (flag["ends_at"][:7], flag["review_at"][14:19]) == ("2035-01", "30:00"), flag
        for wrong in ("2035-02-30", "2035-01-31 25:00", "2035-01-31x", "tomorrow"):
            done = subprocess.run([BELFRY, "maintenance", "on", "a=b", "--until", wrong, "--reason", "r", "--url",
                                   f"http://127.0.0.1:{port}"], capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 1 and wrong in done.stderr, (wrong, done)


def a_proxy_names_the_actor_and_nobody_overwrites_what_he_has_not_read():
    """The header of a trusted proxy is who did it; an edit of a version that is not the last is refused."""
    with World() as world:
        port = free_port()
        config = world.write("belfry.yml", "web: {actor_header: X-User, trusted_proxies: [127.0.0.1]}\n")
        world.belfry(config, port, extra=("--self-scrape", "off", "--rules", "none")).start()
        body = {"matchers": [{"name": "a", "value": "b", "isRegex": False}], "startsAt": "0001-01-01T00:00:00Z",
                "endsAt": "2099-01-01T00:00:00Z", "createdBy": "eve", "comment": "c"}

        def post(path, body, **headers):
            headers = {"Content-Type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
            status, _, answer = call(port, "POST", path, json.dumps(body), headers)
            return status, json.loads(answer or b"null")

        silence = post("/api/v2/silences", body, X_User="ann")[1]["silenceID"]
        post("/api/v2/silences", body)
        rows = [json.loads(line) for line in call(port, "GET", "/api/v1/audit?action=silence.")[2].splitlines()]
        told = sorted((row["actor"], row["claimed"]) for row in rows)
        assert told == [("ann", False), ("eve", True)], told

        post("/api/v2/alerts", [{"labels": {"alertname": "Mine"}}])
        orders = [("/-/reload", "server.reload"), ("/api/v1/admin/tsdb/delete_series?match[]=gone", "store.delete_series"),
                  ("/api/v1/admin/tsdb/clean_tombstones", "store.clean_tombstones"),
                  ("/api/v1/admin/tsdb/snapshot", "store.snapshot"), ("/api/v1/admin/flush", "store.flush"),
                  ("/api/v1/admin/compact", "store.compact"), ("/api/v1/notifications/acknowledge", "alert.acknowledge")]
        for path, action in orders:
            order = json.dumps({"labels": {"alertname": "Mine"}}) if "acknowledge" in path else None
            status = call(port, "POST", path, order, {"X-User": "joe", "Content-Type": "application/json"})[0]
            row = json.loads(call(port, "GET", "/api/v1/audit?action=" + action)[2].splitlines()[-1])
            assert status // 100 == 2 and (row["actor"], row["claimed"], row["address"]) == ("joe", False, "127.0.0.1"), row

        flag = post("/api/v1/maintenance", {"matchers": ["c=d"], "owner": "o", "reason": "r", "ends_at": body["endsAt"]})[1]
        flag = flag.get("data", flag)["id"]
        things = [("/api/v2/silence/" + silence, "/api/v2/silences", {**body, "id": silence}),
                  ("/api/v1/maintenance/" + flag, "/api/v1/maintenance",
                   {"id": flag, "matchers": ["c=d"], "owner": "o", "reason": "r2", "ends_at": body["endsAt"]})]
        for one, path, edit in things:
            status, headers, answer = call(port, "GET", one)
            tag = headers["ETag"]
            assert status == 200 and tag, (one, status, headers)
            if "silence" in one:
                edit["startsAt"] = json.loads(answer)["startsAt"]
            assert post(path, edit, If_Match=tag)[0] == 200, "the version he has read"
            for old in (tag, '"1"', "W/" + tag, "nonsense"):
                assert post(path, edit, If_Match=old)[0] == 412, (one, old)
            new = call(port, "GET", one)[1]["ETag"]
            assert new != tag
            assert post(path, edit, If_Match="W/" + new[:-1] + '-gzip"')[0] == 200, "as a proxy passes it on"
            assert post(path, edit, If_Match="*")[0] == 200 and post(path, edit)[0] == 200


if __name__ == "__main__":
    sys.exit(run_cases([an_external_label_keeps_a_cluster_quiet, no_cluster_pages_whenever_it_comes,
                        one_series_with_the_label_flags_no_cluster,
                        a_metric_sets_a_flag_and_ends_it, who_did_it_is_kept,
                        a_proxy_names_the_actor_and_nobody_overwrites_what_he_has_not_read]))
