"""`belfry replay` and `belfry convert` as people call them, and taking a Prometheus' pending alerts over."""

import json
import os
import subprocess
import sys
import time

from harness import BELFRY, Listener, World, call, free_port, get_json, need, query, remote_write, run_cases, wait_for

CONFIG = "global: {{evaluation_interval: 1s}}\nrules: [{{files: \"{dir}/rules/*.yml\"}}]\n"


def run(world, *words, want=0, env=None, stdin=None):
    """A command's standard output; its exit status has to be as wanted."""
    done = subprocess.run([BELFRY, *words], capture_output=True, text=True, timeout=60, cwd=world.dir, check=False, input=stdin,
                          env={**os.environ, **(env or {})})
    assert done.returncode == want, f"belfry {' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout if want == 0 else done.stdout + done.stderr


# ---- replay ----

RULES = """
groups:
- name: g
  rules:
  - {record: 'load:twice', expr: load * 2}
  - {alert: Busy, expr: load > 0.8, for: 2m, labels: {severity: warning}, annotations: {summary: 'at {{ $value }}'}}
  - {alert: Never, expr: gone > 1}
"""
MINUTE = 60_000


def a_day(start_ms):
    """Load in minutes: busy for 20 of every 120, at 0.9; for three minutes of each pause at 0.75."""
    def value(minute):
        at = minute % 120
        return 0.9 if at < 20 else 0.75 if 60 <= at < 63 else 0.1
    return [({"__name__": "load", "instance": "i", "cluster": "c"},
             [(start_ms + minute * MINUTE, value(minute)) for minute in range(24 * 60)])]


