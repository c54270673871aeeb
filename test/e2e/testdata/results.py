"""Reads the Authentication-Results fields of a JSON list with python3-authres."""
import json
import sys

import authres

out = []
for field in json.load(sys.stdin):
    h = authres.AuthenticationResultsHeader.parse(field.replace("\r\n", ""))
    out.append([h.authserv_id] + [f"{r.method}={r.result}" for r in h.results])
print(json.dumps(out))
