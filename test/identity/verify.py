#!/usr/bin/python3
"""Checks the field X-MultiMail-Identity of a mail as docs/identity.md, section 8, says.

Written from that page alone. It fetches nothing: keys and DNS records are given to it.
"""
import argparse
import datetime
import email.utils
import json
import re
import sys
from dataclasses import dataclass, field

import content
import hashes
import keys
from hashes import Refused, gather_fields, values
from statement import FIELD, Token

LINE = 998
ONCE = """from sender to cc subject date message-id reply-to in-reply-to references mime-version content-type
    content-transfer-encoding content-disposition""".split()
EXIT = {"valid": 0, "valid-text": 0, "unbound": 1, "invalid": 1, "none": 1}


@dataclass
class Evidence:
    """What a verifier knows besides the mail."""

    document: bytes = None  # the key document of iss; None: there was no answer
    records: list = None  # TXT records in place of the document
    received_at: int = None  # by the verifier's own record
    dkim: dict = None  # TXT records by name; None: DKIM keys cannot be looked up


@dataclass
class Report:
    status: str
    failed: list = field(default_factory=list)
    reason: str = ""
    claims: dict = None
    bound_to_id: bool = False
    nothing_covers: list = field(default_factory=list)

    @property
    def exit(self):
        return EXIT[self.status]


def verify(mail, evidence):
    if b"\r" not in mail:
        mail = mail.replace(b"\n", b"\r\n")
    if not has_field(mail):
        return Report("none")
    run = Run(mail, evidence)
    for name in ("message", "header", "from", "issuer", "key", "signature", "sender"):
        try:
            getattr(run, name)()
        except Refused as e:
            return Report("invalid", [name], str(e))
    return run.judge()


def has_field(mail):
    """Step 1. A message that step 2 refuses is searched as well as it can be."""
    for line in re.split(rb"\r\n|\r|\n", mail):
        if not line:
            return False
        name, colon, _ = line.partition(b":")
        if colon and name.rstrip(b" \t").lower() == FIELD.lower().encode():
            return True
    return False


