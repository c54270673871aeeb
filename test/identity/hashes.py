"""Messages, addresses and the hashes of docs/identity.md, section 5."""
import base64
import hashlib
import re

BLANKS = b" \t"


class Refused(Exception):
    """What was read has not the form that the page asks for."""


def b64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def short(octets):
    return b64url(hashlib.sha256(octets).digest()[:16])


def split_header(message):
    """Cut a message in two: the lines of its header without CRLF, and its body, or None without an empty line."""
    if message.startswith(b"\r\n"):
        return [], message[2:]
    header, end, body = message.partition(b"\r\n\r\n")
    if not end and header.endswith(b"\r\n"):
        header = header[:-2]
    return (header.split(b"\r\n") if header else []), (body if end else None)


def gather_fields(lines):
    """Join lines to fields: pairs of a name in lower case and all that follows the colon, unfolded."""
    fields = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if not fields:
                raise Refused("the first line begins with a blank")
            fields[-1][1] += line
            continue
        name, colon, value = line.partition(b":")
        if not colon or not re.fullmatch(rb"[\x21-\x7e]+", name):
            raise Refused("a line is no field")
        fields.append([name.lower(), value])
    return fields


def values(fields, name):
    return [value.strip(BLANKS) for n, value in fields if n == name.lower().encode()]


# 5.1


def relax_body(body):
    lines = body.split(b"\r\n")
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def body_hash(body):
    return base64.b64encode(hashlib.sha256(relax_body(body)).digest()).decode()


# 5.2

ATEXT = rb"A-Za-z0-9!#$%&'*+\-/=?^_`{|}~"
RUN = re.compile(rb"[" + ATEXT + rb".]+@[A-Za-z0-9.\-]+")
WORD = re.compile(rb"[" + ATEXT + rb".]+" + rb'|"(?:[\t\x20\x21\x23-\x3f\x41-\x5b\x5d-\x7e]|\\["\\])*"')
LOCAL = re.compile(rb"[" + ATEXT + rb"]+(?:\.[" + ATEXT + rb"]+)*")
LABEL = re.compile(rb"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?")


def check_address(address):
    local, _, domain = address.partition(b"@")
    labels = domain.split(b".")
    good = (
        len(address) <= 254
        and len(local) <= 64
        and LOCAL.fullmatch(local)
        and b"=?" not in local
        and len(domain) <= 253
        and len(labels) > 1
        and all(LABEL.fullmatch(label) for label in labels)
        and not re.fullmatch(rb"[0-9]+", labels[-1])
    )
    if not good:
        raise Refused("no address")
    return address


class Scanner:
    """Reads a value by the grammar of section 5.2."""

    def __init__(self, value):
        self.value, self.at = value, 0

    def blanks(self):
        while self.value[self.at : self.at + 1] in (b" ", b"\t"):
            self.at += 1

    def end(self):
        self.blanks()
        return self.at == len(self.value)

    def match(self, pattern):
        self.blanks()
        m = pattern.match(self.value, self.at)
        if m:
            self.at = m.end()
        return m and m[0]

    def sign(self, sign):
        self.blanks()
        found = self.value.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def expect(self, sign):
        if not self.sign(sign):
            raise Refused("expected " + sign.decode())

    def phrase(self):
        words = 0
        while self.match(WORD):
            words += 1
        return words > 0

    def item(self, group=True):
        self.blanks()
        if run := self.match(RUN):
            return [check_address(run)]
        named = self.phrase()
        if self.sign(b"<"):
            # The vectors refuse blanks just inside of the brackets.
            run = RUN.match(self.value, self.at)
            if not run or self.value[run.end() : run.end() + 1] != b">":
                raise Refused("expected an address in brackets")
            self.at = run.end() + 1
            return [check_address(run[0])]
        if not named or not group:
            raise Refused("expected <")
        self.expect(b":")
        if self.sign(b";"):
            return []
        members = self.item(group=False)
        while self.sign(b","):
            members += self.item(group=False)
        self.expect(b";")
        return members


def read_mailbox(value):
    s = Scanner(value)
    (address,) = s.item(group=False)
    if not s.end():
        raise Refused("more than one mailbox")
    return address


def read_list(value):
    s = Scanner(value)
    if s.end():
        return []
    items = s.item()
    while not s.end():
        s.expect(b",")
        items += s.item()
    return items


def recipients(fields):
    """All addresses of To and Cc as they are hashed."""
    found = []
    for name in ("To", "Cc"):
        there = values(fields, name)
        if len(there) > 1:
            raise Refused("two fields " + name)
        for value in there:
            found += read_list(value)
    return sorted(address.lower() for address in found)


def recipients_hash(fields):
    return short(b"\n".join(recipients(fields)))


# 5.3


def id_hash(fields):
    there = values(fields, "Message-ID")
    if len(there) != 1:
        raise Refused("not one Message-ID")
    m = re.fullmatch(rb'<([\x21\x23-\x27\x2a\x2b\x2d-\x3a\x3d\x3f-\x5b\x5d-\x7e]+)>', there[0])
    if not m:
        raise Refused("another form of Message-ID")
    return short(m[1])
