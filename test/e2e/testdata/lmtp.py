"""Delivers one mail to several recipients with smtplib.LMTP, and prints who was refused."""
import os
import smtplib

env = os.environ
if env["LMTP"].startswith("/"):
    s = smtplib.LMTP(env["LMTP"])
else:
    host, port = env["LMTP"].rsplit(":", 1)
    s = smtplib.LMTP(host, int(port))
text = "From: far@far.test\r\nTo: bot@example.test\r\nSubject: " + env["SUBJECT"] + "\r\n\r\n.dot\r\n" + "x" * 2000 + "\r\n"
s.ehlo("mx.example.test")
print("AUTH" if s.has_extn("auth") else "no AUTH")
s.mail("far@far.test")
for to in env["TO"].split():
    print(to, s.rcpt(to)[0])
s.putcmd("data")
print(s.getreply()[0])
s.send(smtplib._quote_periods(text.encode()) + b".\r\n")
for _ in range(int(env["REPLIES"])):
    code, text = s.getreply()
    print(code, text.decode())
s.quit()