def replays_history_from_a_server_and_from_a_folder():
    with World() as world:
        port = free_port()
        rules = world.write("new.yml", RULES)
        belfry = world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir)), port,
                              extra=("--self-scrape", "off")).start()
        start = (int(time.time()) // 7200 * 7200 - 30 * 3600) * 1000
        assert remote_write(port, a_day(start))[0] // 100 == 2
        period = ("--from", str(start // 1000), "--to", str(start // 1000 + 24 * 3600))
        url = f"http://127.0.0.1:{port}"

        report = json.loads(run(world, "replay", rules, *period, "--against", url, "--format", "json", "--rule", "Busy",
                                "--set", "for=30m", "--set", "threshold=0.7,for=1m", "--html", world.path("page.html")))
        told = {each["name"]: [alert["rang"] for alert in each["alerts"]] for each in report["runs"]}
        assert told == {"as written": [12], "for=30m": [0], "threshold=0.7,for=1m": [24]}, told
        page = open(world.path("page.html"), encoding="utf-8").read()
        assert page.lstrip().lower().startswith("<!doctype html") and "Busy" in page and "<svg" in page
        text = run(world, "replay", rules, *period, env={"BELFRY_URL": url})
        assert "Busy (warning)" in text and "Never: matched no series: gone" in text, text
        swept = run(world, "replay", rules, *period, "--rule", "Busy", "--sweep", "0.7:0.9:0.1", "--against", url)
        assert all(threshold in swept for threshold in ("0.7", "0.8", "0.9")), swept
        assert run(world, "replay", rules, *period, "--against", url, "--format", "html").lstrip().lower().startswith("<!doctype")

        # What recordings give is written back, at the times of their evaluations.
        run(world, "replay", rules, *period, "--against", url, "--write", "--output", world.path("report.txt"))
        assert "samples of recording rules were written" in open(world.path("report.txt"), encoding="utf-8").read()
        assert query(port, "count_over_time(load:twice[1d])", start // 1000 + 24 * 3600)[0][1] >= 24 * 60 - 5
        assert not query(port, "count_over_time(ALERTS[2d])"), "alerts are told, not written"
        refuses = Listener(400, b"out of order")
        told = run(world, "replay", rules, *period, "--against", url, "--write-to", f"http://127.0.0.1:{refuses.port}", want=1)
        assert "recordings not written" in told and "status 400: out of order" in told, told
        refuses.close()

        slow = world.write("slow.yml", "global: {evaluation_interval: 10m}\n"
                           f"rules: [{{files: \"{rules}\"}}]\n")
        report = json.loads(run(world, "replay", "--config", slow, *period, "--against", url, "--format", "json"))
        assert report["evaluations"] < 600, report["evaluations"]
        beside = json.loads(run(world, "replay", slow, rules, *period, "--against", url, "--format", "json"))
        assert beside["evaluations"] == report["evaluations"], "a belfry.yml among the rules gives the interval"
        day = time.strftime("%Y-%m-%d", time.gmtime(start // 1000))
        berlin = json.loads(run(world, "replay", rules, "--from", day, "--to", day + " 06:30", "--timezone", "Europe/Berlin",
                                "--against", url, "--format", "json"))
        assert (berlin["from"][11:16], berlin["to"][11:16]) in (("23:00", "05:30"), ("22:00", "04:30")), berlin["from"]
        for words, complaint in (((rules,), "--from"), ((rules, "--from", "2026-02-30"), "--from"), ((rules, *period, "--sweep", "1:2"), "--sweep"),
                                 ((rules, *period, "--rule", "Bsy"), 'did you mean "Busy"'),
                                 ((rules, "--from", "-1h", "--to", "-2h"), "not before")):
            told = subprocess.run([BELFRY, "replay", *words, "--against", url], capture_output=True, text=True, check=False)
            assert told.returncode != 0 and complaint in told.stderr, (words, told.stderr)

        # The folder, once no server has it open.
        assert "another process has this directory" in run(world, "replay", rules, *period, "--against", world.path("data"), want=1)
        belfry.stop()
        offline = json.loads(run(world, "replay", rules, *period, "--against", world.path("data"), "--format", "json"))
        told = [(alert["alert"], alert["rang"]) for alert in offline["runs"][0]["alerts"]]
        assert told == [("Busy", 12), ("Never", 0), ("TelemetryLost", 0)], told


# ---- check ----

CHECKED = """
groups:
- name: g
  rules:
  - {alert: Short, expr: up == 0, for: 30s}
  - {alert: Gone, expr: gone > 1}
"""
PLACED = '''
groups:
- name: größe
  rules:
  - alert: A
    expr: |-
      up + (gone_a{x=~"gone_a"}
          * on(y) gone_a) > 1 # goner
  - alert: B
    expr: >
      up +
        gone_b > 1
  - {alert: "grö", expr: "up{job='ö'} + gone_c > 1"}
'''


def checks_files_together_with_their_configuration():
    with World() as world:
        rules = world.write("rules/a.yml", CHECKED)
        config = world.write("belfry.yml", CONFIG.format(dir=world.dir).replace("1s", "15s"))
        assert "`for` is shorter than the interval" in run(world, "check", "--lint", rules)
        told = run(world, "check", "--lint", config)
        assert "2 files checked: 0 errors, 0 findings" in told, told
        told = json.loads(run(world, "check", "--lint-fatal", "--format", "json", config, world.write("b.yml", CHECKED), want=3))
        assert [each["line"] for each in told["findings"]] == [5, 6], told
        assert f"is at {rules}:5" in told["findings"][0]["text"], told
        # Whoever cannot be asked has not said that nothing is there.
        closed = f"http://127.0.0.1:{free_port()}"
        assert "--against: " in run(world, "check", "--lint", "--against", closed, rules, want=1)
        belfry = world.belfry(config, free_port()).start()
        url = f"http://127.0.0.1:{belfry.port}"
        wait_for("its own samples", lambda: query(belfry.port, "up"))
        told = run(world, "check", "--lint", "--against", url, config)
        assert "nothing matches gone" in told and "nothing matches up" not in told, told
        # The place is the selector's, in every style of YAML.
        placed = world.write("placed.yml", PLACED)
        told = run(world, "check", "--lint", "--against", url, placed)
        for place in ("7:13", "8:19", "12:9", "13:27", "13:41"):
            assert f"{placed}:{place}: " in told, told
        assert told.count("nothing matches") == 5, told
        told = run(world, "check", world.write("prometheus.yml", PROMETHEUS), want=1)
        assert "`belfry convert" in told and "1 error" in told, told
        tests = world.write("tests.yml", f"rule_files: ['{rules}']\ntests:\n- interval: 1m\n  promql_expr_test:\n"
                            "  - {eval_time: 1m, expr: 'sum(up}', exp_samples: []}\n  - {eval_time: 1m, expr: up}\n")
        told = run(world, "check", tests, want=1)
        assert f"{tests}:5:27: " in told and "1 file checked: 1 error" in told, told
        tests = world.write("tests.yml", "rule_files: [bad.yml, gone.yml, 'none/*.yml']\ntests: []\n")
        world.write("bad.yml", CHECKED.replace("for: 30s", "fro: 30s"))
        told = run(world, "check", tests, want=1)
        assert "bad.yml:5:35: " in told and "gone.yml: no such file" in told and ": 2 errors" in told, told
        named = run(world, "check", "-", stdin=CHECKED.replace("expr: up == 0", "expr: 'rat(up)'"), want=1)
        assert '-:5:26: group "g", rule 1, "Short"' in named and 'did you mean "rate"?' in named, named


# ---- convert ----

PROMETHEUS = """
global: {scrape_interval: 20s, evaluation_interval: 5s, external_labels: {region: eu}}
rule_files: [rules/*.yml]
scrape_configs:
- {job_name: self, static_configs: [{targets: ["127.0.0.1:1"]}]}
- {job_name: pods, kubernetes_sd_configs: [{role: pod}]}
alerting: {alertmanagers: [{static_configs: [{targets: ["127.0.0.1:9"]}]}]}
"""


def converts_what_a_prometheus_and_a_vmalert_ran_with():
    with World() as world:
        world.write("rules/good.yml", "groups: [{name: g, rules: [{alert: Up, expr: vector(1)}]}]")
        source = world.write("prometheus.yml", PROMETHEUS)
        out = world.path("belfry.yml")
        told = subprocess.run([BELFRY, "convert", "--output", out, source], capture_output=True, text=True, check=False)
        assert told.returncode == 0 and "prometheus.yml:6:" in told.stderr and "kubernetes_sd_configs" in told.stderr, told.stderr
        run(world, "check", out)
        head = open(out, encoding="utf-8").read()
        assert "#   " in head and "kubernetes_sd_configs" in head, head
        port = free_port()
        world.belfry(out, port, extra=("--self-scrape", "off")).start()
        wait_for("the rules to be evaluated", lambda: query(port, 'ALERTS{alertname="Up",alertstate="firing"}'))
        group = get_json(port, "/api/v1/rules?rule_group=g")["data"]["groups"][0]
        assert group["interval"] == 5 and group["file"] == world.path("rules/good.yml"), group
        assert "exists" in run(world, "convert", "--output", out, source, want=1), "nothing is overwritten"

        flags = run(world, "convert", "prometheus", f"--config.file={source}", "--storage.tsdb.retention.time=90d",
                    "--web.listen-address=:9999")
        assert "90d" in flags and "9999" in flags and "--listen 127.0.0.1:8119" in flags, flags
        world.write("am.yml", "{route: {receiver: none}, receivers: [{name: none}]}")
        moved = subprocess.run([BELFRY, "convert", "--notify", "am.yml", source], capture_output=True, text=True, check=False, cwd=world.dir)
        assert f"config: {os.path.realpath(world.path('am.yml'))}" in moved.stdout, "belfry.yml may be put anywhere"
        vmalert = run(world, "convert", "/usr/bin/vmalert", f"-rule={world.path('rules')}/*.yml",
                      "-datasource.url=http://127.0.0.1:2/", "-notifier.url=http://127.0.0.1:3", "-evaluationInterval=10s")
        assert "flavour: vmalert" in vmalert and "http://127.0.0.1:2" in vmalert and "127.0.0.1:3" in vmalert, vmalert
        run(world, "check", world.write("from-vmalert.yml", vmalert))
        world.write("rules/bad.yml", "groups: [{name: b, rules: [{alert: A, exp: up}]}]")
        told = subprocess.run([BELFRY, "convert", source], capture_output=True, text=True, check=False)
        assert told.returncode == 0 and "field exp not found" in told.stderr and "bad.yml" in told.stdout, told.stderr
        assert "no such file" in run(world, "convert", world.path("missing.yml"), want=1).lower()


# ---- taking over ----

WAITS = """
groups:
- name: g
  rules:
  - {alert: Waits, expr: x > 0, for: 20m, labels: {severity: warning}, annotations: {summary: waits}}
"""


def since_when(port, rule="Waits"):
    for alert in get_json(port, "/api/v1/alerts")["data"]["alerts"]:
        if alert["labels"]["alertname"] == rule:
            return alert["state"], time.mktime(time.strptime(alert["activeAt"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    return None


def pending_alerts_of_a_prometheus_go_on_here():
    """By remote write, into a Belfry that gets its first rules only afterwards."""
    need("prometheus")
    with World() as world:
        port, other_port = free_port(), free_port()
        os.makedirs(world.path("rules"))
        belfry = world.belfry(world.write("belfry.yml", CONFIG.format(dir=world.dir)), port,
                              extra=("--self-scrape", "off")).start()
        world.write("prometheus.yml", f"""
global: {{evaluation_interval: 1s, scrape_interval: 1h}}
rule_files: [{world.write("other/waits.yml", WAITS)}]
remote_write: [{{url: "http://127.0.0.1:{port}/api/v1/write", queue_config: {{batch_send_deadline: 200ms}}}}]
""")
        other = world.add("prometheus", [
            "prometheus", f"--config.file={world.path('prometheus.yml')}", f"--storage.tsdb.path={world.path('tsdb')}",
            f"--web.listen-address=127.0.0.1:{other_port}", "--web.enable-remote-write-receiver"], other_port, "/-/ready").start()

        def feed():
            remote_write(other_port, [({"__name__": "x", "cluster": "c"}, [(int(time.time() * 1000), 1)])])
            return query(port, "ALERTS_FOR_STATE")
        wait_for("the alert's state to arrive", feed)
        before = since_when(other_port)
        assert before and before[0] == "pending", before
        wait_for("five seconds of waiting there", lambda: feed() and time.time() > before[1] + 5)
        other.kill()
        killed = time.time()

        world.write("rules/waits.yml", WAITS)
        assert call(port, "POST", "/-/reload")[0] == 200
        after = wait_for("the alert here", lambda: feed_belfry(port) and since_when(port))
        # What nobody saw does not count, as in Prometheus; what was waited there does.
        assert after[0] == "pending" and before[1] <= after[1] <= before[1] + (time.time() - killed) + 3, (before, after)
        assert after[1] < killed - 2, "not since the first evaluation here"
        belfry.kill()
        belfry.start()
        assert since_when(port) == after, "and it stays so"


def feed_belfry(port):
    return remote_write(port, [({"__name__": "x", "cluster": "c"}, [(int(time.time() * 1000), 1)])])[0] // 100 == 2


if __name__ == "__main__":
    sys.exit(run_cases([replays_history_from_a_server_and_from_a_folder, checks_files_together_with_their_configuration,
                        converts_what_a_prometheus_and_a_vmalert_ran_with,
                        pending_alerts_of_a_prometheus_go_on_here]))
