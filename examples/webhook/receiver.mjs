// Takes what user-events POSTs: answers 204 once the work is done, 400 to what the secret did not sign.
//   npm install --no-save standardwebhooks@1.1.1 && SECRET=whsec_… PORT=3000 node receiver.mjs
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.SECRET);
const done = new Set(); // a real one: a table with a unique id, written in the work's own transaction

const server = createServer(async (request, response) => {
  let event;
  try {
    event = webhook.verify(await buffer(request), request.headers); // the bytes as they came: they are signed
  } catch {
    return response.writeHead(400).end();
  }
  const id = request.headers["webhook-id"]; // the event's own, the same at each try
  if (!done.has(id)) {
    console.log("accepted", id, event.type); // the work; if it fails, answer 500 and the event comes again
    done.add(id);
  }
  response.writeHead(204).end();
});
server.listen(process.env.PORT, "127.0.0.1", () => console.log("listening on port", server.address().port));
