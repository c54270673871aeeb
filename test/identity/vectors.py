#!/usr/bin/python3
"""Runs all vectors of docs/vectors and the hostile inputs of hostile.py; says how many of each."""
import sys

sys.dont_write_bytecode = True

import collections
import json
import pathlib

import content
import hashes
import hostile
import statement
import verify
from hashes import Refused


class Form(Exception):
    """A file of vectors that this program does not know how to read."""


def octets(text):
    return text.encode("latin-1")


def members(vector, needed, optional=()):
    if not isinstance(vector, dict) or not set(needed) <= set(vector) <= set(needed) | set(optional):
        raise Form(f"a vector with the members {sorted(vector)}")


def nothing(hash_of, *what):
    try:
        return hash_of(*what)
    except Refused:
        return None


def header(file):
    documents = {name: text.encode() for name, text in file["documents"].items()}
    for v in file["vectors"]:
        members(v, ["group", "name", "status", "failed", "document", "mail"], ["received_at"])
        evidence = verify.Evidence(document=documents[v["document"]], received_at=v.get("received_at"))
        report = verify.verify(octets(v["mail"]), evidence)
        wanted = v["status"], v["failed"]
        yield f'{v["group"]}: {v["name"]}', wanted, (report.status, report.failed), report.reason


def content_file(file):
    for v in file["vectors"]:
        mail = octets(v["mail"]) if isinstance(v, dict) and "mail" in v else b""
        if v.get("th") is None:
            members(v, ["group", "name", "mail", "th"])
            wanted, got = None, nothing(content.content_hash, mail)
        else:
            members(v, ["group", "name", "mail", "th", "plain", "html", "files"])
            wanted = v["plain"], v["html"], v["files"], v["th"]
            got = nothing(frames, mail)
        yield f'{v["group"]}: {v["name"]}', wanted, got, ""


def frames(mail):
    plain, html, files = content.Content(mail).frames()
    files = [files[i : i + 32].hex() for i in range(0, len(files), 32)]
    return plain.decode(), html.decode(), files, content.content_hash(mail)


def hash_file(file):
    for v in file["rh"]:
        members(v, ["name", "header", "addresses", "rh"])
        fields = hashes.gather_fields(hashes.split_header(octets(v["header"]))[0])
        found = nothing(hashes.recipients, fields)
        got = found and [a.decode() for a in found], nothing(hashes.recipients_hash, fields)
        yield "rh: " + v["name"], (v["addresses"], v["rh"]), got, ""
    for v in file["bh"]:
        members(v, ["name", "body", "relaxed", "bh"])
        got = hashes.relax_body(octets(v["body"])).decode("latin-1"), hashes.body_hash(octets(v["body"]))
        yield "bh: " + v["name"], (v["relaxed"], v["bh"]), got, ""
    for v in file["mid"]:
        members(v, ["name", "value", "mid"])
        got = nothing(hashes.id_hash, [(b"message-id", octets(v["value"]))])
        yield "mid: " + v["name"], v["mid"], got, ""


def payload(file):
    key, agent_key = hostile.private(file["key"]), statement.unbase64url(file["agent_ref_key"])
    document = hostile.document(hostile.public(file["key"]))
    if statement.protected(file["key"]["kid"]) != file["protected"]:
        raise Form("another protected header")
    for v in file["vectors"]:
        members(v, ["name", "release", "mail", "payload", "octets"])
        mail = octets(v["mail"])
        made = statement.make(v["release"], mail, agent_key)
        field = f'{statement.FIELD}: {statement.sign(made, file["key"]["kid"], key)}\r\n'.encode()
        report = verify.verify(field + mail, verify.Evidence(document=document))
        got = made.decode(), len(field), report.status
        yield v["name"], (v["payload"], v["octets"], "valid"), got, report.reason


FILES = {
    "header.json": (header, ["vectors"], ["about", "documents"]),
    "content.json": (content_file, ["vectors"], ["about"]),
    "hashes.json": (hash_file, ["rh", "bh", "mid"], ["about"]),
    "payload.json": (payload, ["vectors"], ["about", "key", "agent_ref_key", "protected"]),
}


def run(path):
    """Print the count of one file; return how many vectors disagree."""
    read, lists, other = FILES[path.name]
    file = json.loads(path.read_bytes())
    if set(file) != set(lists) | set(other):
        raise Form(f"{path.name} has the members {sorted(file)}")
    for name in lists:
        if not isinstance(file[name], list) or not file[name]:
            raise Form(f"{path.name} has no {name}")
    ran = wrong = 0
    for name, wanted, got, reason in read(file):
        ran += 1
        if wanted != got:
            wrong += 1
            print(f"{path.name}: {name}\n  wanted {wanted!r}\n  got    {got!r} {reason}", file=sys.stderr)
    print(f"{path.name} {ran}")
    return wrong


def main():
    directory = pathlib.Path(sys.argv[1])
    found = {path.name for path in directory.iterdir()}
    if found != set(FILES):
        raise Form(f"{directory} has the files {sorted(found)}, not {sorted(FILES)}")
    wrong = sum(run(directory / name) for name in sorted(FILES))
    if wrong:
        sys.exit(f"{wrong} vectors disagree")
    refused, wrong = hostile.run(json.loads((directory / "payload.json").read_bytes()))
    print(f"hostile {refused}")
    if wrong:
        sys.exit(f"{wrong} inputs of its own are judged wrongly")


if __name__ == "__main__":
    main()
