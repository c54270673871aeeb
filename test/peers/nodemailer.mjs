// Submits one mail with nodemailer and prints the server's last reply.
import { createTransport } from "nodemailer";
import { readFileSync } from "node:fs";

const env = process.env;
const transport = createTransport({
  host: "localhost",
  port: Number(env.PORT),
  secure: env.SECURE === "1",
  requireTLS: true,
  auth: { user: env.SMTP_USERNAME, pass: env.SMTP_PASSWORD },
  tls: { ca: readFileSync(env.CA_FILE) },
});
const info = await transport.sendMail({
  from: env.SMTP_FROM,
  to: "to@dest.test",
  cc: "cc@dest.test",
  bcc: "bcc@dest.test",
  subject: env.SUBJECT,
  text: "Grüße aus nodemailer.\n.\n..dots\n",
  html: "<p>Grüße aus <b>nodemailer</b>.</p>",
  attachments: [{ filename: "r\u00e9sum\u00e9.txt", content: "data" }],
});
console.log(info.response);