class Run:
    """The steps from 2 to 15, in their order."""

    def __init__(self, mail, evidence):
        self.mail, self.evidence = mail, evidence

    def message(self):
        if b"\0" in self.mail:
            raise Refused("NUL")
        if re.search(rb"\r(?!\n)|(?<!\r)\n", self.mail):
            raise Refused("CR or LF alone")
        if not self.mail.endswith(b"\r\n"):
            raise Refused("a last line without CRLF")
        if any(len(line) > LINE for line in self.mail.split(b"\r\n")):
            raise Refused("a long line")
        lines, self.body = hashes.split_header(self.mail)
        if self.body is None:
            raise Refused("no empty line behind the header")
        for line in lines:
            if not re.fullmatch(rb"[\t\x20-\x7e]*", line):
                raise Refused("an octet in a field")
            if not line.strip(b" \t"):
                raise Refused("a line of blanks")
        self.fields = gather_fields(lines)
        for name in ONCE:
            if len(values(self.fields, name)) > 1:
                raise Refused("two fields " + name)

    def header(self):
        there = values(self.fields, FIELD)
        if len(there) != 1:
            raise Refused("two fields")
        self.token = Token(there[0])
        self.claims = self.token.claims

    def _from(self):
        there = values(self.fields, "From")
        if not there:
            raise Refused("no From")
        address = hashes.read_mailbox(there[0]).decode()
        local, _, domain = address.partition("@")
        self.domain = domain.lower()
        self.address = local + "@" + self.domain
        hashes.id_hash(self.fields)

    def issuer(self):
        if self.claims["iss"] != "https://" + self.domain:
            raise Refused("iss is not the domain of From")

    def key(self):
        if self.evidence.records is not None:
            self.public = keys.find_in_dns(self.evidence.records, self.token.kid)
            return
        e = self.evidence
        self.public = keys.find(e.document, self.token.kid, self.claims["iat"], e.received_at)

    def signature(self):
        if not self.token.verify(self.public):
            raise Refused("signature")

    def sender(self):
        if self.claims["sub"] != self.address:
            raise Refused("sub is not the From address")

    def judge(self):
        checks = {
            "message_id": "mid" not in self.claims or self.is_hash("mid", hashes.id_hash, self.fields),
            "body": self.is_hash("bh", hashes.body_hash, self.body),
            "content": "th" not in self.claims or self.is_hash("th", content.content_hash, self.mail),
            "recipients": "rh" not in self.claims or self.is_hash("rh", hashes.recipients_hash, self.fields),
            "ai_generated": self.ai_generated(),
            "dkim": self.dkim(),
            "date": self.date(),
        }
        failed = [name for name, good in checks.items() if not good]
        counts = set(failed) - {"date"}
        if not counts:
            status = "valid"
        elif "body" in counts and counts <= {"body", "dkim"} and "th" in self.claims:
            status = "valid-text"
        else:
            status = "unbound"
        bound = "mid" in self.claims and "message_id" not in counts
        return Report(status, failed, "", self.claims, bound, self.nothing_covers(status))

    def is_hash(self, claim, hash_of, what):
        try:
            return self.claims[claim] == hash_of(what)
        except Refused:
            return False

    def ai_generated(self):
        there = values(self.fields, "X-AI-Generated")
        says = b"true" if self.claims.get("ai_generated") else b"false"
        return not there or there == [says]

    def dkim(self):
        """Whether a good signature of the From domain names the field; true if no keys can be looked up."""
        self.signed = []
        if self.evidence.dkim is None:
            return True
        import dkim

        def txt(name, timeout=5):
            name = name.decode() if isinstance(name, bytes) else name
            record = self.evidence.dkim.get(name.rstrip("."))
            return record and record.encode()

        for i, value in enumerate(values(self.fields, "DKIM-Signature")):
            tags = dict(tag.split(b"=", 1) for tag in re.sub(rb"[ \t]", b"", value).split(b";") if b"=" in tag)
            signed = tags.get(b"h", b"").lower().decode().split(":")
            if tags.get(b"d", b"").lower().decode() != self.domain or FIELD.lower() not in signed:
                continue
            try:
                good = dkim.DKIM(self.mail).verify(idx=i, dnsfunc=txt)
            except dkim.DKIMException:
                good = False
            if good:
                self.signed = signed
                return True
        return False

    def date(self):
        there = values(self.fields, "Date")
        try:
            date = email.utils.parsedate_to_datetime(there[0].decode())
            if date.tzinfo is None:
                date = date.replace(tzinfo=datetime.timezone.utc)
            after = date.timestamp() - self.claims["iat"]
        except (IndexError, ValueError, OverflowError):
            return False
        return -31 * 86400 <= after <= 600

    def nothing_covers(self, status):
        """The fields whose words nobody signed, the subject and the names first."""
        covered = {FIELD.lower()}
        if status in ("valid", "valid-text"):
            covered.add("x-ai-generated")
            covered |= {"message-id"} if "mid" in self.claims else set()
        if status == "valid":
            covered |= set(self.signed)
        found = {name.decode() for name, _ in self.fields} - covered
        parts = {"from": "names in from"}
        if "rh" in self.claims and status != "unbound":
            parts |= {"to": "names in to", "cc": "names in cc"}
        first = ["subject", "from", "to", "cc"]
        order = [n for n in first if n in found] + sorted(found - set(first))
        content_too = [] if status != "unbound" else ["the content"]
        return content_too + [parts.get(name, name) for name in order]


setattr(Run, "from", Run._from)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mail", help="file of the mail, or - for standard input")
    parser.add_argument("--document", help="file of the key document of iss")
    parser.add_argument("--record", action="append", help="TXT record of the key, in place of the document")
    parser.add_argument("--received-at", type=int, help="Unix time by the verifier's own record")
    parser.add_argument("--dkim", help="file with a JSON object of TXT records of DKIM keys by name")
    args = parser.parse_args()

    def read(name):
        if name == "-":
            return sys.stdin.buffer.read()
        with open(name, "rb") as f:
            return f.read()

    evidence = Evidence(
        document=read(args.document) if args.document else None,
        records=args.record,
        received_at=args.received_at,
        dkim=json.loads(read(args.dkim)) if args.dkim else None,
    )
    report = verify(read(args.mail), evidence)
    print(json.dumps(vars(report), indent=2))
    return report.exit


if __name__ == "__main__":
    sys.exit(main())
