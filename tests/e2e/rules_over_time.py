"""Rules over hours, with a clock in hand: restart, reload and loss of telemetry, seen from outside. What rings is what a webhook
receiver is told; `kill -9` is a real one."""

import sys
import time

from harness import HandClock, Listener, World, free_port, get_json, remote_write, run_cases, wait_for

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
"""
ALERTS = {"Instant", "Window1m", "Window2m", "Window5m", "Quantile"}


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
        """(status, alertname, source) of every page so far, in order."""
        return [(alert["status"], alert["labels"]["alertname"], alert["labels"].get("cluster", ""))
                for body in self.page.bodies() for alert in body["alerts"]]

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


CASES = [a_dark_source_resolves_nothing, an_outage_of_our_own_resolves_nothing]

if __name__ == "__main__":
    sys.exit(run_cases(CASES))
