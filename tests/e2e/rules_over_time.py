"""Rules over hours, with a clock in hand: restart, reload and loss of telemetry, seen from outside. What rings is what a webhook
receiver is told; `kill -9` is a real one."""

import calendar
import sys
import time

from harness import HandClock, Listener, World, call, free_port, get_json, remote_write, run_cases, wait_for

START = 1_700_000_040  # a whole minute
SCRAPE = 15

CONFIG = """
global: {{evaluation_interval: 15s}}
sources: {{lost: 5m}}
rules: [{{files: "{dir}/rules/*.yml"}}]
notify:
  route: {{receiver: page, group_by: ["..."], group_wait: 0s, group_interval: 15s, repeat_interval: 1d}}
  receivers: [{{name: page, webhook_configs: [{{url: "http://127.0.0.1:{page}/"}}]}}]
"""

# Windows of every size; the last of a counter falls under its threshold in a window that has only a part of its samples.
TELEMETRY = """
groups:
- name: telemetry
  rules:
  - {alert: Instant, expr: m > 0}
  - {alert: Window1m, expr: 'rate(c[1m]) > 0'}
  - {alert: Window2m, expr: 'increase(c[2m]) > 0'}
  - {alert: Window5m, expr: 'increase(c[5m]) > 70'}
  - {alert: Quantile, expr: 'histogram_quantile(0.9, rate(h_bucket[2m])) > 0'}
  - {alert: Waits, expr: 'rate(c[1m]) > 0', for: 8m}
"""
# Waits is pending when an outage begins; were its `for` to start over, it would not ring before the end.
ALERTS = {"Instant", "Window1m", "Window2m", "Window5m", "Quantile", "Waits"}


class Night:
    """A server on a clock in hand, what it scrapes, and who it pages."""

    def __init__(self, world, rules, config=CONFIG):
        self.world, self.page = world, Listener(200)
        self.clock = HandClock(world, START)
        self.port = free_port()
        world.write("rules/rules.yml", rules)
        self.belfry = world.belfry(world.write("belfry.yml", config.format(dir=world.dir, page=self.page.port)),
                                   self.port, extra=("--self-scrape", "off"), clock=self.clock)
        self.belfry.start()
        self.sources = {"c": 1.0}  # each with the value of its gauge
        self.unsent = []
        self.up = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.page.close()

    def now(self):
        return self.clock.now // 1000

    def samples(self, source):
        count = (self.now() - START) // SCRAPE + 1000
        for labels, value in (({"__name__": "m"}, self.sources[source]), ({"__name__": "c"}, count * 3.75),
                              ({"__name__": "h_bucket", "le": "1"}, count * 3.75),
                              ({"__name__": "h_bucket", "le": "+Inf"}, count * 3.75)):
            yield {**labels, "cluster": source}, [(self.clock.now, value)]

    def scrape(self, dark, keep):
        """What senders do: they send at once, keep it while nobody listens, or send nothing."""
        fresh = [row for source in self.sources if source not in dark for row in self.samples(source)]
        if self.up:
            for series in (self.unsent, fresh):
                if series:
                    status, _, body = remote_write(self.port, series)
                    assert status // 100 == 2, (status, body)
            self.unsent = []
        elif keep:
            self.unsent += fresh

    def evaluated(self):
        groups = get_json(self.port, "/api/v1/rules?exclude_alerts=true")["data"]["groups"]
        slot = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.now() // SCRAPE * SCRAPE))
        return all(group["lastEvaluation"] >= slot for group in groups)

    def pass_time(self, seconds, dark=(), keep=False):
        """Goes on slot by slot: samples just before it, then its evaluation."""
        end = self.now() + seconds
        while self.now() < end:
            self.clock.set((self.now() + 5) * 1000)
            if self.now() % SCRAPE == SCRAPE - 5:
                self.scrape(dark, keep)
            if self.up and self.now() % SCRAPE == 0:
                wait_for(f"the evaluation of {self.now()}", self.evaluated)

    def kill(self):
        self.belfry.kill()
        self.up = False

    def start(self):
        self.belfry.start()
        self.up = True

    def told(self):
        """(status, alertname, source) of every page so far, in order. Deliveries take time of the machine while the clock rushes on by
        minutes, so that they may look stalled; that is not what is asked here."""
        return [(alert["status"], alert["labels"]["alertname"], alert["labels"].get("cluster", ""))
                for body in self.page.bodies() for alert in body["alerts"] if not alert["labels"]["alertname"].startswith("Stalled")]

    def settle(self):
        """Time for deliveries under way, which go by the machine's clock."""
        time.sleep(1.5)


