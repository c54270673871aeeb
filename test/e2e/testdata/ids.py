"""Reads the authserv-id of each Authentication-Results field of a JSON list with
python3-authres, and with the parser of the email package before it; "" where it cannot."""
import email
import email.policy
import json
import sys

import authres


def read(field, policy):
    try:
        m = email.message_from_bytes(field.encode("utf-8", "surrogateescape") + b"\r\n", policy=policy)
        value = str(m["Authentication-Results"])
        return authres.AuthenticationResultsHeader.parse_value(value).authserv_id
    except Exception:  # it reads nothing
        return ""


out = []
for field in json.load(sys.stdin):
    out.append([read(field, p) for p in (email.policy.compat32, email.policy.default)])
print(json.dumps(out))
