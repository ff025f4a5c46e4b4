"""Signs a webhook by hand, as standardwebhooks.com says and without its package.

    sign.py ID TIMESTAMP BODY SECRET...    prints the header `webhook-signature`: a signature for each secret
"""

import base64
import hashlib
import hmac
import sys

identity, timestamp, body, *secrets = sys.argv[1:]
signed = f"{identity}.{timestamp}.{body}".encode()


def signature(secret):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


print(*map(signature, secrets))
