"""Starts real servers on free loopback ports and takes them down again; helpers to speak with them.

Everything a test starts is ended by its pid when the test ends, whatever happened."""

import ctypes
import http.client
import http.server
import json
import mmap
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

BELFRY = os.environ.get("BELFRY", "build/belfry")
SOURCE = pathlib.Path(__file__).resolve().parents[2]


class Skip(Exception):
    """A program the test needs is not installed."""


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed (script/setup test installs it)")


reserved_ports = []


def free_port():
    """A loopback port for this process, also while its server is down: it is below the ports that the kernel gives to
    clients, and an abstract socket of its name tells tests that run at the same time to leave it alone."""
    while True:
        port = random.randrange(10000, 32000)
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0belfry-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        reserved_ports.append(mark)
        return port


def wait_for(what, probe, seconds=60.0):
    """Polls until probe() gives something true; that is the result."""
    end = time.monotonic() + seconds
    error = None
    while time.monotonic() < end:
        try:
            found = probe()
            if found:
                return found
        except (OSError, http.client.HTTPException, ValueError, KeyError) as caught:
            error = caught
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}" + (f" ({error})" if error else ""))


def call(port, method, path, body=None, headers=None, timeout=30):
    """One HTTP exchange: (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def get_json(port, path):
    status, _, body = call(port, "GET", path)
    if status != 200:
        raise ValueError(f"GET {path}: {status} {body[:200]!r}")
    return json.loads(body)


class Server:
    """A program under test."""

    def __init__(self, name, command, log_dir, port=None, ready=None, env=None):
        self.name, self.command, self.port, self.ready, self.env = name, command, port, ready, env
        self.log = open(os.path.join(log_dir, name + ".log"), "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
            env={**os.environ, **(self.env or {})})
        if self.ready:
            wait_for(f"{self.name} to be ready", self.is_ready)
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}; its log: {self.tail()}")
        return call(self.port, "GET", self.ready)[0] == 200

    def tail(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-20:])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"{self.name} did not end on SIGTERM") from None
        return self.process.returncode if self.process else None


class World:
    """A folder and the servers of one test; leaves nothing behind unless the test failed."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="belfry-e2e-")
        self.servers = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = path + ".new"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(temporary, path)
        return path

    def add(self, name, command, port=None, ready=None, env=None):
        server = Server(name, command, self.dir, port, ready, env)
        self.servers.append(server)
        return server

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for server in reversed(self.servers):
            if server.process and server.process.poll() is None:
                server.process.send_signal(signal.SIGKILL if error else signal.SIGTERM)
                try:
                    server.process.wait(20)
                except subprocess.TimeoutExpired:
                    server.kill()
            server.log.close()
        if error and not isinstance(error, Skip):
            for server in self.servers:
                print(f"--- end of the log of {server.name}")
                print(server.tail())
            print(f"kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        return False

    def belfry(self, config, port, name="belfry", extra=(), clock=None):
        command = [BELFRY, "serve", "--config", config, "--listen", f"127.0.0.1:{port}",
                   "--data", self.path("data"), *extra]
        return self.add(name, command, port, "/-/ready", clock.env if clock else None)


class HandClock:
    """The wall clock of the servers started with it: it stands still until the test moves it."""

    def __init__(self, world, start_s):
        library = os.environ.get("HAND_CLOCK_LIBRARY")
        if not library:
            raise Skip("HAND_CLOCK_LIBRARY is not set: run by meson test")
        path = world.path("clock")
        with open(path, "wb") as file:
            file.write(bytes(8))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8)
        # One store: struct.pack_into() clears the bytes first, and a server may look in between.
        self.hand = ctypes.c_int64.from_buffer(self.map)
        self.env = {"LD_PRELOAD": library, "HAND_CLOCK": path}
        self.set(int(start_s * 1000))

    def set(self, now_ms):
        self.now = now_ms
        self.hand.value = now_ms


class Listener:
    """Takes HTTP requests, keeps their bodies, and answers as told: status and a hook before and after the answer."""

    def __init__(self, status=202, answer=b'{"status":"success","message":"Event processed"}'):
        self.events = []
        self.lock = threading.Lock()
        self.before = self.after = None
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with listener.lock:
                    listener.events.append((self.path, dict(self.headers), body))
                before, listener.before = listener.before, None
                if before:
                    before()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass  # the client was killed meanwhile
                after, listener.after = listener.after, None
                if after:
                    after()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self):
        with self.lock:
            return [json.loads(body) for _, _, body in self.events]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# ---- remote write 1.0, as small as it gets ----


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number, payload):
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def write_request(series):
    """WriteRequest of [(labels, [(time_ms, value)])], packed by snappy's literal form."""
    message = b""
    for labels, samples in series:
        one = b"".join(_field(1, _field(1, k.encode()) + _field(2, v.encode()))
                       for k, v in sorted(labels.items()))
        for time_ms, value in samples:
            one += _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time_ms))
        message += _field(1, one)
    packed = _varint(len(message))
    for start in range(0, len(message), 60):
        piece = message[start:start + 60]
        packed += bytes([(len(piece) - 1) << 2]) + piece
    return packed


REMOTE_WRITE_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
                        "X-Prometheus-Remote-Write-Version": "0.1.0"}


def remote_write(port, series, timeout=10):
    return call(port, "POST", "/api/v1/write", write_request(series), REMOTE_WRITE_HEADERS, timeout)


def query(port, expr, time_s=None):
    """An instant query: the list of (labels, value)."""
    from urllib.parse import quote
    path = "/api/v1/query?query=" + quote(expr) + (f"&time={time_s}" if time_s else "")
    return [(r["metric"], float(r["value"][1])) for r in get_json(port, path)["data"]["result"]]


def run_cases(cases):
    """Runs functions; prints a line each and the closing line; exit status for meson (77: all skipped)."""
    failed = skipped = 0
    for case in cases:
        started = time.monotonic()
        try:
            case()
            print(f"ok      {case.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"skipped {case.__name__}: {reason}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            import traceback
            failed += 1
            traceback.print_exc()
            print(f"FAILED  {case.__name__}: {error}", flush=True)
    return 1 if failed else 77 if skipped == len(cases) else 0
