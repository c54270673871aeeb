"""The hash of texts and attachments of docs/identity.md, section 6. Refused is what the page calls none."""
import base64
import hashlib
import re
import unicodedata

from hashes import BLANKS, Refused, gather_fields, short

PARTS, DEPTH, VALUE, TEXT = 1000, 10, 4096, 4_194_304
TOKEN = r'[!#$%&\'*+\-.0-9A-Z^_`a-z{|}~]+'
TYPE = re.compile(f"({TOKEN})/({TOKEN})")
PARAMETER = re.compile(rf'[ \t]*;[ \t]*({TOKEN})=({TOKEN}|"[\t\x20\x21\x23-\x5b\x5d-\x7e]+")')


def content_hash(message):
    frames = Content(message).frames()
    if not any(frames):
        raise Refused("no content")
    return short(b"".join(len(f).to_bytes(8, "big") + f for f in frames))


class Content:
    def __init__(self, message):
        self.entities = self.octets = 0
        self.plain, self.html, self.files = [], [], []
        self.read(message, 0)

    def frames(self):
        return [
            "\n".join(self.plain).encode(),
            "\n".join(self.html).encode(),
            b"".join(sorted(self.files)),
        ]

    def read(self, entity, depth):
        self.entities += 1
        if self.entities > PARTS:
            raise Refused("too many parts")
        if entity.startswith(b"\r\n"):
            header, body = b"", entity[2:]
        else:
            header, end, body = entity.partition(b"\r\n\r\n")
            if not end:
                raise Refused("a part without an empty line")
        fields = gather_fields(header.split(b"\r\n")) if header else []
        kind, attributes = content_type(one(fields, "content-type"))
        encoding = (one(fields, "content-transfer-encoding") or "7bit").lower()
        disposition = one(fields, "content-disposition")
        if disposition is not None:
            disposition = disposition.partition(";")[0].strip(" \t").lower()
            if disposition not in ("inline", "attachment"):
                raise Refused("disposition")
        if kind.startswith("multipart/"):
            if disposition == "attachment" or kind == "multipart/digest" or depth == DEPTH:
                raise Refused("multipart")
            if encoding not in ("7bit", "8bit", "binary"):
                raise Refused("an encoded multipart")
            for part in cut(body, attributes.get("boundary", "")):
                self.read(part, depth + 1)
            return
        octets = decode(body, encoding)
        if disposition == "attachment" or kind not in ("text/plain", "text/html"):
            self.files.append(hashlib.sha256(octets).digest())
            return
        if "delsp" in attributes:
            raise Refused("delsp")
        self.octets += len(octets)
        if self.octets > TEXT:
            raise Refused("too much text")
        text = decode_charset(octets, attributes.get("charset", "us-ascii").lower())
        if kind == "text/html":
            text = Page(text).read()
        text = words(text)
        if text:
            (self.html if kind == "text/html" else self.plain).append(text)


def one(fields, name):
    """The value of a field that may be there once."""
    there = [value for n, value in fields if n == name.encode()]
    if len(there) > 1 or any(len(value) > VALUE for value in there):
        raise Refused(name)
    return there[0].strip(BLANKS).decode("latin-1") if there else None


def content_type(value):
    if value is None:
        return "text/plain", {}
    m = TYPE.match(value)
    if not m:
        raise Refused("type")
    kind, attributes, at = m[0].lower(), {}, m.end()
    while p := PARAMETER.match(value, at):
        name, at = p[1].lower(), p.end()
        if name in attributes or name.startswith(("charset*", "boundary*")):
            raise Refused("attribute")
        attributes[name] = p[2].strip('"')
    if not re.fullmatch(r"[ \t]*;?", value[at:]):
        raise Refused("what follows the type")
    return kind, attributes


