"""The token of docs/identity.md: read (sections 1 to 3) and made (section 4)."""
import base64
import hashlib
import hmac
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes as algorithms
from cryptography.hazmat.primitives.asymmetric import ec, utils

import content
import hashes
from hashes import Refused, b64url
from strictjson import parse_object

FIELD = "X-MultiMail-Identity"
TYP = "multimail-identity+jwt"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
LINE, AGENT = 989, 36
NAMES = re.compile("[a-z0-9_]+")


def unbase64url(text):
    if not re.fullmatch("[A-Za-z0-9_-]*", text) or len(text) % 4 == 1:
        raise Refused("not base64url")
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64url(octets) != text:
        raise Refused("unused bits that are not zero")
    return octets


class Token:
    """One token whose form is good. Nothing is said about its signature."""

    def __init__(self, value):
        if len(value) > 4096 or not re.fullmatch(rb"[A-Za-z0-9_.\-]+", value) or value.count(b".") != 2:
            raise Refused("no token")
        self.signed, _, _ = value.rpartition(b".")
        protected, payload, self.signature = (unbase64url(part) for part in value.decode().split("."))
        header = parse_object(protected, NAMES, 5)
        if set(header) != {"alg", "kid", "typ"} or header["alg"] != "ES256" or header["typ"] != TYP:
            raise Refused("protected header")
        self.kid = header["kid"]
        if not isinstance(self.kid, str) or not re.fullmatch("[A-Za-z0-9_-]{16}", self.kid):
            raise Refused("kid")
        self.claims = read_claims(payload)
        if len(self.signature) != 64:
            raise Refused("length of the signature")

    def verify(self, key):
        r, s = (int.from_bytes(half, "big") for half in (self.signature[:32], self.signature[32:]))
        if not (0 < r < ORDER and 0 < s < ORDER):
            return False
        try:
            key.verify(utils.encode_dss_signature(r, s), self.signed, ec.ECDSA(algorithms.SHA256()))
        except InvalidSignature:
            return False
        return True


def whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def filled(value):
    return isinstance(value, str) and value != ""


def strings(value):
    return isinstance(value, list) and all(filled(v) for v in value)


TYPES = {
    "agent_ref": lambda v: isinstance(v, str),
    "ai_generated": lambda v: isinstance(v, bool),
    "approval": lambda v: isinstance(v, dict),
    "capabilities": strings,
    "iat": lambda v: whole(v) and 0 < v < 2**53,
    "mid": lambda v: isinstance(v, str),
    "rh": lambda v: isinstance(v, str),
    "service": lambda v: v == "multimail",
    "th": lambda v: isinstance(v, str),
    "verified_operator": lambda v: isinstance(v, bool),
}
TYPES |= {name: filled for name in ("iss", "sub", "jti", "bh", "operator", "oversight_mode")}
APPROVAL = {
    "at": lambda v: whole(v) and abs(v) < 2**53,
    "by": filled,
    "ref": lambda v: isinstance(v, str),
}
REQUIRED = {"approval", "bh", "iat", "iss", "jti", "operator", "oversight_mode", "service", "sub"}


def check(members, types, required):
    """The members without those that are null."""
    members = {name: value for name, value in members.items() if value is not None}
    for name, good in types.items():
        if name not in members:
            if name in required:
                raise Refused("no " + name)
        elif not good(members[name]):
            raise Refused("type of " + name)
    return members


def read_claims(payload):
    claims = check(parse_object(payload, NAMES, 5), TYPES, REQUIRED)
    claims["approval"] = check(claims["approval"], APPROVAL, {"by"})
    return claims


# 4: making


def make(release, mail, agent_key):
    """The payload of a release: the first form that fits."""
    lines, body = hashes.split_header(mail)
    fields = hashes.gather_fields(lines)
    (sender,) = hashes.values(fields, "From")
    local, _, domain = hashes.read_mailbox(sender).decode().partition("@")
    entry = bytes.fromhex(release["approval"]["entry"])
    claims = {
        "agent_ref": agent(release, agent_key),
        "ai_generated": True,
        "approval": {
            "at": release["approval"]["at"],
            "by": release["approval"]["by"],
            "ref": b64url(entry[:16]),
        },
        "bh": hashes.body_hash(body),
        "capabilities": sorted(set(release["capabilities"])),
        "iat": release["iat"],
        "iss": "https://" + domain.lower(),
        "jti": release["jti"],
        "mid": None if "message-id" in release["rewrites"] else hashes.id_hash(fields),
        "operator": release["operator"],
        "oversight_mode": release["mode"],
        "rh": maybe(hashes.recipients_hash, fields),
        "service": "multimail",
        "sub": local + "@" + domain.lower(),
        "th": maybe(content.content_hash, mail),
        "verified_operator": release["verified_operator"],
    }
    for without in (), ("th",), ("th", "rh"):
        payload = write({name: value for name, value in claims.items() if name not in without})
        if line_length(payload) <= LINE:
            return payload
    del claims["th"], claims["rh"]
    if claims["agent_ref"] is not None:
        claims["agent_ref"] = reference(release["agent"], agent_key)
    return write(claims)


def maybe(hash_of, what):
    try:
        return hash_of(what)
    except Refused:
        return None


def agent(release, key):
    if not release["agent"] or release["agent_ref"] == "none":
        return None
    if release["agent_ref"] == "hmac" or len(release["agent"].encode()) > AGENT:
        return reference(release["agent"], key)
    return release["agent"]


def reference(agent_id, key):
    return b64url(hmac.new(key, agent_id.encode(), hashlib.sha256).digest()[:16])


def protected(kid):
    return f'{{"alg":"ES256","kid":"{kid}","typ":"{TYP}"}}'


def line_length(payload):
    token = len(b64url(protected("k" * 16).encode())) + 1 + len(b64url(payload)) + 1 + len(b64url(bytes(64)))
    return len(FIELD + ": ") + token + len("\r\n")


def write(value):
    """A payload in the form of section 4.1. Members that are None are left out."""

    def text(v):
        if isinstance(v, bool):
            return "true" if v else "false"
        if isinstance(v, int):
            return str(v)
        if isinstance(v, str):
            return '"' + re.sub('["\\\\\x00-\x1f\u2028\u2029]', escape, v) + '"'
        if isinstance(v, list):
            return "[" + ",".join(text(member) for member in v) + "]"
        return "{" + ",".join(text(n) + ":" + text(v[n]) for n in sorted(v) if v[n] is not None) + "}"

    return text(value).encode()


def escape(m):
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
    return short.get(m[0]) or f"\\u{ord(m[0]):04x}"


def sign(payload, kid, private):
    signed = b64url(protected(kid).encode()) + "." + b64url(payload)
    return signed + "." + b64url(signature(signed.encode(), private))


def signature(signed, private):
    r, s = utils.decode_dss_signature(private.sign(signed, ec.ECDSA(algorithms.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
