"""Mails, keys and records that somebody changed, and beside them some that have to pass.

All are made from the first vector of payload.json with its key: what is wrong with each is one thing alone.
"""
import base64
import hashlib
import hmac
import json
import re
import sys

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

import statement
import verify
from statement import ORDER, b64url, unbase64url

SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
IAT = 1772625600  # that of the vector
INVALID = "invalid"


def private(jwk):
    return ec.derive_private_key(int.from_bytes(unbase64url(jwk["d"]), "big"), ec.SECP256R1())


def public(jwk, **more):
    return {name: value for name, value in jwk.items() if name != "d"} | more


def document(*listed):
    """A document of one bare key, or of the keys of a set with the first of them as the current one."""
    top = {name: listed[0][name] for name in ("kty", "crv", "x", "y", "use", "alg", "kid")}
    return json.dumps(top | {"keys": list(listed)}).encode()


class Base:
    """The mail of the vector, its payload and its key, and everything that is made anew from them."""

    def __init__(self, file):
        vector = file["vectors"][0]
        self.jwk, self.key = file["key"], private(file["key"])
        self.kid = self.jwk["kid"]
        self.rest, self.payload = vector["mail"].encode("latin-1"), vector["payload"]
        self.header = file["protected"]
        self.document = document(public(self.jwk, state="current", nbf=IAT - 1000))
        self.token = self.sign()
        self.mail = self.field(self.token) + self.rest

    def sign(self, header=None, payload=None, key=None):
        header, payload = header or self.header, payload or self.payload
        signed = b64url(octets(header)) + "." + b64url(octets(payload))
        return signed + "." + b64url(statement.signature(signed.encode(), key or self.key))

    def field(self, token, name=statement.FIELD):
        return f"{name}: {token}\r\n".encode()

    def swap(self, old, new, text=None):
        """The mail or a text with one thing replaced."""
        text = self.mail if text is None else text
        assert text.count(old) == 1, old
        return text.replace(old, new)

    def claims(self, old, new):
        return self.field(self.sign(payload=self.swap(old, new, self.payload))) + self.rest

    def protected(self, old, new):
        return self.field(self.sign(header=self.swap(old, new, self.header))) + self.rest

    def signature(self, octets_of):
        signed, _, signature = self.token.rpartition(".")
        signature = unbase64url(signature)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        return self.field(signed + "." + b64url(octets_of(r, s))) + self.rest


def octets(text):
    return text if isinstance(text, bytes) else text.encode()


