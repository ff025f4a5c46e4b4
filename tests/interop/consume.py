"""consume.py QUEUE_URL COUNT: the source article's consumer, in another language.

Enters: the arguments, AWS_ENDPOINT_URL, AWS_REGION; an SNS-wrapped queue.
Leaves: one compact JSON line per event on stdout; the printed messages are deleted.
Promises: exit 0 after COUNT events, exit 1 when they have not come within 30 s times TEST_PATIENCE.
Does not know: envelopes beyond `Message`, attributes, duplicates: it is as naive as the article.
"""

import json
import math
import os
import sys
import time

import boto3

WITHIN = 30 * int(os.environ.get("TEST_PATIENCE", "1"))


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: consume.py QUEUE_URL COUNT")
    queue, count = sys.argv[1], int(sys.argv[2])
    sqs = boto3.client(
        "sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name=os.environ["AWS_REGION"]
    )
    deadline, seen = time.monotonic() + WITHIN, 0
    while seen < count:
        left = deadline - time.monotonic()
        if left <= 0:
            sys.exit(f"{seen} of {count} events within {WITHIN} s")
        # The article waits 20 s; the last wait is shorter so that the deadline holds.
        received = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=min(20, math.ceil(left))
        )
        for message in received.get("Messages", []):
            event = json.loads(json.loads(message["Body"])["Message"])
            # Flushed, so that a reader at the other end of the pipe sees it before the next wait.
            print(json.dumps(event, separators=(",", ":")), flush=True)
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            seen += 1
            # Whatever else came along stays in the queue and reappears.
            if seen == count:
                break


if __name__ == "__main__":
    main()