def expect_pages(night, resolved=(), lost=0, where=""):
    night.settle()
    told = night.told()
    rings = sorted(name for status, name, _ in told if status == "firing" and name != "TelemetryLost")
    assert rings == sorted(ALERTS), f"{where}: rang {rings}"
    ends = sorted(name for status, name, _ in told if status == "resolved" and name != "TelemetryLost")
    assert ends == sorted(resolved), f"{where}: resolved {ends}"
    losses = [status for status, name, _ in told if name == "TelemetryLost"]
    assert losses.count("firing") == lost and losses.count("resolved") == lost, f"{where}: {losses}"


def a_dark_source_resolves_nothing():
    for minutes, lost in ((1, 0), (3, 0), (10, 1)):
        with World() as world, Night(world, TELEMETRY) as night:
            night.pass_time(6 * 60)
            night.pass_time(minutes * 60, dark={"c"})
            night.pass_time(7 * 60)
            expect_pages(night, lost=lost, where=f"dark for {minutes} minutes")


def an_outage_of_our_own_resolves_nothing():
    for keep in (False, True):
        with World() as world, Night(world, TELEMETRY) as night:
            night.pass_time(6 * 60)
            night.kill()
            night.pass_time(10 * 60, keep=keep)
            night.start()
            night.pass_time(7 * 60)
            expect_pages(night, where=f"down for 10 minutes, senders {'keep' if keep else 'drop'} their samples")


def a_restart_after_an_outage_forgets_no_gap():
    with World() as world, Night(world, TELEMETRY) as night:
        night.pass_time(6 * 60)
        night.pass_time(3 * 60, dark={"c"})
        night.pass_time(60)
        night.kill()
        night.start()
        night.pass_time(6 * 60)
        expect_pages(night, where="dark for 3 minutes, restarted a minute later")


STATES = """
groups:
- name: states
  rules:
  - {alert: Waits, expr: m > 0, for: 10m, labels: {severity: warning}}
  - {alert: Held, expr: m > 1, keep_firing_for: 6m}
  - {alert: Burns, expr: m > 0}
"""


def state_of(night, name):
    """(state, seconds since the start it is active since, and held since) of an alert."""
    for alert in get_json(night.port, "/api/v1/alerts")["data"]["alerts"]:
        if alert["labels"]["alertname"] == name:
            times = [time.strptime(alert[key], "%Y-%m-%dT%H:%M:%S.000Z") if key in alert else None
                     for key in ("activeAt", "keepFiringSince")]
            return (alert["state"], *(calendar.timegm(t) - START if t else None for t in times))
    return None


def a_killed_server_goes_on_where_it_was():
    with World() as world, Night(world, STATES) as night:
        night.sources["c"] = 2.0
        night.pass_time(60)
        night.sources["c"] = 1.0
        night.pass_time(60)
        before = [state_of(night, name) for name in ("Waits", "Held", "Burns")]
        assert before[0][0] == "pending" and before[1][2] is not None, before
        for _ in range(2):
            night.kill()
            night.start()
            night.pass_time(30)
            assert [state_of(night, name) for name in ("Waits", "Held", "Burns")] == before
        night.pass_time(before[0][1] + 600 - (night.now() - START))
        night.settle()
        assert state_of(night, "Waits")[:2] == ("firing", before[0][1]), "ten minutes in all, not since the restart"
        assert state_of(night, "Held") is None, "held for six minutes in all"
        told = night.told()
        assert sorted(t[:2] for t in told) == [("firing", "Burns"), ("firing", "Held"), ("firing", "Waits"),
                                               ("resolved", "Held")], told


def reload(night):
    status, _, body = call(night.port, "POST", "/-/reload")
    return status, body.decode()