def cut(body, boundary):
    """The parts of a multipart, section 6.2."""
    if not re.fullmatch(r"[A-Za-z0-9'()+_,\-./:=?]{1,70}", boundary):
        raise Refused("boundary")
    mark = b"--" + boundary.encode()
    parts, begin, at = [], None, 0
    while at < len(body):
        end = body.find(b"\r\n", at)
        after = len(body) if end < 0 else end + 2
        line = body[at : len(body) if end < 0 else end]
        if line.startswith(mark):
            if begin is not None:
                parts.append(body[begin : max(begin, at - 2)])
            begin = after
            rest = line[len(mark) :].rstrip(BLANKS)
            if rest == b"--" and parts:
                return parts
            if rest:
                raise Refused("boundary line")
        at = after
    raise Refused("no last boundary line")


def decode(body, encoding):
    """Undo a transfer encoding, section 6.3."""
    if encoding in ("7bit", "8bit", "binary"):
        return body
    if encoding == "base64":
        text = re.sub(rb"[ \t\r\n]", b"", body)
        if len(text) % 4 or not re.fullmatch(rb"[A-Za-z0-9+/]*={0,2}", text):
            raise Refused("base64")
        return base64.b64decode(text)
    if encoding != "quoted-printable":
        raise Refused("encoding")
    lines = body.split(b"\r\n")
    out = []
    for i, line in enumerate(lines):
        line = line.rstrip(BLANKS)
        end = b"\r\n" if i < len(lines) - 1 else b""
        if line.endswith(b"="):
            line, end = line[:-1], b""
        if not re.fullmatch(rb"(?:=[0-9A-Fa-f]{2}|[\t\x20-\x3c\x3e-\x7e])*", line):
            raise Refused("quoted-printable")
        out.append(re.sub(rb"=(..)", lambda m: bytes([int(m[1], 16)]), line) + end)
    return b"".join(out)


CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
# 0x80 to 0x9F of windows-1252; 0 stands for none.
WINDOWS = (
    "20AC 0 201A 0192 201E 2026 2020 2021 02C6 2030 0160 2039 0152 0 017D 0 0 2018 2019 201C 201D "
    "2022 2013 2014 02DC 2122 0161 203A 0153 0 017E 0178"
)
WINDOWS = {0x80 + i: int(number, 16) for i, number in enumerate(WINDOWS.split())}


def decode_charset(octets, charset):
    """Section 6.4."""
    if charset in ("us-ascii", "utf-8"):
        try:
            text = octets.decode("ascii" if charset == "us-ascii" else "utf-8")
        except UnicodeDecodeError:
            raise Refused(charset) from None
    elif charset == "iso-8859-1":
        text = octets.decode("latin-1")
    elif charset == "windows-1252":
        text = octets.decode("latin-1").translate(WINDOWS)
    else:
        raise Refused("charset")
    if CONTROL.search(text):
        raise Refused("a control character")
    return text


SPACE = "\t\n\f\r "
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
REFUSED = set(
    "frameset iframe math noembed noframes noscript plaintext select svg template textarea xmp".split()
)
BLOCKS = set(
    """address article aside blockquote body br caption center dd details dialog dir div
    dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html
    legend li main menu nav ol optgroup option p pre section summary table tbody td tfoot th thead
    title tr ul""".split()
)
NAME = re.compile("[^\t\n\f\r />]*")
ATTRIBUTE = re.compile("[^\t\n\f\r />=]*")
BARE = re.compile("[^\t\n\f\r >]*")


def ascii_lower(text):
    return "".join(c.lower() if c in LETTERS else c for c in text)


