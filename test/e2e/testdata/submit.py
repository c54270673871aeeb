"""Submits one mail with smtplib and prints the reply to DATA."""
import os
import smtplib
import ssl
from email.message import EmailMessage

env = os.environ
context = ssl.create_default_context(cafile=env["CA_FILE"])
if env.get("SECURE") == "1":
    s = smtplib.SMTP_SSL("localhost", int(env["PORT"]), context=context)
else:
    s = smtplib.SMTP("localhost", int(env["PORT"]))
    s.starttls(context=context)
s.login(env["SMTP_USERNAME"], env["SMTP_PASSWORD"])
m = EmailMessage()
m["From"] = env["SMTP_FROM"]
m["To"] = "to@dest.test"
m["Bcc"] = "hidden@dest.test"
m["Subject"] = env["SUBJECT"]
m.set_content("Hello from smtplib.\n.\n..dots\n")
s.mail(env["SMTP_FROM"])
s.rcpt("to@dest.test")
code, text = s.data(m.as_bytes(policy=m.policy.clone(linesep="\r\n")))
print(code, text.decode())
s.quit()
