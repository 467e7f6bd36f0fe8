"""What a person decided is kept: silences and flags answered survive kill -9 at any moment, and a full disk
refuses new ones, says so, and keeps what is there."""

import calendar
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time

from harness import BELFRY, Skip, World, call, free_port, get_json, run_cases, wait_for

CONFIG = "rules: []\nglobal: {evaluation_interval: 1s}\n"
JSON = {"Content-Type": "application/json"}


def hours(count):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600 * count))


class Writer(threading.Thread):
    """Sets, edits and ends silences and flags as fast as it can, and notes what was answered."""

    def __init__(self, port, number):
        super().__init__(daemon=True)
        self.port, self.number, self.random = port, number, random.Random(number)
        self.kept = {}  # (kind, id) -> comment or reason, None = ended
        self.unsure = set()  # asked for and not answered: either is right
        self.count = 0
        self.going = True

    def run(self):
        while self.going:
            try:
                self.step()
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)

    def ask(self, key, method, path, body=None):
        if key:
            self.unsure.add(key)
        status, _, answer = call(self.port, method, path, body and json.dumps(body), JSON)
        if status not in (200, 204):
            raise ValueError(status)
        if key:
            self.unsure.discard(key)
        return json.loads(answer) if answer else None

    def put(self, kind, known):
        self.count += 1
        text = f"{self.number}-{self.count}"
        matchers = [{"name": "writer", "value": str(self.number), "isRegex": False, "isEqual": True}]
        if kind == "silence":
            body = {"matchers": matchers, "startsAt": "0001-01-01T00:00:00Z", "endsAt": hours(1), "createdBy": "e2e", "comment": text}
            if known:
                body["startsAt"] = get_json(self.port, "/api/v2/silence/" + known)["startsAt"]
            answer = self.ask((kind, known) if known else None, "POST", "/api/v2/silences", {**body, **({"id": known} if known else {})})
            made = answer["silenceID"]
        else:
            body = {"matchers": matchers, "reason": text, "owner": "e2e", "ends_at": hours(1)}
            answer = self.ask((kind, known) if known else None, "POST", "/api/v1/maintenance", {**body, **({"id": known} if known else {})})
            made = answer["id"]
        self.kept[(kind, made)] = text

    def step(self):
        kind = self.random.choice(["silence", "flag"])
        alive = [key[1] for key, text in self.kept.items() if key[0] == kind and text is not None and key not in self.unsure]
        choice = self.random.random()
        if not alive or choice < 0.5:
            self.put(kind, None)
        elif choice < 0.75:
            self.put(kind, self.random.choice(alive))
        else:
            ended = self.random.choice(alive)
            self.ask((kind, ended), "DELETE", ("/api/v2/silence/" if kind == "silence" else "/api/v1/maintenance/") + ended)
            self.kept[(kind, ended)] = None

    def check(self):
        silences = {s["id"]: s for s in get_json(self.port, "/api/v2/silences")}
        flags = {f["id"]: f for f in get_json(self.port, "/api/v1/maintenance")["data"]}
        for (kind, thing), text in self.kept.items():
            if (kind, thing) in self.unsure:
                continue
            found = (silences if kind == "silence" else flags).get(thing)
            if text is None:
                ended = found is None or (kind == "silence" and found["status"]["state"] == "expired")
                assert ended, f"{kind} {thing} was ended and is back: {found}"
            else:
                assert found, f"{kind} {thing} was answered and is gone"
                have = found["comment"] if kind == "silence" else found["reason"]
                assert have == text, f"{kind} {thing}: an edit that was answered is lost: {have}, wanted {text}"


def nothing_answered_is_lost_by_kill_9():
    kills = int(os.environ.get("SILENCE_KILLS", "8"))
    dice = random.Random(kills)
    with World() as world:
        port = free_port()
        belfry = world.belfry(world.write("belfry.yml", CONFIG), port, extra=("--rules", "none", "--self-scrape", "off")).start()
        writers = [Writer(port, number) for number in range(3)]
        for writer in writers:
            writer.start()
        for _ in range(kills):
            time.sleep(dice.uniform(0.02, 0.4))
            belfry.kill()
            belfry.start()
        for writer in writers:
            writer.going = False
        for writer in writers:
            writer.join(20)
            assert writer.count > kills / 2, "hardly anything was written"
            writer.check()
        belfry.kill()
        belfry.start()
        for writer in writers:
            writer.check()


def metric(port, name):
    for line in call(port, "GET", "/metrics")[2].decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