class Page:
    """The text of HTML, section 6.5."""

    def __init__(self, page):
        self.page, self.at, self.text = page, 0, []

    def find(self, what):
        """Go behind what comes next."""
        found = self.page.find(what, self.at)
        if found < 0:
            raise Refused("no " + what)
        self.at = found + len(what)

    def read(self):
        page = self.page
        while self.at < len(page):
            begin = page.find("<", self.at)
            end = len(page) if begin < 0 else begin
            self.text.append(undo(page[self.at : end]))
            self.at = end
            if begin >= 0:
                self.markup(begin)
        text = "".join(self.text)
        if CONTROL.search(text):
            raise Refused("a control character")
        return text

    def markup(self, begin):
        page = self.page
        self.at = begin + 1
        first, second = page[begin + 1 : begin + 2], page[begin + 2 : begin + 3]
        if first and first in LETTERS:
            self.start()
        elif first == "/":
            if not second or second not in LETTERS:
                raise Refused("</")
            self.at += 1
            self.block(self.tag())
        elif page.startswith("!--", self.at):
            self.comment(begin)
        elif ascii_lower(page[self.at : self.at + 8]) == "!doctype" or first == "?":
            self.find(">")
        elif first == "!":
            raise Refused("<!")
        else:
            self.text.append("<")

    def block(self, name):
        if name in BLOCKS:
            self.text.append(" ")

    def start(self):
        name = self.tag()
        if name in REFUSED:
            raise Refused(name)
        self.block(name)
        if name not in ("script", "style", "title"):
            return
        end = re.compile(f"</{name}[\t\n\f\r />]", re.ASCII | re.IGNORECASE).search(self.page, self.at)
        if not end:
            raise Refused("no end of " + name)
        if name == "script" and "<!--" in self.page[self.at : end.start()]:
            raise Refused("a comment in a script")
        self.at = end.start()

    def comment(self, begin):
        self.at += 3
        if self.page.startswith((">", "->"), self.at):
            raise Refused("a short comment")
        self.find("-->")
        comment = self.page[begin : self.at]
        if "--!>" in comment or "[if" in ascii_lower(comment):
            raise Refused("comment")

    def skip(self, pattern):
        m = pattern.match(self.page, self.at)
        self.at = m.end()
        return m[0]

    def spaces(self, more=""):
        while self.at < len(self.page) and self.page[self.at] in SPACE + more:
            self.at += 1

    def tag(self):
        """Section 6.5.1."""
        name = ascii_lower(self.skip(NAME))
        while True:
            self.spaces("/")
            if self.at >= len(self.page):
                raise Refused("a tag without end")
            if self.page[self.at] == ">":
                self.at += 1
                return name
            self.at += 1
            self.skip(ATTRIBUTE)
            self.spaces()
            if not self.page.startswith("=", self.at):
                continue
            self.at += 1
            self.spaces()
            quote = self.page[self.at : self.at + 1]
            if quote in ('"', "'") and quote:
                self.at += 1
                self.find(quote)
            else:
                self.skip(BARE)


