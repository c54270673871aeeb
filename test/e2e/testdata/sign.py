"""Signs mails with dkimpy: DKIM, or one more ARC set where cv is given. Reads
{key, mails: [{eml, domain, cv, results, canon}]} and writes the mails; bytes are base64."""
import base64
import json
import sys

import dkim

job = json.load(sys.stdin)
key = job["key"].encode()


def sign(m):
    eml, domain = base64.b64decode(m["eml"]), m["domain"].encode()
    if not m.get("cv"):
        canon = tuple(c.encode() for c in (m.get("canon") or "relaxed/relaxed").split("/"))
        return dkim.sign(eml, b"s", domain, key, canonicalize=canon, include_headers=[b"from", b"subject"]) + eml
    # It takes the results from a field of its own server, with the state of the chain.
    own = b"Authentication-Results: " + m["results"].encode() + b"; arc=" + m["cv"].encode() + b"\r\n"
    head = dkim.arc_sign(own + eml, b"s", domain, key, m["results"].split(";")[0].encode(),
                         include_headers=[b"from", b"subject"])
    return b"".join(head) + eml


print(json.dumps([base64.b64encode(sign(m)).decode() for m in job["mails"]]))
