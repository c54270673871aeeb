"""Keys of docs/identity.md, section 7: the key document and the DNS records."""
import base64
import binascii
import hashlib
import json
import re

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hashes import Refused, b64url
from statement import unbase64url, whole
from strictjson import parse_object

PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
DOCUMENT = 256 << 10
STATES = ("next", "current", "retired", "revoked")
REASONS = ("compromised", "superseded", "ceased")


def kid_of(x, y):
    text = json.dumps({"crv": "P-256", "kty": "EC", "x": b64url(x), "y": b64url(y)}, separators=(",", ":"))
    return b64url(hashlib.sha256(text.encode()).digest())[:16]


def point(x, y):
    """The public key of two coordinates."""
    if len(x) != 32 or len(y) != 32:
        raise Refused("length of a coordinate")
    a, b = int.from_bytes(x, "big"), int.from_bytes(y, "big")
    if not (a < PRIME and b < PRIME and (b * b - a * a * a + 3 * a - B) % PRIME == 0):
        raise Refused("no point of the curve")
    return ec.EllipticCurvePublicNumbers(a, b, ec.SECP256R1()).public_key()


def find(document, kid, iat, received_at=None):
    """The key of a document, if it counts for a token."""
    if document is None:
        raise Refused("no document")
    if len(document) > DOCUMENT:
        raise Refused("document too large")
    whole_document = parse_object(document)
    keys = whole_document.get("keys")
    if keys is None:
        keys = []
    if not isinstance(keys, list) or not all(isinstance(k, dict) for k in keys):
        raise Refused("keys")
    named = [k for k in keys if k.get("kid") == kid]
    if not named and whole_document.get("kid") == kid:
        named = [whole_document]
    if len(named) != 1:
        raise Refused("no key, or two")
    jwk = {name: value for name, value in named[0].items() if value is not None}
    public = read_jwk(jwk)
    judge(jwk, iat, received_at)
    return public


def read_jwk(jwk):
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise Refused("another kind of key")
    if jwk.get("alg", "ES256") != "ES256" or jwk.get("use", "sig") != "sig":
        raise Refused("a key for something else")
    uses = jwk.get("key_ops", ["verify"])
    if not isinstance(uses, list) or "verify" not in uses:
        raise Refused("a key that verifies nothing")
    x, y = jwk.get("x"), jwk.get("y")
    if not isinstance(x, str) or not isinstance(y, str):
        raise Refused("coordinates")
    x, y = unbase64url(x), unbase64url(y)
    public = point(x, y)
    if jwk["kid"] != kid_of(x, y):
        raise Refused("kid is not that of the key")
    return public


def judge(jwk, iat, received_at):
    state = jwk.get("state")
    if "state" in jwk and state not in STATES:
        raise Refused("state")
    for name in ("nbf", "retired_at", "revoked_at"):
        if name in jwk and not (whole(jwk[name]) and jwk[name] > 0):
            raise Refused("time")
    if state == "retired" and "retired_at" not in jwk:
        raise Refused("retired without a time")
    revoked = state == "revoked" or "revoked_at" in jwk or "reason" in jwk
    revoked_at = jwk.get("revoked_at", 0)
    named = jwk.get("reason") in REASONS and jwk["reason"] != "compromised"
    if revoked and not (named and "revoked_at" in jwk):
        if received_at is None or received_at >= revoked_at:
            raise Refused("compromised")
    if "retired_at" in jwk and iat > jwk["retired_at"]:
        raise Refused("retired")
    if revoked and iat > revoked_at:
        raise Refused("revoked")


def find_in_dns(records, kid):
    """The key of the one TXT record with this kid, section 7.3."""
    named = [tags for tags in map(read_record, records) if tags and tags.get("kid") == kid]
    if len(named) != 1:
        raise Refused("no record, or two")
    tags = named[0]
    if tags.get("alg") != "ES256":
        raise Refused("another algorithm")
    try:
        der = base64.b64decode(tags.get("p", ""), validate=True)
        public = serialization.load_der_public_key(der)
    except (binascii.Error, ValueError) as e:
        raise Refused("p: " + str(e)) from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise Refused("another kind of key")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    if public.public_bytes(serialization.Encoding.DER, form) != der:
        raise Refused("p is written in another form")
    n = public.public_numbers()
    if kid_of(n.x.to_bytes(32, "big"), n.y.to_bytes(32, "big")) != kid:
        raise Refused("kid is not that of the key")
    return public


def read_record(record):
    """The tags of a record of this kind, or nothing."""
    pairs = [tag.partition("=") for tag in re.split("[ \t]*;[ \t]*", record.strip(" \t;"))]
    tags = {name: value for name, _, value in pairs}
    return tags if pairs[0] == ("v", "=", "MMID1") and len(tags) == len(pairs) else None