def edits_keep_state_and_a_removed_rule_tells_why():
    with World() as world, Night(world, STATES) as night:
        night.pass_time(3 * 60)
        since = state_of(night, "Waits")
        # Another file, another group, another `for`, other annotations; Burns is gone.
        world.write("rules/moved.yml", """
groups:
- name: elsewhere
  rules:
  - {alert: Waits, expr: m > 0, for: 5m, labels: {severity: warning}, annotations: {note: new}}
  - {alert: Held, expr: m > 1, keep_firing_for: 6m}
""")
        world.write("rules/rules.yml", "groups: []")
        assert reload(night) == (200, ""), "all files are good"
        night.pass_time(30)
        night.settle()
        assert state_of(night, "Waits") == since
        ended = [a for body in night.page.bodies() for a in body["alerts"] if a["status"] == "resolved"]
        assert [a["labels"]["alertname"] for a in ended] == ["Burns"], ended
        assert ended[0]["annotations"]["resolved_reason"] == "rule removed", ended
        assert "/graph?g0.expr=m" in ended[0]["generatorURL"], ended
        # One file is broken now, another is new: 500 with all that is wrong, and the new one is live.
        world.write("rules/moved.yml", "groups:\n- name: states\n  rules:\n  - {alert: Waits, exp: m, for: 5}\n")
        world.write("rules/new.yml", "groups: [{name: new, rules: [{record: new, expr: m}]}]")
        status, text = reload(night)
        assert status == 500 and 'moved.yml:4:20: group "states", rule 1, "Waits": field exp not found' in text, text
        assert text.count("moved.yml:4:") == 3, text
        for _ in range(2):
            groups = {g["name"]: g for g in get_json(night.port, "/api/v1/rules")["data"]["groups"]}
            assert "field exp not found" in groups["elsewhere"]["fileError"] and "new" in groups
            night.pass_time(30)
            assert state_of(night, "Waits") == since, "by the last good version, also after a restart"
            night.kill()
            night.start()
        night.pass_time(since[1] + 300 - (night.now() - START))
        assert state_of(night, "Waits")[0] == "firing"


def each_lost_source_is_told_once_and_can_be_forgotten():
    with World() as world, Night(world, TELEMETRY) as night:
        night.sources = {"c": 1.0, "d": 1.0, "e": 1.0}
        night.pass_time(60)
        night.pass_time(8 * 60, dark={"d", "e"})
        night.settle()
        lost = sorted(t[2] for t in night.told() if t[:2] == ("firing", "TelemetryLost"))
        assert lost == ["d", "e"], lost
        assert not [t for t in night.told() if t[0] == "resolved"]
        assert call(night.port, "DELETE", "/api/v1/sources/d")[0] == 204
        assert call(night.port, "DELETE", "/api/v1/sources/d")[0] == 404
        night.pass_time(60, dark={"d", "e"})
        night.settle()
        ended = {t[1:] for t in night.told() if t[0] == "resolved"}
        assert ("TelemetryLost", "d") in ended and not [e for e in ended if e[1] == "e"], ended


def a_clock_that_is_set_back_stops_nothing():
    with World() as world, Night(world, STATES) as night:
        past = [((START + at) * 1000, 1.0) for at in range(-4000, 0, SCRAPE)]
        assert remote_write(night.port, [({"__name__": "m", "cluster": "c"}, past)])[0] // 100 == 2
        night.pass_time(3 * 60)
        before = state_of(night, "Waits")
        night.clock.set((night.now() - 3600) * 1000)
        wait_for("an evaluation", lambda: get_json(night.port, "/api/v1/rules?rule_group=states")["data"]["groups"][0]["lastEvaluation"]
                 < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START)))
        night.pass_time(60)
        after = state_of(night, "Waits")
        assert after[0] == "pending" and abs(before[1] - 3600 - after[1]) <= SCRAPE, (before, after)
        night.kill()
        night.start()
        night.pass_time(30)
        assert state_of(night, "Waits")[0] == "pending"
        night.settle()
        assert not [t for t in night.told() if t[0] == "resolved"], night.told()


CASES = [a_clock_that_is_set_back_stops_nothing, a_killed_server_goes_on_where_it_was, a_restart_after_an_outage_forgets_no_gap, edits_keep_state_and_a_removed_rule_tells_why,
         each_lost_source_is_told_once_and_can_be_forgotten]
SLOW_CASES = [a_dark_source_resolves_nothing, an_outage_of_our_own_resolves_nothing]

if __name__ == "__main__":
    sys.exit(run_cases(SLOW_CASES if "slow" in sys.argv else CASES))