def raw(r, s):
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def loose(part):
    """The same octets in base64url with a bit set that decoders drop."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


def messages(b):
    two = b.field(b.token) + b.mail
    yield "the mail as it is", b.mail, "valid", []
    yield "LF alone at all ends of lines", b.mail.replace(b"\r\n", b"\n"), "valid", []
    yield "LF alone, and one CR", b.mail.replace(b"\r\n", b"\n") + b"\r\n", INVALID, ["message"]
    yield "two fields", two, INVALID, ["header"]
    blank = b.field("x", statement.FIELD + " "), b.field(b.token, statement.FIELD + "\t")
    yield "a second field with a blank before its colon", blank[0] + b.mail, INVALID, ["message"]
    yield "the field with a blank before its colon", blank[1] + b.rest, INVALID, ["message"]
    yield "the field in a Subject that is folded", b"X: x\r\n " + b.mail, "none", []
    yield "the field behind the header", b"X: x\r\n\r\n" + b.mail, "none", []
    yield "another word in the body", b.swap(b"here it is", b"here it was"), "unbound", ["body", "content"]
    yield "a paragraph more", b.mail + b"Pay at once.\r\n", "unbound", ["body", "content"]
    yield "another mailbox in From", b.swap(b"<bot@", b"<boss@"), INVALID, ["sender"]
    yield "From in other case", b.swap(b"<bot@", b"<Bot@"), INVALID, ["sender"]
    yield "another domain in From", b.swap(b"<bot@example.com>", b"<bot@example.net>"), INVALID, ["issuer"]
    yield "the domain in capitals is the same", b.swap(b"<bot@example.com>", b"<bot@EXAMPLE.com>"), "valid", []
    yield "From with a group", b.swap(b"Example Bot <bot@example.com>", b"x: bot@example.com;"), INVALID, ["from"]
    yield "an address in a name", b.swap(b"Example Bot", b'"ceo@example.com"'), INVALID, ["from"]
    yield "another Message-ID", b.swap(b"<1@", b"<2@"), "unbound", ["message_id"]
    yield "Message-ID twice", b"Message-ID: <2@example.com>\r\n" + b.mail, INVALID, ["message"]
    yield "another recipient", b.swap(b"bob@y", b"eve@y"), "unbound", ["recipients"]
    yield "X-AI-Generated: false", b"X-AI-Generated: false\r\n" + b.mail, "unbound", ["ai_generated"]
    yield "X-AI-Generated: true, false", b"X-AI-Generated: true, false\r\n" + b.mail, "unbound", ["ai_generated"]
    yield "a NUL in the body", b.swap(b"here", b"he\0re"), INVALID, ["message"]
    yield "LF alone in the body", b.swap(b"here", b"\nhere"), INVALID, ["message"]
    yield "CR alone in a field", b.swap(b"Offer", b"Offer\rX: x"), INVALID, ["message"]
    yield "a last line without end", b.mail[:-2], INVALID, ["message"]
    yield "a line of blanks in the header", b.swap(b"Offer", b"Offer\r\n \t"), INVALID, ["message"]
    yield "a blank line in place of the empty one", b.swap(b"\r\n\r\nDear", b"\r\n \r\nDear"), INVALID, ["message"]
    yield "UTF-8 in a field", b.swap(b"Offer", "Öffer".encode()), INVALID, ["message"]
    yield "a first line that begins with a blank", b" x\r\n" + b.mail, INVALID, ["message"]
    yield "text in base64", b.swap(
        b"\r\n\r\nDear Ann,\r\n\r\nhere it is.\r\n",
        b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"Dear Ann,\n\nhere it is.\n") + b"\r\n",
    ), "valid-text", ["body"]
    text = b"\r\n\r\nDear Ann,\r\n\r\nhere it is.\r\n"
    parts = b"--b" + text + b"--b\r\nContent-Type: text/html\r\n\r\n<p>Pay at once.</p>\r\n--b--\r\n"
    beside = b.swap(b"text/plain; charset=utf-8" + text, b"multipart/alternative; boundary=b\r\n\r\n" + parts)
    yield "another text beside it in HTML", beside, "unbound", ["body", "content"]


def tokens(b):
    def token(text):
        return b.field(text) + b.rest

    header, payload, signature = b.token.split(".")
    signed = header + "." + payload
    pem = b.key.public_key().public_bytes(serialization.Encoding.PEM, SPKI)
    none = b64url(b.swap('"ES256"', '"none"', b.header).encode()) + "." + payload
    symmetric = b64url(b.swap('"ES256"', '"HS256"', b.header).encode()) + "." + payload
    mac = b64url(hmac.new(pem, symmetric.encode(), hashlib.sha256).digest())
    longer = b.payload.replace("Example Ltd", "Example Limited")
    spare = next(p for p in (b.payload, longer) if len(p.encode()) % 3)
    loose_payload = header + "." + loose(b64url(spare.encode()))
    loose_signed = loose_payload + "." + b64url(statement.signature(loose_payload.encode(), b.key))
    assert not b.header.startswith(" ") and len(b.header.encode()) % 3
    loose_header = loose(header) + "." + payload
    loose_header += "." + b64url(statement.signature(loose_header.encode(), b.key))
    bad = [
        ("alg none without a signature", none + "."),
        ("alg none with the signature", none + "." + signature),
        ("HS256 with the public key", symmetric + "." + mac),
        ("HS256 in 64 octets", symmetric + "." + b64url(unbase64url(mac) * 2)),
        ("a bit set in the unused bits of the header", loose_header),
        ("a bit set in the unused bits of the payload", loose_signed),
        ("a bit set in the unused bits of the signature", signed + "." + loose(signature)),
        ("padding", b.token + "=="),
        ("the standard alphabet", signed + "." + signature.replace("-", "+").replace("_", "/") + "+"),
        ("a blank in the middle", signed + ". " + signature),
        ("a tab in the middle", signed + ".\t" + signature),
        ("folded", signed + ".\r\n " + signature),
        ("a comment", b.token + " (good)"),
        ("in quotes", f'"{b.token}"'),
        ("a dot at the end", b.token + "."),
        ("a signature of 65 octets", signed + "." + b64url(b"\0" + unbase64url(signature))),
    ]
    for name, text in bad:
        yield name, token(text), INVALID, ["header"]
    yield "another payload under the signature", token(
        header + "." + b64url(b.swap("gated_send", "autonomous", b.payload).encode()) + "." + signature
    ), INVALID, ["signature"]
    yield "by another key", token(b.sign(key=ec.generate_private_key(ec.SECP256R1()))), INVALID, ["signature"]
    yield "DER", b.signature(utils.encode_dss_signature), INVALID, ["header"]
    yield "the other s", b.signature(lambda r, s: raw(r, ORDER - s)), "valid", []
    for name, change in [
        ("r is 0", lambda r, s: raw(0, s)),
        ("s is 0", lambda r, s: raw(r, 0)),
        ("both are 0", lambda r, s: raw(0, 0)),
        ("r is n", lambda r, s: raw(ORDER, s)),
        ("s is n", lambda r, s: raw(r, ORDER)),
        ("s is 2^256 - 1", lambda r, s: raw(r, 2**256 - 1)),
        ("r and s are 1", lambda r, s: raw(1, 1)),
        ("little-endian", lambda r, s: r.to_bytes(32, "little") + s.to_bytes(32, "little")),
    ]:
        yield name, b.signature(change), INVALID, ["signature"]


def objects(b):
    for name, member in [
        ("crit", '"crit":["exp"]'),
        ("zip", '"zip":"DEF"'),
        ("a nonce", '"nonce":"x"'),
        ("alg twice, equal", '"alg":"ES256"'),
        ("alg twice by an escape", '"\\u0061lg":"none"'),
        ("ALG", '"ALG":"none"'),
    ]:
        # Short enough for a line of 998 octets without the claim that is taken away.
        header = b.swap("{", "{" + member + ",", b.header)
        payload = re.sub('"agent_ref":"[^"]*",', "", b.payload)
        yield "header: " + name, b.field(b.sign(header, payload)) + b.rest, INVALID, ["header"]
    for name, old, new in [
        ("kid of 15 characters", b.kid, b.kid[1:]),
        ("kid of no key", b.kid, b.kid[::-1]),
        ("kid is null", f'"{b.kid}"', "null"),
        ("typ in other case", "multimail-identity+jwt", "Multimail-Identity+JWT"),
    ]:
        yield name, b.protected(old, new), INVALID, ["key" if name == "kid of no key" else "header"]
    for name, old, new in [
        ("iat twice", '"iat"', '"iat":1,"iat"'),
        ("sub twice by an escape", '"sub"', '"s\\u0075b":"x@example.com","sub"'),
        ("iss in capitals beside it", '"iss"', '"Iss":"x","iss"'),
        ("iat as a number with an exponent", f'"iat":{IAT}', '"iat":1772625600e0'),
        ("iat with a sign", f'"iat":{IAT}', f'"iat":-{IAT}'),
        ("iat is true", f'"iat":{IAT}', '"iat":true'),
        ("iat with a zero before it", f'"iat":{IAT}', f'"iat":0{IAT}'),
        ("no number", f'"iat":{IAT}', '"iat":NaN'),
        ("an operator that is null", '"operator":"Example Ltd"', '"operator":null'),
        ("a jti that is a fraction", '"jti":"01JZZZZZZZZZZZZZZZZZZZZZZZ"', '"jti":1.5'),
        ("an agent_ref with an exponent", '"agent_ref":"6f1e2d3c-0b1a-4c5d-8e9f-001122334455"', '"agent_ref":1e3'),
        ("a mid that is a number", '"mid":"SjAnenykIpjw4UZ8HRBE3g"', '"mid":1'),
        ("a control character in a string", "Example Ltd", "Example\nLtd"),
        ("a comma at the end", "true}", "true,}"),
        ("a second object", "true}", "true}{}"),
        ("single quotes", '"jti"', "'jti'"),
    ]:
        yield "payload: " + name, b.claims(old, new), INVALID, ["header"]
    utf16 = b"\xff\xfe" + '{"iat":1}'.encode("utf-16-le")
    yield "payload: UTF-16", b.field(b.sign(payload=utf16)) + b.rest, INVALID, ["header"]
    for iss in ("https://example.com/", "example.com", "https://example.com@x.test"):
        yield "iss: " + iss, b.claims('"https://example.com"', f'"{iss}"'), INVALID, ["issuer"]
    yield "sub of another", b.claims("bot@example.com", "boss@example.com"), INVALID, ["sender"]
    mid = '"mid":"SjAnenykIpjw4UZ8HRBE3g",'
    yield "without mid", b.claims(mid, ""), "valid", []
    yield "mid of another mail", b.claims("SjAnenykIpjw4UZ8HRBE3g", "S" * 22), "unbound", ["message_id"]


def documents(b):
    """Evidence with which the mail as it is gets judged."""
    plain, other = public(b.jwk), {}
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    other |= plain | {name: b64url(n.to_bytes(32, "big")) for name, n in (("x", numbers.x), ("y", numbers.y))}
    negative = b64url((2**256 - 1).to_bytes(32, "big"))
    revoked = plain | {"state": "revoked", "retired_at": IAT + 5, "revoked_at": IAT + 9}
    for name, good, *listed in [
        ("current", True, plain | {"state": "current"}),
        ("next", True, plain | {"state": "next"}),
        ("retired at the second of iat", True, plain | {"state": "retired", "retired_at": IAT}),
        ("retired before", False, plain | {"state": "retired", "retired_at": IAT - 1}),
        ("retired before, by a key that says current", False, plain | {"state": "current", "retired_at": IAT - 1}),
        ("superseded later", True, revoked | {"reason": "superseded"}),
        ("superseded before", False, revoked | {"reason": "superseded", "revoked_at": IAT - 1}),
        ("compromised later", False, revoked | {"reason": "compromised"}),
        ("revoked without a reason", False, revoked),
        ("a reason alone", False, plain | {"reason": "superseded"}),
        ("revoked for a reason in other case", False, revoked | {"reason": "Superseded"}),
        ("a negative time", False, plain | {"state": "current", "nbf": -1}),
        ("the key twice, once revoked", False, plain, revoked | {"reason": "compromised"}),
        ("another point under the kid", False, other),
        ("a coordinate beyond the field", False, plain | {"x": negative}),
        ("padding in a coordinate", False, plain | {"x": plain["x"] + "="}),
        ("of RSA", False, plain | {"kty": "RSA"}),
        ("of P-384", False, plain | {"crv": "P-384"}),
        ("for encryption", False, plain | {"use": "enc"}),
        ("of HS256", False, plain | {"alg": "HS256"}),
        ("that verifies", True, plain | {"key_ops": ["sign", "verify"]}),
        ("that signs alone", False, plain | {"key_ops": ["sign"]}),
        ("that does nothing", False, plain | {"key_ops": []}),
    ]:
        yield "key: " + name, verify.Evidence(document=document(*listed)), good
    yield "key: no document", verify.Evidence(), False
    yield "key: more than 256 KiB", verify.Evidence(document=b.document + b" " * (256 << 10)), False
    yield "key: two documents", verify.Evidence(document=b.document * 2), False
    compromised = document(revoked | {"reason": "compromised"})
    yield "key: compromised, received before", verify.Evidence(document=compromised, received_at=IAT + 8), True
    yield "key: compromised, received then", verify.Evidence(document=compromised, received_at=IAT + 9), False

    der = b.key.public_key().public_bytes(serialization.Encoding.DER, SPKI)
    p = base64.b64encode(der).decode()
    record = f"v=MMID1; kid={b.kid}; alg=ES256; p={p}"
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(serialization.Encoding.DER, SPKI)
    foreign = b.swap(p, base64.b64encode(stranger).decode(), record)
    for name, good, *records in [
        ("one record", True, record),
        ("a record of something else beside it", True, "v=spf1 -all", record),
        ("a record with another kid beside it", True, record.replace(b.kid, b.kid[::-1]), record),
        ("none", False),
        ("the record twice", False, record, record),
        ("another version", False, record.replace("MMID1", "MMID2")),
        ("another algorithm", False, record.replace("ES256", "none")),
        ("another key under the kid", False, foreign),
        ("p cut short", False, record[:-8]),
        ("kid twice", False, record + "; kid=" + b.kid),
    ]:
        yield "DNS: " + name, verify.Evidence(document=b.document, records=list(records)), good


def signed(b):
    """Mails with DKIM signatures, and what a verifier with their keys says."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    p = base64.b64encode(key.public_key().public_bytes(serialization.Encoding.DER, SPKI)).decode()
    zone = {f"s._domainkey.{domain}": f"v=DKIM1; k=rsa; p={p}" for domain in ("example.com", "example.net")}

    def sign(domain, *names):
        form = (b"relaxed", b"relaxed")
        names = [*names, b"from", b"subject"]
        return dkim.sign(b.mail, b"s", domain, pem, canonicalize=form, include_headers=names) + b.mail

    name = statement.FIELD.lower().encode()
    good = sign(b"example.com", name)
    for what, mail, status, failed in [
        ("good", good, "valid", []),
        ("no signature", b.mail, "unbound", ["dkim"]),
        ("the field is not in h=", sign(b"example.com"), "unbound", ["dkim"]),
        ("of another domain", sign(b"example.net", name), "unbound", ["dkim"]),
        ("another Subject", b.swap(b"Offer", b"Bill", good), "unbound", ["dkim"]),
        ("a bad one before a good one", b.swap(b"Offer", b"Bill", good).split(b"X-Multi")[0] + good, "valid", []),
    ]:
        yield "DKIM: " + what, mail, status, failed, verify.Evidence(document=b.document, dkim=zone)
    yield "DKIM: the key is gone", good, "unbound", ["dkim"], verify.Evidence(document=b.document, dkim={})


def cases(b):
    usual = verify.Evidence(document=b.document)
    for group in (messages, tokens, objects):
        for case in group(b):
            yield *case, usual
    for name, evidence, good in documents(b):
        yield name, b.mail, *(("valid", []) if good else (INVALID, ["key"])), evidence
    yield from signed(b)


def run(file):
    """Judge every case: how many were refused as they should, and how many cases were judged wrongly."""
    refused = wrong = 0
    for name, mail, status, failed, evidence in cases(Base(file)):
        report = verify.verify(mail, evidence)
        if (report.status, report.failed) != (status, failed):
            wrong += 1
            print(f"hostile: {name}\n  wanted {status} {failed}\n  got    {report}", file=sys.stderr)
        elif status not in ("valid", "valid-text"):
            refused += 1
    return refused, wrong
