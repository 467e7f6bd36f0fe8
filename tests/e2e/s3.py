"""A bucket in memory that checks signatures (AWS signature version 4) as S3 does: put, get, list. Pages of listings are small, so
that going on to the next one is tried."""

import hashlib
import hmac
import http.server
import threading
import urllib.parse
from xml.sax.saxutils import escape

PAGE = 2


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Bucket:
    def __init__(self, name="pages", access_key="AKIDEXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                 region="eu-central-1"):
        self.name, self.access_key, self.secret_key, self.region = name, access_key, secret_key, region
        self.objects, self.refused, self.fail_next = {}, [], 0
        self.after_put = None
        bucket = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, body=b"", kind="application/xml"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def refuse(self, status, code, message):
                bucket.refused.append((status, code, message))
                self.answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())

            def begin(self, body):
                if bucket.fail_next > 0:
                    bucket.fail_next -= 1
                    self.refuse(503, "SlowDown", "again, please")
                    return False
                problem = bucket.signature_problem(self, body)
                if problem:
                    self.refuse(403, "SignatureDoesNotMatch", problem)
                return not problem

            def key(self):
                path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
                prefix = f"/{bucket.name}"
                if path != prefix and not path.startswith(prefix + "/"):
                    return None
                return path[len(prefix) + 1:]

            def do_PUT(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.begin(body):
                    bucket.objects[self.key()] = body
                    self.answer(200)
                    if bucket.after_put:
                        bucket.after_put(self.key())

            def do_GET(self):
                if not self.begin(b""):
                    return
                if not self.key():
                    self.answer(200, bucket.listing(urllib.parse.urlsplit(self.path).query))
                elif self.key() in bucket.objects:
                    self.answer(200, bucket.objects[self.key()], "application/octet-stream")
                else:
                    self.refuse(404, "NoSuchKey", "The specified key does not exist.")

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # clients that are killed in the middle are what is tested
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": self.region, "AWS_ENDPOINT_URL": self.endpoint}

    def signature_problem(self, request, body):
        """What is wrong with the request's signature; None if it is right. Written from AWS' description of the algorithm."""
        header = request.headers.get("Authorization", "")
        if not header.startswith("AWS4-HMAC-SHA256 "):
            return "not signed"
        fields = dict(part.strip().split("=", 1) for part in header[len("AWS4-HMAC-SHA256 "):].split(","))
        key, date, region, service, end = fields["Credential"].split("/")
        if (key, region, service, end) != (self.access_key, self.region, "s3", "aws4_request"):
            return f"credential {fields['Credential']}"
        claimed = request.headers.get("x-amz-content-sha256", "")
        if claimed != hashlib.sha256(body).hexdigest():
            return f"x-amz-content-sha256 {claimed} is not that of the body"
        signed = fields["SignedHeaders"].split(";")
        if "host" not in signed or "x-amz-date" not in signed or "x-amz-content-sha256" not in signed:
            return f"signed headers {signed}"
        absent = [name for name in signed if name not in request.headers]
        if absent:
            return f"signed, but not sent: {absent}"
        url = urllib.parse.urlsplit(request.path)
        pairs = sorted(url.query.split("&")) if url.query else []
        query = "&".join(pair if "=" in pair else pair + "=" for pair in pairs)
        headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed)
        canonical = "\n".join([request.command, url.path, query, headers, fields["SignedHeaders"], claimed])
        scope = f"{date}/{region}/{service}/{end}"
        text = "\n".join(["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        signing = ("AWS4" + self.secret_key).encode()
        for part in (date, region, service, end):
            signing = _hmac(signing, part)
        wanted = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
        return None if wanted == fields["Signature"] else "the signature we calculated is another"

    def listing(self, query):
        asked = dict(urllib.parse.parse_qsl(query))
        prefix, start = asked.get("prefix", ""), asked.get("continuation-token", "")
        folders = sorted({prefix + key[len(prefix):].split("/")[0] + "/" for key in self.objects
                          if key.startswith(prefix) and "/" in key[len(prefix):]})
        rest = [folder for folder in folders if folder > start]
        page = rest[:PAGE]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(rest) > PAGE else ""
        inner = "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in page)
        return f'<?xml version="1.0"?><ListBucketResult>{more}{inner}</ListBucketResult>'.encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
