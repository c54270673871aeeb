// Delivers one mail with nodemailer as another mail server would, under TLS and without
// a login, and prints the server's last reply.
import { createTransport } from "nodemailer";
import { readFileSync } from "node:fs";

const env = process.env;
const transport = createTransport({
  host: "localhost",
  port: Number(env.PORT),
  secure: false,
  requireTLS: true,
  name: "mail.far.test",
  tls: { ca: readFileSync(env.CA_FILE) },
});
const info = await transport.sendMail({
  envelope: { from: "far@far.test", to: env.TO },
  from: "far@far.test",
  to: env.TO,
  subject: env.SUBJECT,
  text: "Grüße aus nodemailer.\n.\n..dots\n",
  html: "<p>Grüße aus <b>nodemailer</b>.</p>",
  attachments: [{ filename: "résumé.txt", content: "data" }],
});
console.log(info.response);
