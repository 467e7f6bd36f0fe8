#!/usr/bin/env python3
"""How long questions about alerts, silences and flags take among many: 100,000 active alerts, 10,000 active silences and
1,000 flags, all of them set over HTTP on a server of its own.

    BELFRY=build/belfry tests/bench/quiet_api.py [--alerts N] [--silences N] [--flags N] [--runs N] [--json FILE]

Prints a table for docs/benchmarks.md: a line a call, with the median and the slowest hundredth of its wall time, the
server's CPU time (of all its threads, so what it does in the background is in it) and the bytes of the answer."""

import argparse
import glob
import http.client
import json
import os
import pathlib
import sys
import time
from urllib.parse import quote

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import World, free_port  # noqa: E402

ALERTS_AT_ONCE = 1000


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def alert(i, end):
    return {"labels": {"alertname": f"Alert{i % 500}", "cluster": f"prod-{i % 300}" if i % 10 else f"staging-{i % 1200}",
                       "instance": f"node-{i % 20000}:9100", "namespace": f"team-{i % 3000}",
                       "pod": f"checkout-6b8f5c7d9-{i:06d}", "severity": "warning" if i % 3 else "critical",
                       "job": "kubelet", "container": "app"},
            "annotations": {"summary": f"Pod checkout-6b8f5c7d9-{i:06d} has been restarted again and again",
                            "description": "The container ends with an error soon after it has been started, so it is "
                                           "started again, after a longer pause each time.",
                            "runbook": "https://runbooks.example.org/pods/crash-looping"},
            "generatorURL": "http://prometheus.example.org/graph?g0.expr=increase", "endsAt": end}


def matcher(name, value, regex=False, equal=True):
    return {"name": name, "value": value, "isRegex": regex, "isEqual": equal}


