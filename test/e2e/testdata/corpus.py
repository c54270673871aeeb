# Reads the corpus with Python's email package and prints, for each message, one
# line of JSON: the attachments and texts that it finds. The test compares them
# with what package message makes of the same bytes.
import email, email.policy, hashlib, json, pathlib, re, sys

def content(part):
    data = part.get_payload(decode=True)
    return data if data is not None else b""

def text(part):
    data = content(part)
    charset = part.get_content_charset() or "utf-8"
    for name in (charset, "windows-1252"):
        try:
            return data.decode(name)
        except (LookupError, UnicodeDecodeError):
            pass
    return data.decode("latin-1")

def leaves(msg):
    """The parts that are not cut further; of an alternative those of the page, if it has one."""
    if msg.get_content_maintype() == "message" or not msg.is_multipart():
        yield msg
        return
    parts = msg.get_payload()
    page = any(p.get_content_type() == "text/html" for q in parts for p in q.walk())
    for part in parts:
        if msg.get_content_type() == "multipart/alternative" and page and part.get_content_type() == "text/plain":
            continue
        yield from leaves(part)

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.eml")):
    raw = re.sub(rb"\r?\n", b"\r\n", path.read_bytes()) # as SMTP carries it
    if path.name == "own-depth-of-60.eml":
        continue
    msg = email.message_from_bytes(raw, policy=email.policy.compat32)
    out = {"file": path.stem, "attachments": [], "texts": []}
    for part in leaves(msg):
        kind = part.get_content_type()
        disposition = (part.get_content_disposition() or "")
        name = part.get_filename()
        if part.is_multipart(): # a message inside, which Python has taken apart
            out["attachments"].append({"type": kind, "sha256": "", "size": -1})
        elif disposition == "attachment" or name or part.get_content_maintype() not in ("text", "multipart"):
            data = content(part)
            out["attachments"].append({"type": kind, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})
        elif kind == "text/plain":
            out["texts"].append(text(part))
    print(json.dumps(out))
