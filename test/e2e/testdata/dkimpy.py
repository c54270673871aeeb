"""Verifies every DKIM signature of a mail file with dkimpy and a fixed DNS."""
import json
import os
import sys

import dkim

zone = json.loads(os.environ["DNS"])


def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    value = zone.get(name.rstrip("."))
    return value.encode() if value else None


with open(sys.argv[1], "rb") as f:
    message = f.read()
n = message.lower().count(b"\ndkim-signature:") + message.lower().startswith(b"dkim-signature:")
d = dkim.DKIM(message)
print(json.dumps([d.verify(idx=i, dnsfunc=txt) for i in range(n)]))
