"""Belfry as other programs' Alertmanager: every subcommand of Debian's amtool, and a real Prometheus that sends its alerts."""

import json
import os
import subprocess
import sys
import time

from harness import World, call, free_port, get_json, need, run_cases, wait_for

CONFIG = """
global: {evaluation_interval: 1s}
rules: []
notify:
  route:
    receiver: everyone
    routes: [{matchers: [severity="critical"], receiver: pager}]
  receivers: [{name: everyone}, {name: pager}]
"""


class Amtool:
    def __init__(self, port):
        self.base = ["amtool", f"--alertmanager.url=http://127.0.0.1:{port}"]

    def __call__(self, *words, fails=False, stdin=None):
        done = subprocess.run([*self.base, *words], capture_output=True, text=True, timeout=30, check=False,
                              input=stdin)
        assert (done.returncode != 0) == fails, f"amtool {words}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout.strip()

    def json(self, *words):
        return json.loads(self(*words, "-o", "json"))


def start(world, port):
    return world.belfry(world.write("belfry.yml", CONFIG), port, extra=("--rules", "none", "--self-scrape", "off")).start()


def silences(amtool):
    first = amtool("silence", "add", "alertname=A", "cluster=~c.*", "-c", "because", "-a", "me", "-d", "1h")
    second = amtool("silence", "add", 'team!="x"', "b=1", "-c", "why", "-a", "you")
    assert {s["id"] for s in amtool.json("silence", "query")} == {first, second}
    assert [s["id"] for s in amtool.json("silence", "query", "alertname=A")] == [first]
    assert [s["id"] for s in amtool.json("silence", "query", "--created-by", "you")] == [second]
    assert amtool.json("silence", "query", "--within", "2h"), "ends within two hours"
    assert amtool("silence", "query", "-q", "alertname=A") == first
    amtool("silence", "update", first, "-d", "5h", "-c", "longer")
    assert [s["id"] for s in amtool.json("silence", "query", "alertname=A")] == [first], "an edit of end and comment keeps the id"
    assert amtool.json("silence", "query", "alertname=A")[0]["comment"] == "longer"
    amtool("silence", "expire", second)
    assert [s["id"] for s in amtool.json("silence", "query", "--expired")] == [second]
    exported = amtool("silence", "query", "-o", "json")
    amtool("silence", "expire", first)
    assert amtool.json("silence", "query") == []
    amtool("silence", "import", stdin=exported)
    assert len(amtool.json("silence", "query")) == 1
    amtool("silence", "expire", "00000000-0000-0000-0000-000000000000", fails=True)
    amtool("silence", "add", "a=b", fails=True)  # no comment
    amtool("silence", "expire", amtool("silence", "query", "-q"))


def alerts(amtool):
    amtool("alert", "add", "Broken", "cluster=c1", "severity=critical", "--annotation=summary=hi")
    amtool("alert", "add", "alertname=Slow", "cluster=c1")
    names = sorted(a["labels"]["alertname"] for a in amtool.json("alert", "query"))
    assert names == ["Broken", "Slow"], names
    assert [a["labels"]["alertname"] for a in amtool.json("alert", "query", "--receiver=pager")] == ["Broken"]
    silence = amtool("silence", "add", "alertname=Slow", "-c", "x", "-a", "me")
    wait_for("the silence", lambda: len(amtool.json("alert", "query")) == 1)
    assert len(amtool.json("alert", "query", "-s")) == 1
    amtool("silence", "expire", silence)


def amtool_drives_belfry():
    need("amtool")
    with World() as world:
        port = free_port()
        start(world, port)
        amtool = Amtool(port)
        silences(amtool)
        alerts(amtool)
        assert "receiver: everyone" in amtool("config", "show")
        assert "pager" in amtool("config", "routes")
        assert amtool("config", "routes", "test", "severity=critical") == "pager"
        amtool("config", "routes", "test", "--verify.receivers=everyone", "severity=critical", fails=True)
        assert "disabled" in amtool("cluster", "show")
        metrics = call(port, "GET", "/metrics")[2].decode()
        assert "\nalertmanager_config_last_reload_successful 1\n" in metrics and "\nalertmanager_build_info{" in metrics


