"""Submits one mail with a token, by smtplib and XOAUTH2 or OAUTHBEARER."""
import os
import smtplib
import ssl
from email.message import EmailMessage

env = os.environ
context = ssl.create_default_context(cafile=env["CA_FILE"])
with smtplib.SMTP("localhost", int(env["PORT"])) as s:
    s.starttls(context=context)
    s.ehlo()
    user, token = env["SMTP_FROM"], env["TOKEN"]
    if env["MECHANISM"] == "XOAUTH2":
        answer = f"user={user}\x01auth=Bearer {token}\x01\x01"
    else:
        answer = f"n,a={user},\x01auth=Bearer {token}\x01\x01"
    s.auth(env["MECHANISM"], lambda challenge=None: answer if not challenge else "\x01")
    m = EmailMessage()
    m["From"] = user
    m["To"] = "to@dest.test"
    m["Subject"] = env["SUBJECT"]
    m.set_content("Hello from smtplib.\n")
    s.mail(user)
    s.rcpt("to@dest.test")
    code, text = s.data(m.as_bytes(policy=m.policy.clone(linesep="\r\n")))
    print(code, text.decode())