def silence_matchers(i):
    """Six of ten name an alert and a cluster, two a beginning of an instance, one a choice of clusters, one a namespace
    and what it is not; twenty have an expression that no index helps with."""
    if i < 20:
        return [matcher("pod", f".*-db-{i}-.*", True)]
    if i % 10 < 2:
        return [matcher("instance", f"node-{i}:.*", True)]
    if i % 10 == 2:
        return [matcher("cluster", f"prod-{i % 300}|prod-x|prod-y", True), matcher("alertname", f"Alert{i % 400}")]
    if i % 10 == 3:
        return [matcher("namespace", f"team-{i}"), matcher("severity", "critical", equal=False)]
    return [matcher("alertname", f"Alert{i % 400}"), matcher("cluster", f"prod-{i % 300}")]


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def call(self, method, path, body=None):
        """(status, body, milliseconds)"""
        text = json.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if text else {}
        start = time.perf_counter()
        self.connection.request(method, path, text, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        return answer.status, data, (time.perf_counter() - start) * 1e3

    def must(self, method, path, body=None):
        status, data, spent = self.call(method, path, body)
        if status != 200:
            raise SystemExit(f"{method} {path}: {status} {data[:300]!r}")
        return data, spent


def cpu_ms(pid):
    """CPU time of all threads that live: exact to the microsecond, where /proc/PID/stat counts hundredths."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path, encoding="ascii") as file:
                total += int(file.read().split()[0])
        except OSError:
            pass
    return total / 1e6


def memory_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


def spread(spent):
    spent = sorted(spent)
    return spent[len(spent) // 2], spent[min(len(spent) - 1, len(spent) * 99 // 100)]


def fill(client, args):
    """Returns how long setting each silence and flag took."""
    end = stamp(6 * 3600)
    for first in range(0, args.alerts, ALERTS_AT_ONCE):
        count = min(ALERTS_AT_ONCE, args.alerts - first)
        client.must("POST", "/api/v2/alerts", [alert(i, end) for i in range(first, first + count)])
    silences = [client.must("POST", "/api/v2/silences",
                            {"matchers": silence_matchers(i), "startsAt": stamp(0), "endsAt": end, "createdBy": "bench",
                             "comment": f"Change {i}: the machines are moved"})[1] for i in range(args.silences)]
    flags = [client.must("POST", "/api/v1/maintenance", {"matchers": [f"cluster=staging-{i}"], "owner": "bench",
                                                         "reason": "not live yet", "ends_at": end})[1]
             for i in range(args.flags)]
    return silences, flags


def calls(client):
    """(what it is, method, path, body, how often at most)"""
    some = json.loads(client.must("GET", "/api/v2/silences?filter=instance%3D~%22node-4001%3A.*%22")[0])
    one = some[0]["id"] if some else "00000000-0000-4000-8000-000000000000"
    preview = "/api/v1/silences/preview"

    def alerts(path, *filters):
        return path + "?" + "&".join("filter=" + quote(text) for text in filters)
    return [
        ("alerts by name", "GET", alerts("/api/v2/alerts", 'alertname="Alert7"'), None, 99),
        ("alerts of a cluster", "GET", alerts("/api/v2/alerts", 'cluster="prod-7"'), None, 99),
        ("alerts, beginning and end of a pod", "GET", alerts("/api/v2/alerts", 'pod=~"checkout-6b8f5c7d9-0000.*7"'), None, 99),
        ("alerts, something inside a pod", "GET", alerts("/api/v2/alerts", 'pod=~".*d9-0000[1-3].*"'), None, 99),
        ("alerts, an expression and a severity", "GET",
         alerts("/api/v2/alerts", 'instance=~"node-12[0-9]:.*"', 'severity!="warning"'), None, 99),
        ("groups by name", "GET", alerts("/api/v2/alerts/groups", 'alertname="Alert7"'), None, 99),
        ("all silences", "GET", "/api/v2/silences", None, 99),
        ("silences by matcher", "GET", "/api/v2/silences?filter=" + quote('alertname="Alert7"'), None, 99),
        ("one silence", "GET", "/api/v2/silence/" + one, None, 99),
        ("all flags", "GET", "/api/v1/maintenance", None, 99),
        ("preview of a cluster", "POST", preview, {"matchers": ['cluster="prod-7"']}, 99),
        ("preview of an expression", "POST", preview, {"matchers": ['pod=~".*d9-0000[1-3].*"']}, 99),
        ("preview of everything, 20 shown", "POST", preview, {"matchers": ['alertname=~".+"'], "limit": 20}, 99),
        ("explain the alerts of a name and cluster", "GET", "/api/v1/explain?alert=Alert7&match[]=" +
         quote('{cluster="prod-7"}'), None, 99),
        ("audit, the newest 100", "GET", "/api/v1/audit?limit=100", None, 99),
        ("annotations of a cluster, 100", "GET", "/api/v1/annotations?limit=100&match[]=" + quote('{cluster="prod-7"}'), None, 99),
        ("annotations, 100", "GET", "/api/v1/annotations?limit=100", None, 3),
        ("alerts of our rules", "GET", "/api/v1/alerts", None, 99),
        ("status", "GET", "/api/v2/status", None, 99),
        ("receivers", "GET", "/api/v2/receivers", None, 99),
        ("page: what is loud and critical", "GET", alerts("/api/v2/alerts", 'severity=~"critical|page|error"') +
         "&silenced=false&inhibited=false&limit=301", None, 99),
        ("page: what is quiet", "GET", "/api/v2/alerts?active=false&limit=101", None, 99),
        ("all groups", "GET", "/api/v2/alerts/groups", None, 3),
        ("all alerts", "GET", "/api/v2/alerts", None, 3),
    ]


def sets(client):
    """(what it is, how to make the matchers of the i-th)"""
    return [("set a silence", lambda i: [matcher("alertname", f"Alert{i}"), matcher("cluster", f"prod-{i}")]),
            ("set a silence of an expression", lambda i: [matcher("pod", f".*d9-0[0-9]{i:02d}.*", True)])]


def measure(client, pid, runs, what):
    spent, cpu, size = [], [], 0
    for i in range(runs):
        before = cpu_ms(pid)
        data, ms = what(i)
        cpu.append(cpu_ms(pid) - before)
        spent.append(ms)
        size = len(data)
    return spread(spent) + (sorted(cpu)[len(cpu) // 2], size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("alerts", 100000), ("silences", 10000), ("flags", 1000), ("runs", 31)):
        parser.add_argument("--" + name, type=int, default=number)
    parser.add_argument("--only", default="", help="calls whose name contains this")
    parser.add_argument("--json", help="write the figures into this file, too")
    args = parser.parse_args()
    rows = []
    with World() as world:
        port = free_port()
        server = world.belfry(world.write("belfry.yml", "{}\n"), port, extra=("--rules", "none", "--self-scrape", "off"))
        pid = server.start().process.pid
        client = Client(port)
        start = time.monotonic()
        silences, flags = fill(client, args)
        filled = time.monotonic() - start
        for name, times in (("filling: a silence", silences), ("filling: a flag", flags)):
            if times:
                rows.append((name, *spread(times), None, None))
        for name, method, path, body, most in calls(client):
            if args.only in name:
                client.must(method, path, body)
                rows.append((name, *measure(client, pid, min(args.runs, most), lambda i: client.must(method, path, body))))
        for name, matchers in sets(client):
            if args.only in name:
                rows.append((name, *measure(client, pid, args.runs, lambda i: client.must(
                    "POST", "/api/v2/silences", {"matchers": matchers(i), "startsAt": stamp(0), "endsAt": stamp(3600),
                                                 "createdBy": "bench", "comment": "bench"}))))
        print(f"{args.alerts:,} alerts, {args.silences:,} silences, {args.flags:,} flags, set in {filled:.0f} s; "
              f"{memory_mb(pid):.0f} MB; load average {os.getloadavg()[0]:.1f}\n")
    print("| call | median ms | 99 % ms | CPU ms | bytes |\n|---|---:|---:|---:|---:|")
    for name, median, slowest, cpu, size in rows:
        print(f"| {name} | {median:.1f} | {slowest:.1f} | {'' if cpu is None else f'{cpu:.1f}'} | "
              f"{'' if size is None else f'{size:,}'} |")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump([dict(zip(("call", "median_ms", "slowest_ms", "cpu_ms", "bytes"), row)) for row in rows], file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