SECRET_CONFIG = """
notify:
  global: {smtp_smarthost: 'localhost:25', smtp_from: a@b, smtp_auth_password: hush, slack_api_url: 'https://hooks/hush'}
  route: {receiver: all, routes: [{matchers: [a="b", c=~"d|e"], receiver: all, group_by: ['...']}]}
  receivers:
    - name: all
      webhook_configs:
        - url: http://user:hush@host:8080/
        - {url: 'http://host/hush', http_config: {proxy_url: 'http://u:hush@p/', basic_auth: {username: u, password: hush}}}
      slack_configs: [{channel: '#a'}]
      email_configs: [{to: a@b}]
      pagerduty_configs: [{routing_key: hush}]
"""


def amtool_reads_a_configuration_whose_secrets_are_hidden():
    need("amtool")
    with World() as world:
        port = free_port()
        world.belfry(world.write("belfry.yml", SECRET_CONFIG), port, extra=("--rules", "none", "--self-scrape", "off")).start()
        original = get_json(port, "/api/v2/status")["config"]["original"]
        yaml = get_json(port, "/api/v1/status/config")["data"]["yaml"]
        assert "hush" not in original + yaml, original + yaml
        done = subprocess.run(["amtool", "check-config", world.write("original.yml", original)], capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert Amtool(port)("config", "routes", "test", "a=b", "c=d") == "all"


PROMETHEUS = """
global: {{evaluation_interval: 1s, scrape_interval: 1s}}
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{belfry}"]}}]}}]}}
rule_files: [sender.yml]
"""

SENDER_RULES = """
groups: [{name: g, interval: 1s, rules: [{alert: FromOutside, expr: "vector(1)", labels: {severity: critical}}]}]
"""


def prometheus_sends_its_alerts():
    need("prometheus")
    with World() as world:
        port, prometheus_port = free_port(), free_port()
        belfry = start(world, port)
        world.write("sender.yml", SENDER_RULES)
        prometheus = world.add("prometheus", [
            "prometheus", "--config.file=" + world.write("prometheus.yml", PROMETHEUS.format(belfry=port)),
            "--storage.tsdb.path=" + world.path("prometheus"), "--rules.alert.resend-delay=1s",
            f"--web.listen-address=127.0.0.1:{prometheus_port}"], prometheus_port, "/-/ready").start()

        def outside():
            return [a for a in get_json(port, "/api/v2/alerts") if a["labels"]["alertname"] == "FromOutside"]

        wait_for("the alert from outside", outside)
        prometheus.kill()
        belfry.kill()
        belfry.start()
        assert outside(), "forgotten by a kill -9, with its lease still running"
        wait_for("its lease to end", lambda: not outside(), 30)


def a_silence_answered_survives_kill_9():
    with World() as world:
        port = free_port()
        belfry = start(world, port)
        kept = []
        for number in range(12):
            body = json.dumps({
                "matchers": [{"name": "n", "value": str(number), "isRegex": False}], "comment": "c", "createdBy": "e2e",
                "startsAt": "0001-01-01T00:00:00Z", "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))})
            status, _, answer = call(port, "POST", "/api/v2/silences", body, {"Content-Type": "application/json"})
            assert status == 200, answer
            kept.append(json.loads(answer)["silenceID"])
            if number % 3 == 2:
                belfry.kill()
                belfry.start()
        have = {s["id"] for s in get_json(port, "/api/v2/silences")}
        assert not set(kept) - have, "silences that were answered are gone"


def post(port, path, body):
    status, _, answer = call(port, "POST", path, json.dumps(body), {"Content-Type": "application/json"})
    assert status == 200, (path, status, answer)
    return json.loads(answer) if answer else None


def many_alerts_are_listed_whole():
    """Answers of more than a piece: nothing is missing, doubled, or out of order; filters and groups agree."""
    count = 10000
    with World() as world:
        port = free_port()
        start(world, port)
        for first in range(0, count, 2000):
            post(port, "/api/v2/alerts", [
                {"labels": {"alertname": f"A{n % 10}", "pod": f"pod-{n}", "severity": "critical" if n % 2 else "info"},
                 "annotations": {"summary": "x" * 200}} for n in range(first, first + 2000)])
        listed = get_json(port, "/api/v2/alerts")
        prints = [a["fingerprint"] for a in listed]
        assert prints == sorted(set(prints)) and len(prints) == count, len(prints)
        assert {a["labels"]["pod"] for a in listed} == {f"pod-{n}" for n in range(count)}
        for limit, want in (("7", prints[:7]), ("513", prints[:513]), ("0", prints), ("20000", prints)):
            assert [a["fingerprint"] for a in get_json(port, "/api/v2/alerts?limit=" + limit)] == want, limit
        for limit in ("x", "-1", "1.5"):
            assert call(port, "GET", "/api/v2/alerts?limit=" + limit)[0] == 400, limit
        few = get_json(port, "/api/v2/alerts?filter=alertname%3DA7&filter=pod%3D~%22pod-.*7%22")
        assert len(few) == count / 10, len(few)
        groups = get_json(port, "/api/v2/alerts/groups")
        assert [g["receiver"]["name"] for g in groups] == ["everyone", "pager"], [g["receiver"] for g in groups]
        assert [len(g["alerts"]) for g in groups] == [count / 2, count / 2]
        groups = get_json(port, "/api/v2/alerts/groups?receiver=pager&filter=alertname%3DA7")
        assert len(groups) == 1 and len(groups[0]["alerts"]) == count / 10
        post(port, "/api/v2/silences", {
            "matchers": [{"name": "severity", "value": "info", "isRegex": False}], "comment": "c", "createdBy": "e2e",
            "startsAt": "0001-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"})
        groups = get_json(port, "/api/v2/alerts/groups?silenced=false")
        assert [g["receiver"]["name"] for g in groups] == ["pager"], "a group of which nothing is shown is left out"
        assert len(get_json(port, "/api/v2/alerts?silenced=false")) == count / 2
        loud = [a["fingerprint"] for a in listed if a["labels"]["severity"] == "critical"]
        assert [a["fingerprint"] for a in get_json(port, "/api/v2/alerts?silenced=false&limit=600")] == loud[:600]
        assert get_json(port, "/api/v2/alerts?filter=alertname%3DNobody") == []
        assert get_json(port, "/api/v2/receivers?receiver_matchers=name%3Dpager") == [{"name": "pager"}]
        assert len(get_json(port, "/api/v2/alerts?receiver_matchers=name%3Dpager")) == count / 2
        assert get_json(port, "/api/v2/alerts/groups?receiver_matchers=name%3D~no.*") == []
        assert call(port, "GET", "/api/v2/receivers?receiver_matchers=name")[0] == 400


def requests_are_judged_as_alertmanager_judges_them():
    """Statuses and kinds of error bodies as a real Alertmanager's, asked the same: `code` 0 is a bare string."""
    good = {"matchers": [{"name": "a", "value": "b", "isRegex": False}], "startsAt": "0001-01-01T00:00:00Z",
            "endsAt": "2099-01-01T00:00:00Z", "createdBy": "x", "comment": "c"}

    def silence(**more):
        return json.dumps({key: value for key, value in {**good, **more}.items() if value != "missing"})

    def matcher(**more):
        return silence(matchers=[{key: value for key, value in {**good["matchers"][0], **more}.items() if value != "missing"}])

    silences_, alerts_ = "/api/v2/silences", "/api/v2/alerts"
    rows = [
        (silences_, "", 422, 602), (silences_, "{", 400, 400), (silences_, "[]", 400, 400), (silences_, "1", 400, 400),
        (silences_, '"x"', 400, 400), (silences_, "{}", 422, 602), (silences_, '{"matchers":1}', 400, 400),
        (silences_, silence(comment="missing"), 422, 602), (silences_, silence(endsAt="missing"), 422, 602),
        (silences_, silence(matchers=[]), 422, 612), (silences_, silence(matchers="x"), 400, 400),
        (silences_, silence(matchers=[1]), 400, 400), (silences_, matcher(isRegex="missing"), 422, 602),
        (silences_, matcher(isRegex="x"), 400, 400), (silences_, matcher(name=1), 400, 400),
        (silences_, matcher(value="(", isRegex=True), 400, 0), (silences_, matcher(value=""), 400, 0),
        (silences_, matcher(value=".*", isRegex=True), 400, 0), (silences_, silence(comment=1), 400, 400),
        (silences_, silence(createdBy=[]), 400, 400), (silences_, silence(id=1), 400, 400),
        (silences_, silence(startsAt="x"), 400, 400), (silences_, silence(endsAt=1), 400, 400),
        (silences_, silence(endsAt="2020-01-01T00:00:00Z"), 400, 0),
        (silences_, silence(startsAt="2099-01-02T00:00:00Z"), 400, 0),
        (silences_, silence(id="00000000-0000-4000-8000-000000000000"), 404, 0),
        (silences_, silence(startsAt="2026-01-01 00:00:00"), 200, None), (silences_, matcher(isEqual=None), 200, None),
        (silences_ + "/", silence(comment=""), 200, None),
        (alerts_, "", 422, 602), (alerts_, "{}", 400, 400), (alerts_, "[1]", 400, 400), (alerts_, "[{}]", 422, 602),
        (alerts_, "null", 200, None), (alerts_, '[{"labels":null}]', 422, 602), (alerts_, '[{"labels":{}}]', 400, 0),
        (alerts_, '[{"labels":{"a":1}}]', 400, 400), (alerts_, '[{"labels":{"a":"b"},"generatorURL":1}]', 400, 400),
        (alerts_, '[{"labels":{"a":"b"},"generatorURL":"x y"}]', 422, 601),
        *((alerts_, json.dumps([{"labels": {"a": "b"}, "endsAt": "2020-01-01T00:00:00Z", "generatorURL": url}]), 422, 601)
          for url in ("x", "http://a b", "http://[::1", "http://x/%zz", "http://x:y/", "?a", "#b", "http://x\n")),
        *((alerts_, json.dumps([{"labels": {"a": "b"}, "endsAt": "2020-01-01T00:00:00Z", "generatorURL": url}]), 200, None)
          for url in ("", "/x", "//x/y", "ftp://x", "http://", "mailto:a@b", "urn:x", "http://é/x?a b", "http://u:p@[::1]:80/")),
        (alerts_, '[{"labels":{"a":"b","c":null},"annotations":{"d":null},"endsAt":"2020-01-01T00:00:00Z"}]', 200, None),
        (alerts_, b'[{"labels":{"a":"\xff\\ud800\\u0000"},"endsAt":"2020-01-01T00:00:00Z"}]', 200, None),
        (silences_, silence(startsAt="2026-01-01T00:00"), 200, None),
        (alerts_, '[{"labels":{"a":"b"},"startsAt":"2099-01-01T00:00:00Z"}]', 400, 0),
        (alerts_, '[{"labels":{}},{"labels":{"ok":"1"}},{"labels":{"x":""}}]', 400, 0),
    ]
    with World() as world:
        port = free_port()
        start(world, port)
        for path, body, status, code in rows:
            got, _, answer = call(port, "POST", path, body, {"Content-Type": "application/json"})
            assert got == status, (path, body, got, answer)
            if code is not None:
                answer = json.loads(answer)
                assert (answer["code"] == code if code else isinstance(answer, str)), (path, body, answer)
        assert "; " in answer, "all that is wrong is told"
        assert [a["labels"] for a in get_json(port, "/api/v2/alerts")] == [{"ok": "1"}], "the good one is taken"
        for word, count in (("True", 1), ("1", 1), ("False", 0), ("off", 0), ("maybe", 0), ("", 1), ("0&active=1", 1), ("1&active=0", 0)):
            assert len(get_json(port, "/api/v2/alerts/?active=" + word)) == count, word
        for kind, status in ((None, 415), ("text/plain", 415), ("application/jsonx", 415), ("Application/JSON ; charset=utf-8", 200)):
            assert call(port, "POST", alerts_, "[]", {"Content-Type": kind} if kind else {})[0] == status, kind
        assert call(port, "POST", alerts_)[0] == 422, "without a body its type is not looked at"
        for method, path, allowed in (("PUT", alerts_, "GET,POST"), ("HEAD", alerts_, "GET,POST"), ("POST", "/api/v2/status", "GET"),
                                      ("PUT", "/api/v2/silence/x", "GET,DELETE"), ("DELETE", "/-/ready", "GET,HEAD")):
            status, headers, _ = call(port, method, path)
            assert status == 405 and headers["Allow"] == allowed, (method, path, status, headers["Allow"])
        assert call(port, "HEAD", "/-/ready")[0] == 200


def reports_of_one_alert_are_merged_as_alertmanager_merges_them():
    """In turn and in one post: the end that was given and is the latest stays, unless it is over."""
    now = int(time.time())

    def at(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now + seconds))

    steps = [  # what is reported, and what is known then: start, end (None: over)
        ([{"startsAt": at(-600), "endsAt": at(9000)}], (at(-600), at(9000))),
        ([{"annotations": {"b": "2"}}], (at(-600), at(9000))),
        ([{"startsAt": at(-900), "endsAt": at(400)}], (at(-900), at(400))),
        ([{"startsAt": at(-300), "endsAt": at(350)}], (at(-900), at(400))),
        ([{"startsAt": at(-900), "endsAt": at(-1)}], None),
        ([{"startsAt": at(-1), "endsAt": at(500)}, {"startsAt": at(-1), "endsAt": at(0)}], None),
        ([{"startsAt": at(-1), "endsAt": at(-1)}, {"startsAt": at(-1), "endsAt": at(700)}], (at(-1), at(700))),
        ([{"startsAt": at(-1), "endsAt": at(800)}] * 2, (at(-1), at(800))),
    ]
    with World() as world:
        port = free_port()
        start(world, port)
        for reports, known in steps:
            post(port, "/api/v2/alerts", [{"labels": {"alertname": "M"}, **report} for report in reports])
            have = [(a["startsAt"], a["endsAt"]) for a in get_json(port, "/api/v2/alerts")]
            assert have == ([known] if known else []), (reports, have, known)


def what_is_too_much_is_refused_and_told():
    with World() as world:
        port = free_port()
        world.belfry(world.write("belfry.yml", CONFIG + "limits: {alerts_max: 5}\n"), port,
                     extra=("--rules", "none", "--self-scrape", "off")).start()

        def send(count, **more):
            return call(port, "POST", "/api/v2/alerts", json.dumps(
                [{"labels": {"alertname": "A", "n": str(n)}, **more} for n in range(count)]), {"Content-Type": "application/json"})

        assert send(5)[0] == 200
        status, headers, answer = send(7)
        assert status == 503 and headers["Retry-After"] and b"limits.alerts_max" in answer, (status, answer)
        assert len(get_json(port, "/api/v2/alerts")) == 5
        assert send(7, endsAt="2020-01-01T00:00:00Z")[0] == 200, "ends are always taken"
        assert get_json(port, "/api/v2/alerts") == []
        assert send(3, annotations={"summary": "é" * 70000})[0] == 200, "a page is not lost for what it says"
        assert {len(a["annotations"]["summary"]) for a in get_json(port, "/api/v2/alerts")} == {32768}


def flags_are_seen_and_ended_by_clients_that_know_none():
    need("amtool")
    with World() as world:
        port = free_port()
        world.belfry(world.write("belfry.yml", CONFIG + "maintenance: [{matchers: [cluster=git], reason: kept in git, owner: ann, "
                                 "review_at: 2030-01-31}]\n"), port, extra=("--rules", "none", "--self-scrape", "off")).start()
        amtool = Amtool(port)
        silence = amtool("silence", "add", "a=b", "-c", "because", "-a", "me")
        flag = post(port, "/api/v1/maintenance", {"matchers": ["cluster=c1", "team!=x"], "owner": "bob", "reason": "moved",
                                                  "ends_at": "2090-01-01T00:00:00Z"})["id"]
        listed = {s["id"]: s for s in amtool.json("silence", "query")}
        assert len(listed) == 3 and silence in listed, listed
        git = next(s for s in listed.values() if s["createdBy"] == "ann")
        assert (listed[flag]["createdBy"], listed[flag]["comment"], listed[flag]["status"]["state"], listed[flag]["endsAt"]) == \
            ("bob", "moved", "active", "2090-01-01T00:00:00.000Z"), listed[flag]
        assert git["endsAt"].startswith("9999-12-31"), git
        assert [s["id"] for s in amtool.json("silence", "query", "cluster=c1")] == [flag]
        seen = get_json(port, "/api/v2/silence/" + flag)
        assert seen["annotations"] == {"maintenance": "all", "origin": "api"}, seen
        post(port, "/api/v2/alerts", [{"labels": {"alertname": "A", "cluster": "c1"}}])
        assert get_json(port, "/api/v2/alerts")[0]["status"]["silencedBy"] == [flag]
        amtool("silence", "update", flag, "-d", "1h", fails=True)
        status, _, answer = call(port, "POST", "/api/v2/silences", json.dumps({**seen, "comment": "x"}), {"Content-Type": "application/json"})
        assert status == 400 and b"maintenance flag" in answer, (status, answer)
        status, _, answer = call(port, "DELETE", "/api/v2/silence/" + git["id"])
        assert status == 500 and b"configuration" in answer, (status, answer)
        amtool("silence", "expire", flag)
        assert set(s["id"] for s in get_json(port, "/api/v2/silences")) == {silence, git["id"]}
        assert flag not in {f["id"] for f in get_json(port, "/api/v1/maintenance")["data"]}
        done = subprocess.run([os.environ.get("BELFRY", "build/belfry"), "silence", "export", "--url", f"http://127.0.0.1:{port}"],
                              capture_output=True, text=True, timeout=30, check=True)
        assert [s["id"] for s in json.loads(done.stdout)] == [silence], "flags are no silences to carry elsewhere"


def the_first_version_of_the_api_takes_alerts_and_no_more():
    with World() as world:
        port = free_port()
        start(world, port)

        def send(body):
            status, _, answer = call(port, "POST", "/api/v1/alerts", json.dumps(body))
            return status, json.loads(answer)

        assert send([{"labels": {"alertname": "Old"}}]) == (200, {"status": "success"})
        status, answer = send([{"labels": {}}, {"labels": {"alertname": "Good"}}])
        assert status == 400 and answer["errorType"] == "bad_data" and "label pair" in answer["error"], answer
        status, answer = send({})
        assert status == 400 and "no array" in answer["error"], answer
        assert {a["labels"]["alertname"] for a in get_json(port, "/api/v2/alerts")} == {"Old", "Good"}
        for path in ("silences", "receivers", "status", "silence/x"):
            status, _, answer = call(port, "GET", "/api/v1/" + path)
            assert status == 410 and json.loads(answer)["status"] == "deprecated", path


def pages_of_others_change_nothing():
    """A browser sends what a page of another origin asks for; what changes something is refused then."""
    hour = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    silence = json.dumps({"matchers": [{"name": "a", "value": "b", "isRegex": False}], "comment": "c", "createdBy": "e2e",
                          "startsAt": "0001-01-01T00:00:00Z", "endsAt": hour})
    writes = [("POST", "/api/v2/silences", silence), ("POST", "/api/v2/alerts", "[]"),
              ("DELETE", "/api/v2/silence/00000000-0000-4000-8000-000000000000", None), ("POST", "/api/v1/maintenance", "{}"),
              ("POST", "/api/v1/admin/tsdb/delete_series?match[]=up", ""), ("POST", "/-/reload", ""),
              ("POST", "/api/v1/import/prometheus", "up 1"), ("POST", "/api/v1/notifications/test", "{}")]
    reads = [("GET", "/api/v2/alerts", None), ("GET", "/api/v2/status", None), ("POST", "/search", "{}"),
             ("POST", "/annotations", '{"range": {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, "annotation": {}}'),
             ("OPTIONS", "/annotations", None)]
    with World() as world:
        port = free_port()
        config = world.write("belfry.yml", CONFIG + "web: {allowed_origins: ['https://karma.example.org']}\n")
        world.belfry(config, port, extra=("--rules", "none", "--self-scrape", "off")).start()

        def ask(origin, method, path, body):
            headers = {"Content-Type": "application/json", **({"Origin": origin} if origin else {})}
            return call(port, method, path, body, headers)[0]

        for method, path, body in writes:
            assert ask("https://evil.example", method, path, body) == 403, (method, path)
            assert ask("null", method, path, body) == 403, (method, path)
            for origin in (None, f"http://127.0.0.1:{port}", "https://karma.example.org"):
                assert ask(origin, method, path, body) != 403, (origin, method, path)
        for method, path, body in reads:
            assert ask("https://evil.example", method, path, body) == 200, (method, path)

        def preflight(origin, method, path):
            status, headers, _ = call(port, "OPTIONS", path, headers={
                "Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-type"})
            return status, headers.get("Access-Control-Allow-Methods", ""), headers.get("Access-Control-Allow-Origin")

        for method, path, _ in writes:
            asked = path.partition("?")[0]
            status, methods, allowed = preflight("https://evil.example", method, asked)
            assert status == 200 and methods == "GET, OPTIONS" and allowed == "*", (method, path, status, methods, allowed)
            status, methods, allowed = preflight("https://karma.example.org", method, asked)
            assert status == 200 and method in methods and allowed == "*", (method, path, status, methods)
        for method, path in (("GET", "/api/v2/alerts"), ("POST", "/annotations"), ("POST", "/api/v1/query")):
            status, methods, allowed = preflight("https://evil.example", method, path)
            assert status == 200 and method in methods and "DELETE" not in methods and allowed == "*", (path, status, methods)
        headers = call(port, "GET", "/api/v1/query?query=1", headers={"Origin": "https://grafana.example"})[1]
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert len(get_json(port, "/api/v2/silences")) == 3
        mode = os.stat(world.path("data/state.db")).st_mode & 0o777
        assert mode == 0o640, oct(mode)


if __name__ == "__main__":
    sys.exit(run_cases([amtool_drives_belfry, amtool_reads_a_configuration_whose_secrets_are_hidden,
                        prometheus_sends_its_alerts, a_silence_answered_survives_kill_9,
                        many_alerts_are_listed_whole, requests_are_judged_as_alertmanager_judges_them,
                        reports_of_one_alert_are_merged_as_alertmanager_merges_them,
                        what_is_too_much_is_refused_and_told, flags_are_seen_and_ended_by_clients_that_know_none,
                        the_first_version_of_the_api_takes_alerts_and_no_more, pages_of_others_change_nothing]))