def a_full_disk_keeps_what_is_there():
    library = os.environ.get("FULL_DISK_LIBRARY")
    if not library:
        raise Skip("FULL_DISK_LIBRARY is not set: run by meson test")
    with World() as world:
        port, flag = free_port(), world.path("disk-is-full")
        belfry = world.belfry(world.write("belfry.yml", CONFIG), port, extra=("--rules", "none", "--self-scrape", "off"))
        belfry.env = {"LD_PRELOAD": library, "FULL_DISK": flag, "FULL_DISK_OF": "state.db"}
        belfry.start()

        def silence(value):
            body = {"matchers": [{"name": "a", "value": value, "isRegex": False}], "startsAt": "0001-01-01T00:00:00Z",
                    "endsAt": hours(1), "createdBy": "e2e", "comment": "c"}
            return call(port, "POST", "/api/v2/silences", json.dumps(body), JSON)

        def maintenance():
            body = {"matchers": ["a=b"], "reason": "r", "owner": "e2e", "ends_at": hours(1)}
            return call(port, "POST", "/api/v1/maintenance", json.dumps(body), JSON)

        assert silence("before")[0] == 200
        with open(flag, "w", encoding="utf-8"):
            pass
        for answer in (silence("meanwhile"), maintenance(),
                       call(port, "POST", "/api/v2/alerts", json.dumps([{"labels": {"alertname": "A"}}]), JSON)):
            assert answer[0] == 503 and b"full" in answer[2], answer[:1] + answer[2:]
        assert [s["matchers"][0]["value"] for s in get_json(port, "/api/v2/silences")] == ["before"]
        assert metric(port, "belfry_state_disk_full") == 1
        wait_for("the log to say so", lambda: "the disk is full" in belfry.tail())
        os.remove(flag)
        wait_for("room", lambda: silence("after")[0] == 200)
        assert maintenance()[0] == 200
        assert metric(port, "belfry_state_disk_full") == 0
        belfry.kill()
        belfry.start()
        listed = get_json(port, "/api/v2/silences")
        assert sorted(s["matchers"][0]["value"] for s in listed if "annotations" not in s) == ["after", "before"]
        assert [s["matchers"][0]["value"] for s in listed if "annotations" in s] == ["b"], "the flag is listed, too"


def the_command_line_sets_changes_and_carries_them():
    with World() as world:
        port = free_port()
        config = world.write("belfry.yml", "rules: []\nnotify: {route: {receiver: a}, receivers: [{name: a}]}\n")
        world.belfry(config, port, extra=("--rules", "none", "--self-scrape", "off")).start()

        def belfry(*words, status=0, stdin=""):
            done = subprocess.run([BELFRY, *words, "--url", f"http://127.0.0.1:{port}"], capture_output=True, text=True,
                                  timeout=30, check=False, input=stdin)
            assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
            return done.stdout.strip() if status == 0 else done.stderr

        def silence(silence_id):
            return get_json(port, "/api/v2/silence/" + silence_id)

        first = belfry("silence", "add", '"ü name"="a b"', "--comment", "first", "--end", "2090-01-31", "--author", "ann")
        assert silence(first)["endsAt"][:10] in ("2090-01-30", "2090-01-31")
        assert '"ü name"="a b"' in belfry("silence", "list")
        assert belfry("silence", "edit", first, "--for", "2h", "--comment", "second", "--author", "bob") == first
        edited = silence(first)
        assert (edited["createdBy"], edited["comment"]) == ("ann", "second"), edited
        assert abs(calendar.timegm(time.strptime(edited["endsAt"][:19], "%Y-%m-%dT%H:%M:%S")) - time.time() - 7200) < 60
        trail = [json.loads(line) for line in belfry("audit", "--subject", first, "--from", "-1h").splitlines()]
        assert [(row["action"], row["actor"]) for row in trail] == [("silence.create", "ann"), ("silence.update", "bob")], trail
        assert "what to change" in belfry("silence", "edit", first, status=2)
        assert "none with this id" in belfry("silence", "expire", "00000000-0000-4000-8000-000000000000", status=1)
        assert "--comment" in belfry("silence", "add", "a=b", "--comment", "", status=2)
        assert "options only" in belfry("audit", first, status=2)

        broad = belfry("silence", "add", "a!=b", "--comment", "all but one", "--force")
        files = [world.write(name, belfry("silence", "export")) for name in ("one.json", "two.json")]
        assert "nearly everything" in belfry("silence", "import", *files, status=1)
        assert len(belfry("silence", "import", "--force", *files).split()) == 4
        assert len(json.loads(belfry("silence", "list", "--search", "BUT ONE", "--json"))) == 3
        belfry("silence", "expire", first, broad)
        assert "object" in belfry("silence", "import", status=1, stdin="[1]")

        flag = belfry("maintenance", "on", "cluster=c1", "team=~a|b", "--for", "1h", "--reason", "r")
        belfry("maintenance", "on", "cluster=c2", "--for", "1h", "--reason", "r")
        for words, count in ((("cluster=c1",), 1), (("cluster=c1", 'team=~"a|b"'), 1), (("cluster=c3",), 0), ((), 2)):
            assert len(json.loads(belfry("maintenance", "list", "--json", *words))) == count, words
        assert "format" in belfry("maintenance", "list", "nope", status=1)
        for words in (("silence", "add", "a=b", "--comment", "c", "--for", "1h", "--end", "2090-01-01"),
                      ("silence", "edit", first, "--for", "1h", "--end", "2090-01-01"),
                      ("maintenance", "on", "a=b", "--reason", "r", "--for", "1h", "--until", "2090-01-01")):
            assert "one end only" in belfry(*words, status=1), words
        assert "no flag has" in belfry("maintenance", "off", "cluster=c1", status=1), "exactly these matchers"
        belfry("maintenance", "off", flag)


if __name__ == "__main__":
    sys.exit(run_cases([nothing_answered_is_lost_by_kill_9, a_full_disk_keeps_what_is_there,
                        the_command_line_sets_changes_and_carries_them]))
