"""Sends a real service whatever its own OpenAPI document allows, and what it does not, as each role and as nobody.

    cargo xtask api

The service is `zhoubao demo` in a folder of its own. A server error, an answer that the document does not describe, or a
service that is not ready afterwards fails the run; what schemathesis prints says how to send the request again.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

# Whoever holds every right gets beyond the gate on every route; the others meet it.
EVERYBODY = {
    "everything": ["ADMINISTER", "AUTHORIZE", "EDIT", "SIGN", "RECORD", "CORRECT", "LATE_ENTRY", "SUBMIT", "INSPECT", "RELEASE"],
    "administrator": ["ADMINISTER"],
    "editor": ["EDIT"],
    "approver": ["SIGN"],
    "department": ["SUBMIT"],
    "inspector": ["INSPECT"],
    "clerk": ["RECORD"],
    "reviser": ["RELEASE"],
    "viewer": [],
    "nobody": None,
}

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
]

# Events without an end: tests/e2e/readers.rs.
ENDLESS = ["/v1/board/live"]

PASSWORD = "horse battery 7 staple"


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing: what matters is the cookie of the answer."""

    def redirect_request(self, *_):
        return None


class Service:
    """A demo with its pages."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.process = subprocess.Popen(
            [program, "demo", "--dir", folder, "--listen", "127.0.0.1:0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stderr:
            if found := re.search(r"(http://[0-9.]+:[0-9]+)/welcome", line):
                self.url = found[1]
                break
        else:
            sys.exit("the demo ended before its pages were there")
        # What it says later is kept: a panic is a finding, whatever was answered.
        self.said = []
        threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True).start()

    def run(self, *arguments):
        command = [self.program, "--dir", self.folder, *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout or "null")

    def answer(self, path, headers=None, form=None):
        body = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(self.url + path, body, headers or {})
        try:
            return urllib.request.build_opener(Stay).open(request)
        except urllib.error.HTTPError as answer:
            return answer

    def enter(self, name, rights):
        """Makes a person with these rights, and answers with the headers of his requests."""
        entry = pathlib.Path(self.folder) / f"{name}.json"
        entry.write_text(json.dumps({"rights": rights, "active": True}))
        self.run("setup", "put", "user", name, str(entry), "--by", "a01")
        link = self.run("account", "link", name, "--url", self.url)["link"]
        form = {"link": link.split("link=")[1], "password": PASSWORD, "again": PASSWORD}
        answer = self.answer("/welcome", form=form)
        if answer.status != 303:
            sys.exit(f"{name} is not let in: {answer.status}")
        cookie = answer.headers["set-cookie"].split(";")[0]
        # The pages know of a new person when they next look at the read models.
        until = time.monotonic() + 30
        while (answer := self.answer("/v1/me", {"Cookie": cookie})).status != 200:
            if time.monotonic() > until:
                sys.exit(f"{name} is not known: {answer.status}")
            time.sleep(0.2)
        return {"Cookie": cookie, "X-CSRF-Token": json.load(answer)["csrf"]}

    def trouble(self):
        """What is wrong with the service after all that."""
        if self.process.poll() is not None:
            return f"it ended with {self.process.returncode}"
        ready = self.answer("/readyz")
        if ready.status != 200:
            return f"it is not ready: {ready.read().decode()}"
        panics = [it for it in self.said if "panicked" in it]
        return f"it panicked: {panics[0]}" if panics else None

    def end(self):
        self.process.terminate()
        self.process.wait(30)


def same_type(schema):
    """Arrays of a fixed length as arrays of one type, which schemathesis can check: they all hold strings."""
    if isinstance(schema, list):
        return [same_type(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: same_type(it) for key, it in schema.items()}
    if first := schema.pop("prefixItems", None):
        schema["items"] = first[0]
    return schema


def document(service):
    """The service's own document, without the cookie: every request of a role has it, or none."""
    described = same_type(json.load(service.answer("/v1/openapi.json")))
    del described["security"]
    for path in ENDLESS:
        del described["paths"][path]
    path = pathlib.Path(service.folder) / "openapi.json"
    path.write_text(json.dumps(described))
    return str(path)


def fuzz(service, headers, examples, seed):
    program = pathlib.Path(sysconfig.get_path("scripts")) / "schemathesis"
    command = [program, "run", document(service), "--url", service.url, "--checks", ",".join(CHECKS)]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(examples)]
    command += ["--seed", str(seed), "--continue-on-failure", "--warnings", "off"]
    command += ["--request-timeout", "30", "--suppress-health-check", "all", "--workers", "1"]
    command += [it for name, value in headers.items() for it in ("--header", f"{name}: {value}")]
    # Where it finds how events are written.
    hooks = {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(pathlib.Path(__file__).parent.resolve())}
    return subprocess.run(command, cwd=service.folder, env=os.environ | hooks, check=False).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zhoubao", default="target/debug/zhoubao", help="the program")
    parser.add_argument("--examples", type=int, default=30, help="random requests of each kind to each route")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same")
    parser.add_argument("--role", action="append", choices=EVERYBODY, help="only this one; may be repeated")
    arguments = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="zhoubao-api-") as folder:
        program = str(pathlib.Path(arguments.zhoubao).resolve())
        service = Service(program, str(pathlib.Path(folder) / "hall"))
        try:
            for name in arguments.role or EVERYBODY:
                rights = EVERYBODY[name]
                print(f"── {name}", flush=True)
                headers = {} if rights is None else service.enter(name, rights)
                # Whoever is refused everything needs few requests.
                few = name != "everything"
                examples = max(1, arguments.examples // 5) if few else arguments.examples
                if fuzz(service, headers, examples, arguments.seed):
                    failed.append(name)
                if trouble := service.trouble():
                    sys.exit(f"after {name}: {trouble}")
        finally:
            service.end()
    if failed:
        sys.exit(f"findings as {', '.join(failed)}")
    print("no findings")


if __name__ == "__main__":
    main()
