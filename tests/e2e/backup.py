"""Backups of a running server, to a folder and to a bucket whose listener checks signatures; brought back into an empty directory
they serve everything: samples, silences, maintenance flags. `kill -9` in the middle leaves nothing that is listed."""

import json
import os
import subprocess
import sys
import time

from harness import BELFRY, World, call, free_port, get_json, query, remote_write, run_cases, wait_for
from s3 import Bucket

CONFIG = "global: {evaluation_interval: 1s}\nrules: []\n"
START_MS = 1_700_000_000_000


def run(*args, env=None, ok=True):
    result = subprocess.run([BELFRY, *args], capture_output=True, text=True, timeout=120, check=False,
                            env={**os.environ, **(env or {})})
    if ok and result.returncode != 0:
        raise AssertionError(f"belfry {' '.join(args)}: exit {result.returncode}: {result.stderr}")
    return result


def write_samples(port, first, count, series=50):
    for number in range(first, first + count):
        status, _, body = remote_write(port, [
            ({"__name__": "kept", "cluster": "c1", "part": str(i)}, [(START_MS + number * 1000, float(number + i))])
            for i in range(series)])
        assert status == 204, body


def count_samples(port):
    found = query(port, "sum(count_over_time(kept[1d]))", START_MS // 1000 + 80000)
    return int(found[0][1]) if found else 0


def serve(world, data, name, env=None):
    port = free_port()
    command = [BELFRY, "serve", "--config", world.write("belfry.yml", CONFIG), "--listen", f"127.0.0.1:{port}",
               "--data", data, "--self-scrape", "off"]
    return world.add(name, command, port, "/-/ready", env).start()


def set_silence(port):
    body = {"matchers": [{"name": "cluster", "value": "c1", "isRegex": False, "isEqual": True}], "createdBy": "ann",
            "comment": "kept", "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"}
    status, _, answer = call(port, "POST", "/api/v2/silences", json.dumps(body), {"Content-Type": "application/json"})
    assert status == 200, answer


def check_restored(world, data, samples):
    server = serve(world, data, "restored")
    assert count_samples(server.port) == samples, count_samples(server.port)
    silences = get_json(server.port, "/api/v2/silences")
    assert [s["comment"] for s in silences] == ["kept"], silences
    write_samples(server.port, 70_000, 1)  # it takes new ones, too
    server.stop()


def to_a_folder_and_back():
    with World() as world:
        server = serve(world, world.path("data"), "belfry")
        url = f"http://127.0.0.1:{server.port}"
        place = world.path("backups")
        write_samples(server.port, 0, 20)
        set_silence(server.port)
        first = run("backup", "create", "--to", place, "--url", url).stdout.strip()
        write_samples(server.port, 20, 20)
        second = json.loads(run("backup", "create", "--to", place, "--url", url, "--json").stdout)
        listed = json.loads(run("backup", "list", "--from", place, "--json").stdout)
        assert [b["name"] for b in listed] == [first, second["name"]], listed
        assert [b["samples"] for b in listed] == [1000, 2000] and all(b["good"] for b in listed), listed
        assert first in run("backup", "list", "--from", place).stdout

        # Compacting afterwards takes nothing from the backups, which share files with the store.
        call(server.port, "POST", "/api/v1/admin/compact")
        server.stop()
        run("backup", "restore", first, "--from", place, "--data", world.path("first"))
        run("backup", "restore", "--from", place, "--data", world.path("newest"))
        check_restored(world, world.path("first"), 1000)
        check_restored(world, world.path("newest"), 2000)

        refused = run("backup", "restore", "--from", place, "--data", world.path("data"), ok=False)
        assert refused.returncode == 1 and "not empty" in refused.stderr, refused
        refused = run("backup", "restore", "no-such", "--from", place, "--data", world.path("x"), ok=False)
        assert refused.returncode == 1 and "no-such" in refused.stderr, refused
        assert run("store", "verify", os.path.join(place, first)).returncode == 0

        # Without a server, straight from the data directory.
        offline = run("backup", "create", "--to", place, "--data", world.path("data")).stdout.strip()
        assert len(json.loads(run("backup", "list", "--from", place, "--json").stdout)) == 3
        assert offline > second["name"]


def to_a_bucket_and_back():
    bucket = Bucket()
    with World() as world:
        server = serve(world, world.path("data"), "belfry")
        url, place = f"http://127.0.0.1:{server.port}", "s3://pages/fleet a/belfry"
        keys = bucket.environment()
        write_samples(server.port, 0, 20)
        set_silence(server.port)
        names = []
        for _ in range(3):
            bucket.fail_next = 2  # what may pass is tried again
            names.append(run("backup", "create", "--to", place, "--url", url, env=keys).stdout.strip())
        assert all(status == 503 for status, _, _ in bucket.refused if status != 404), bucket.refused
        listed = json.loads(run("backup", "list", "--from", place, "--json", env=keys).stdout)
        assert [b["name"] for b in listed] == names, listed
        server.stop()
        run("backup", "restore", "latest", "--from", place, "--data", world.path("back"), env=keys)
        check_restored(world, world.path("back"), 1000)

        wrong = run("backup", "list", "--from", place, env={**keys, "AWS_SECRET_ACCESS_KEY": "guess"}, ok=False)
        assert wrong.returncode == 1 and "SignatureDoesNotMatch" in wrong.stderr, wrong
        none = run("backup", "list", "--from", place, ok=False,
                   env={name: "" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")})
        assert none.returncode == 1 and "access key" in none.stderr, none

        key = next(key for key in bucket.objects if names[-1] + "/blocks/b-" in key)
        good = bucket.objects[key]
        bucket.objects[key] = good[:50] + bytes([good[50] ^ 1]) + good[51:]
        damaged = run("backup", "restore", names[-1], "--from", place, "--data", world.path("bad"), env=keys, ok=False)
        assert damaged.returncode == 1 and "damaged" in damaged.stderr, damaged
        unfinished = subprocess.run([BELFRY, "serve", "--data", world.path("bad"), "--listen", "127.0.0.1:0"],
                                    capture_output=True, text=True, timeout=60, check=False)
        assert unfinished.returncode == 1 and "not finished" in unfinished.stderr, unfinished
    bucket.close()


def keys_come_from_the_configuration_as_well():
    bucket = Bucket()
    with World() as world:
        config = world.write("own.yml", CONFIG + f"""
backup:
  to: s3://pages/own
  endpoint: {bucket.endpoint}
  region: {bucket.region}
  access_key: {bucket.access_key}
  secret_key: {bucket.secret_key}
""")
        server = world.belfry(config, free_port()).start()
        url = f"http://127.0.0.1:{server.port}"
        name = run("backup", "create", "--url", url).stdout.strip()
        listed = json.loads(run("backup", "list", "--config", config, "--json").stdout)
        assert [b["name"] for b in listed] == [name], listed
        assert [b["name"] for b in get_json(server.port, "/api/v1/admin/backup")["data"]] == [name]
        other = run("backup", "create", "--url", url, "--to", world.path("elsewhere"), ok=False)
        assert other.returncode == 1 and "s3://pages/own" in other.stderr, other
        shown = get_json(server.port, "/api/v1/status/config")["data"]["yaml"]
        assert bucket.secret_key not in shown, shown
        browser = call(server.port, "POST", "/api/v1/admin/backup", '{"to":"/tmp/x"}',
                       {"Content-Type": "application/json", "Origin": "http://evil.example"})
        assert browser[0] == 403, browser
    bucket.close()


def killed_in_the_middle():
    """At every object that is put in turn: never is a backup listed that cannot be restored."""
    bucket = Bucket()
    with World() as world:
        keys, place = bucket.environment(), "s3://pages/killed"
        server = serve(world, world.path("data"), "belfry")
        write_samples(server.port, 0, 5)
        set_silence(server.port)
        killed = 0
        for stop_at in range(1, 20):
            bucket.objects.clear()
            puts = []

            def after_put(key, stop_at=stop_at, puts=puts):
                puts.append(key)
                if len(puts) == stop_at:
                    server.kill()

            bucket.after_put = after_put
            run("backup", "create", "--to", place, "--url", f"http://127.0.0.1:{server.port}", env=keys, ok=False)
            done = len(puts) < stop_at
            bucket.after_put = None
            listed = json.loads(run("backup", "list", "--from", place, "--json", env=keys).stdout)
            # What the server put before the signal reached it counts, so the bucket tells and not the calls seen.
            whole = any(key.endswith("manifest.json") for key in bucket.objects)
            assert [backup["good"] for backup in listed] == [True] * whole, (listed, puts)
            if done:
                break
            killed += 1
            server.start()
            left = [name for name in os.listdir(world.path("data/snapshots")) if name.startswith(".")]
            assert not left, f"left in snapshots/: {left}"
        assert done and killed >= 3, (done, killed)
        run("backup", "restore", "--from", place, "--data", world.path("back"), env=keys)
        server.stop()
        check_restored(world, world.path("back"), 250)

        # A folder: killed at some moment of a slower copy, or not at all, nothing half is listed.
        for wait in (0, 0.001, 0.003, 0.01, 0.03):
            server.start()
            folder = world.path("folder")
            child = subprocess.Popen([BELFRY, "backup", "create", "--to", folder, "--url",
                                      f"http://127.0.0.1:{server.port}"], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            time.sleep(wait)
            server.kill()
            child.wait(60)
            if os.path.isdir(folder):
                for backup in json.loads(run("backup", "list", "--from", folder, "--json").stdout):
                    back = world.path("back-" + backup["name"])
                    if not os.path.isdir(back):
                        run("backup", "restore", backup["name"], "--from", folder, "--data", back)
    bucket.close()


def while_samples_come_in():
    """Everything that was acknowledged before the backup began is in it."""
    with World() as world:
        server = serve(world, world.path("data"), "belfry")
        write_samples(server.port, 0, 40, series=1)
        child = subprocess.Popen([BELFRY, "backup", "create", "--to", world.path("b"), "--url",
                                  f"http://127.0.0.1:{server.port}"], stdout=subprocess.PIPE, text=True)
        number = 40
        while child.poll() is None:
            write_samples(server.port, number, 1, series=1)
            number += 1
        assert child.returncode == 0
        run("backup", "restore", "--from", world.path("b"), "--data", world.path("back"))
        back = serve(world, world.path("back"), "back")
        found = count_samples(back.port)
        assert 40 <= found <= number, (found, number)
        assert wait_for("the metric", lambda: b"belfry_backups_total 1" in call(server.port, "GET", "/metrics")[2])


if __name__ == "__main__":
    sys.exit(run_cases([to_a_folder_and_back, to_a_bucket_and_back, keys_come_from_the_configuration_as_well,
                        killed_in_the_middle, while_samples_come_in]))
