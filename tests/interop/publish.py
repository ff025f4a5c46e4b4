"""publish.py TOPIC_ARN v1|v2 USER_ID EMAIL [TRACEPARENT]: the source article's publisher, in another language.

Enters: the arguments, AWS_ENDPOINT_URL, AWS_REGION.
Leaves: one event on the topic, its SNS MessageId on stdout.
Promises: exactly the article's fields and its one attribute, nothing that only we would add; a
traceparent travels as an attribute beside it, as any instrumented publisher sends it.
Does not know: queues, workers, or that anything of ours exists.
"""

import json
import os
import sys
from datetime import datetime, timezone

import boto3


def event_of(version, user_id, email):
    if version == "v1":
        # The shape of JavaScript's toISOString(): milliseconds and a Z.
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"type": "user.signed_up", "userId": user_id, "email": email, "timestamp": now}
    if version == "v2":
        return {"type": "user.signed_up", "version": "2", "userId": user_id, "email": email, "plan": "pro"}
    sys.exit(f"version must be v1 or v2, not {version}")


def main():
    if len(sys.argv) not in (5, 6):
        sys.exit("usage: publish.py TOPIC_ARN v1|v2 USER_ID EMAIL [TRACEPARENT]")
    topic, version, user_id, email, *traceparent = sys.argv[1:]
    attributes = {"eventType": {"DataType": "String", "StringValue": "user.signed_up"}}
    for value in traceparent:
        attributes["traceparent"] = {"DataType": "String", "StringValue": value}
    sns = boto3.client(
        "sns", endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name=os.environ["AWS_REGION"]
    )
    sent = sns.publish(
        TopicArn=topic,
        Message=json.dumps(event_of(version, user_id, email)),
        MessageAttributes=attributes,
    )
    print(sent["MessageId"])


if __name__ == "__main__":
    main()
