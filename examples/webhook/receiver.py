# Takes what user-events POSTs: answers 204 once the work is done, 400 to what the secret did not sign.
#   pip install standardwebhooks==1.1.0 && SECRET=whsec_… PORT=3000 python receiver.py
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from standardwebhooks import Webhook

webhook = Webhook(os.environ["SECRET"])
done = set()  # a real one: a table with a unique id, written in the work's own transaction

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        try:  # the bytes as they came: they are signed
            event = webhook.verify(self.rfile.read(int(self.headers["content-length"])), dict(self.headers))
        except Exception:  # what cannot even be read is not signed
            return self.send_error(400)
        if self.headers["webhook-id"] not in done:  # the event's own, the same at each try
            print("accepted", self.headers["webhook-id"], event["type"], flush=True)
            done.add(self.headers["webhook-id"])  # after the work; if it fails, answer 500 and the event comes again
        self.send_response(204)
        self.end_headers()

server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver)
print("listening on port", server.server_port, flush=True)
server.serve_forever()
