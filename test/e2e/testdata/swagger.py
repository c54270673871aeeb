"""Loads a Swagger document by its address, checks it, and sends, lists and reads a mail by nothing else.

Usage: swagger.py DOCUMENT KEY MAILBOX
"""

import json
import sys
import urllib.parse
import urllib.request

from swagger_spec_validator.validator20 import validate_spec

address, key, mailbox = sys.argv[1:]
with urllib.request.urlopen(address, timeout=20) as answer:
    document = json.load(answer)
validate_spec(document, address)


def call(operation, body=None, **path):
    """Calls an operation by its operationId, as the document describes it."""
    for template, methods in document["paths"].items():
        for method, op in methods.items():
            if op["operationId"] != operation:
                continue
            names = {p["name"] for p in op.get("parameters", []) if p["in"] == "path"}
            if names != set(path):
                raise SystemExit(f"{operation} takes {names}")
            target = template.format(**{k: urllib.parse.quote(v, safe="") for k, v in path.items()})
            url = f"{document['schemes'][0]}://{document['host']}{document['basePath']}{target}"
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(url, data, method=method.upper())
            scheme = document["securityDefinitions"]["apiKey"]
            request.add_header(scheme["name"], key)  # as a connector does: no Bearer before it
            request.add_header("Content-Type", document["consumes"][0])
            with urllib.request.urlopen(request, timeout=20) as answer:
                if str(answer.status) not in op["responses"]:
                    raise SystemExit(f"{operation} answers {answer.status}")
                return json.load(answer)
    raise SystemExit(f"no operation {operation}")


sent = call("send_any", {"to": ["ada@dest.test"], "subject": "By its document", "markdown": "Good *morning*."})
listed = [m["id"] for m in call("check_inbox", id=mailbox)["emails"]]
if sent["id"] not in listed:
    raise SystemExit(f"{sent['id']} is not in {listed}")
read = call("read_email", id=mailbox, email=sent["id"])
print(len(document["paths"]), read["subject"], read["status"])
