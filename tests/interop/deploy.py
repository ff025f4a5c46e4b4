"""Deploys infra/*.yaml into LocalStack under names of one test's own.

Enters: ID REACTION...; a REACTION may bring parameters of its template, `crm:Program=crm_notifier`.
Leaves: the stacks, and on standard output one JSON object with each stack's outputs ("topic", then one
key a reaction, with the descriptions of its `alarms`). Fails with the events of a stack that failed.
"""

import json
import os
import pathlib
import sys
import time

import boto3

INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
WITHIN = 60 * int(os.environ.get("TEST_PATIENCE", "1"))


def main(test_id, reactions):
    at = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"], "region_name": os.environ["AWS_REGION"]}
    cloudformation, cloudwatch = boto3.client("cloudformation", **at), boto3.client("cloudwatch", **at)

    def deploy(stack, template, **parameters):
        cloudformation.create_stack(
            StackName=stack,
            TemplateBody=(INFRA / template).read_text(),
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        )
        deadline = time.monotonic() + WITHIN
        while True:
            found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
            if found["StackStatus"] == "CREATE_COMPLETE":
                return {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
            if not found["StackStatus"].endswith("IN_PROGRESS") or time.monotonic() > deadline:
                events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
                sys.exit(f"{stack}: {found['StackStatus']}: {[e.get('ResourceStatusReason') for e in events]}")
            time.sleep(0.1)

    topic = f"user-events-{test_id}-topic"
    outputs = {"topic": deploy(topic, "topic.yaml", TopicName=f"user-events-{test_id}")}
    for reaction in reactions:
        reaction, *own = reaction.split(":")
        parameters = {"ReactionName": reaction, "TopicStack": topic, **dict(one.split("=") for one in own)}
        outputs[reaction] = deploy(f"user-events-{reaction}", "reaction.yaml", **parameters)
        alarms = cloudwatch.describe_alarms(AlarmNamePrefix=f"user-events-{reaction}-")["MetricAlarms"]
        outputs[reaction]["alarms"] = [alarm["AlarmDescription"] for alarm in alarms]
    print(json.dumps(outputs))


main(sys.argv[1], sys.argv[2:])
