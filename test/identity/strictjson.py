"""JSON as RFC 8259 has it and docs/identity.md, section 8, step 3, narrows it: no name twice, numbers as written."""
import re

from hashes import Refused

SPACE = re.compile(r"[ \t\r\n]*")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)"')
ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)")
SIMPLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WORDS = {"true": True, "false": False, "null": None}


class Number:
    """A number that is not whole: no member may be one, and it is equal to nothing."""


def parse_object(octets, names=None, depth=100):
    """Read one object; names is a pattern for the names in every object, depth how deep values may be nested."""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None
    reader = Reader(text, names, depth)
    value = reader.value(0)
    if reader.next():
        raise Refused("something behind the object")
    if not isinstance(value, dict):
        raise Refused("no object")
    return value


class Reader:
    def __init__(self, text, names, depth):
        self.text, self.at, self.names, self.depth = text, 0, names, depth

    def match(self, pattern):
        m = pattern.match(self.text, self.at)
        if m:
            self.at = m.end()
        return m

    def next(self):
        self.match(SPACE)
        return self.text[self.at : self.at + 1]

    def sign(self, sign):
        found = self.next() == sign
        self.at += found
        return found

    def expect(self, sign):
        if not self.sign(sign):
            raise Refused("JSON: no " + sign)

    def value(self, depth):
        first = self.next()
        if first in ("{", "[") and first:
            if depth == self.depth:
                raise Refused("JSON: nested too deep")
            self.at += 1
            return self.object(depth + 1) if first == "{" else self.array(depth + 1)
        if first == '"':
            return self.string()
        if m := self.match(NUMBER):
            return int(m[0]) if re.fullmatch("-?[0-9]{1,4000}", m[0]) else Number()
        for word, value in WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        raise Refused("JSON: no value")

    def string(self):
        self.match(SPACE)
        m = self.match(STRING)
        if not m:
            raise Refused("JSON: no string")
        text = ESCAPE.sub(lambda e: chr(int(e[1], 16)) if e[1] else SIMPLE.get(e[2], e[2]), m[1])
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise Refused("JSON: half a surrogate pair") from None

    def object(self, depth):
        members = {}
        if self.sign("}"):
            return members
        while True:
            name = self.string()
            if name in members or self.names and not self.names.fullmatch(name):
                raise Refused("JSON: a name that is twice or of another form")
            self.expect(":")
            members[name] = self.value(depth)
            if self.sign("}"):
                return members
            self.expect(",")

    def array(self, depth):
        members = []
        if self.sign("]"):
            return members
        while True:
            members.append(self.value(depth))
            if self.sign("]"):
                return members
            self.expect(",")