ENTITIES = """
    QUOT=22 quot=22 AMP=26 amp=26 apos=27 LT=3c lt=3c GT=3e gt=3e nbsp=a0 iexcl=a1 cent=a2 pound=a3
    curren=a4 yen=a5 brvbar=a6 sect=a7 uml=a8 COPY=a9 copy=a9 ordf=aa laquo=ab not=ac shy=ad REG=ae
    reg=ae macr=af deg=b0 plusmn=b1 sup2=b2 sup3=b3 acute=b4 micro=b5 para=b6 middot=b7 cedil=b8 sup1=b9
    ordm=ba raquo=bb frac14=bc frac12=bd frac34=be iquest=bf Agrave=c0 Aacute=c1 Acirc=c2 Atilde=c3
    Auml=c4 Aring=c5 AElig=c6 Ccedil=c7 Egrave=c8 Eacute=c9 Ecirc=ca Euml=cb Igrave=cc Iacute=cd
    Icirc=ce Iuml=cf ETH=d0 Ntilde=d1 Ograve=d2 Oacute=d3 Ocirc=d4 Otilde=d5 Ouml=d6 times=d7 Oslash=d8
    Ugrave=d9 Uacute=da Ucirc=db Uuml=dc Yacute=dd THORN=de szlig=df agrave=e0 aacute=e1 acirc=e2
    atilde=e3 auml=e4 aring=e5 aelig=e6 ccedil=e7 egrave=e8 eacute=e9 ecirc=ea euml=eb igrave=ec
    iacute=ed icirc=ee iuml=ef eth=f0 ntilde=f1 ograve=f2 oacute=f3 ocirc=f4 otilde=f5 ouml=f6 divide=f7
    oslash=f8 ugrave=f9 uacute=fa ucirc=fb uuml=fc yacute=fd thorn=fe yuml=ff OElig=152 oelig=153
    Scaron=160 scaron=161 Yuml=178 fnof=192 circ=2c6 tilde=2dc Alpha=391 Beta=392 Gamma=393 Delta=394
    Epsilon=395 Zeta=396 Eta=397 Theta=398 Iota=399 Kappa=39a Lambda=39b Mu=39c Nu=39d Xi=39e
    Omicron=39f Pi=3a0 Rho=3a1 Sigma=3a3 Tau=3a4 Upsilon=3a5 Phi=3a6 Chi=3a7 Psi=3a8 Omega=3a9 alpha=3b1
    beta=3b2 gamma=3b3 delta=3b4 epsilon=3b5 zeta=3b6 eta=3b7 theta=3b8 iota=3b9 kappa=3ba lambda=3bb
    mu=3bc nu=3bd xi=3be omicron=3bf pi=3c0 rho=3c1 sigmaf=3c2 sigma=3c3 tau=3c4 upsilon=3c5 phi=3c6
    chi=3c7 psi=3c8 omega=3c9 thetasym=3d1 upsih=3d2 piv=3d6 ensp=2002 emsp=2003 thinsp=2009 zwnj=200c
    zwj=200d lrm=200e rlm=200f ndash=2013 mdash=2014 lsquo=2018 rsquo=2019 sbquo=201a ldquo=201c
    rdquo=201d bdquo=201e dagger=2020 Dagger=2021 bull=2022 hellip=2026 permil=2030 prime=2032
    Prime=2033 lsaquo=2039 rsaquo=203a oline=203e frasl=2044 euro=20ac image=2111 weierp=2118 real=211c
    trade=2122 alefsym=2135 larr=2190 uarr=2191 rarr=2192 darr=2193 harr=2194 crarr=21b5 lArr=21d0
    uArr=21d1 rArr=21d2 dArr=21d3 hArr=21d4 forall=2200 part=2202 exist=2203 empty=2205 nabla=2207
    isin=2208 notin=2209 ni=220b prod=220f sum=2211 minus=2212 lowast=2217 radic=221a prop=221d
    infin=221e ang=2220 and=2227 or=2228 cap=2229 cup=222a int=222b there4=2234 sim=223c cong=2245
    asymp=2248 ne=2260 equiv=2261 le=2264 ge=2265 sub=2282 sup=2283 nsub=2284 sube=2286 supe=2287
    oplus=2295 otimes=2297 perp=22a5 sdot=22c5 lceil=2308 rceil=2309 lfloor=230a rfloor=230b loz=25ca
    spades=2660 clubs=2663 hearts=2665 diams=2666
"""
ENTITIES = {name: int(number, 16) for name, number in (e.split("=") for e in ENTITIES.split())}
# The names that stand for a character also without a semicolon.
BEGINNINGS = tuple(name for name, number in ENTITIES.items() if number < 0x100 and name != "apos")
REFERENCE = re.compile(r"&(?:#([0-9]+)(;?)|#[xX]([0-9A-Fa-f]+)(;?)|([0-9A-Za-z]*)(;?))")


def undo(text):
    """Character references, section 6.5.2."""
    return REFERENCE.sub(reference, text)


def reference(m):
    decimal, end, hexadecimal, end16, name, end_name = m.groups()
    if name is not None:
        if name and end_name:
            if name not in ENTITIES:
                raise Refused("&" + name)
            return chr(ENTITIES[name])
        if name.startswith(BEGINNINGS):
            raise Refused("& without ;")
        return m[0]
    if not (end or end16):
        raise Refused("&# without ;")
    digits = (decimal or hexadecimal).lstrip("0") or "0"
    number = int(digits, 10 if decimal else 16) if len(digits) < 9 else 0x110000
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise Refused("&#" + digits)
    return chr(number)


WHITE = re.compile("[\x09-\x0d\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


def words(text):
    """Section 6.6."""
    run = 0
    for c in text:
        mark = unicodedata.category(c).startswith("M") or "\u1160" <= c <= "\u11ff"
        run = run + 1 if mark else 0
        if run > 12:
            raise Refused("marks")
    return WHITE.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")
