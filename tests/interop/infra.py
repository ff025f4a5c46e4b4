"""Deploys infra/*.yaml as infra/README.md does, and tells what a worker and IAM would see of it.

    infra.py deploy [NAME=VALUE...] REACTION...
                                  topic.yaml, then reaction.yaml and worker.yaml of each; prints one
                                  JSON object: a stack's `outputs`, its `status` (created, updated or
                                  unchanged) and `resources`, by stack; `environment`, `command`,
                                  `health` (check), `secrets` and `files` of each worker's container,
                                  resolved, by reaction; `crm` is a program of a team's own,
                                  `order-notify` calls a webhook. Stage=NAME: a stage beside the rest,
                                  whose secrets are one JSON object; TopicArn=ARN: that topic and no
                                  topic.yaml; others are worker.yaml's
    infra.py names REACTION...    what CloudFormation makes of each for its variables to begin with
    infra.py policies STACK       the policy documents in force of a worker's stack: `worker` (all of
                                  the task role's), `operator`, and `ecs` (all of the execution role's
                                  own), as lists of statements

Enters: AWS_* and, for the secrets that are made if they are not there, REDIS_URL and SMTP_URL. Fails
with the events of a stack that failed. Names are the real ones: a test uses an account of its own.
"""

import json
import os
import pathlib
import sys
import time

import boto3
from botocore.exceptions import ClientError

INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
sys.path.insert(0, str(INFRA / "lint"))
import template as templates  # noqa: E402 - it lies beside the templates

REGION, ACCOUNT = os.environ["AWS_REGION"], os.environ["AWS_ACCESS_KEY_ID"]
WITHIN = 60 * int(os.environ.get("TEST_PATIENCE", "1"))


def written(template):
    return (INFRA / template).read_text()


def client(service):
    return boto3.client(service, endpoint_url=os.environ["AWS_ENDPOINT_URL"], region_name=REGION)


class Account:
    def __init__(self):
        self.cloudformation, self.secrets = client("cloudformation"), client("secretsmanager")

    def stack(self, name):
        try:
            return self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError:
            return None

    def deploy(self, stack, template, parameters):
        found = self.stack(stack)
        call = self.cloudformation.update_stack if found else self.cloudformation.create_stack
        status = "updated" if found else "created"
        try:
            call(
                StackName=stack,
                TemplateBody=template,
                Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
                Capabilities=["CAPABILITY_IAM"],
            )
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            status = "unchanged"
        deadline = time.monotonic() + WITHIN
        while (found := self.stack(stack))["StackStatus"].endswith("IN_PROGRESS") and time.monotonic() < deadline:
            time.sleep(0.1)
        if found["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            events = self.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            sys.exit(f"{stack}: {found['StackStatus']}: {[e.get('ResourceStatusReason') for e in events]}")
        resources = self.cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        return {
            "status": status,
            "outputs": {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])},
            "resources": {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources},
        }

    def secret(self, name, value):
        try:
            return self.secrets.describe_secret(SecretId=name)["ARN"]
        except ClientError:
            return self.secrets.create_secret(Name=name, SecretString=value)["ARN"]

    def container(self, parameters):
        """The worker's command and environment, secrets included, as ECS would hand them to it."""
        pages = self.cloudformation.get_paginator("list_exports").paginate()
        exports = {e["Name"]: e["Value"] for page in pages for e in page["Exports"]}
        template = templates.load(INFRA / "worker.yaml")
        worker = template["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
        pseudo = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}
        resolve = templates.Resolver(template, parameters, exports, pseudo)
        environment = {e["Name"]: str(e["Value"]) for e in resolve(worker["Environment"])}
        secrets = resolve(worker["Secrets"])
        for secret in secrets:
            parts = secret["ValueFrom"].split(":")
            stored = self.secrets.get_secret_value(SecretId=":".join(parts[:7]))["SecretString"]
            environment[secret["Name"]] = json.loads(stored)[parts[7]] if parts[7:] else stored
        return {
            "environment": environment,
            "command": resolve(worker["Command"]),
            "health": resolve(worker["HealthCheck"]["Command"]),
            "secrets": [secret["ValueFrom"] for secret in secrets],
            "files": [file["Value"] for file in resolve(worker["EnvironmentFiles"]) or []],
        }


def deploy(arguments):
    own = dict(one.split("=", 1) for one in arguments if "=" in one)
    of_all = {name: own[name] for name in ("Stage", "TopicArn") if name in own}
    before = own["Stage"] + "-" if "Stage" in own else ""
    account, stacks, containers = Account(), {}, {}
    if "TopicArn" not in own:
        stack = f"{before}user-events-topic"
        stacks[stack] = account.deploy(stack, written("topic.yaml"), of_all)
    if before:
        urls = {"redis": os.environ["REDIS_URL"], "smtp": os.environ["SMTP_URL"]}
        secret = account.secret(f"{before}user-events", json.dumps(urls))
        redis, smtp = f"{secret}:redis::", f"{secret}:smtp::"
    else:
        redis = account.secret("user-events/redis", os.environ["REDIS_URL"])
        smtp = account.secret("user-events/smtp", os.environ["SMTP_URL"])
    for name in (one for one in arguments if "=" not in one):
        parameters = {
            "ReactionName": name,
            "Image": "user-events",
            "VpcId": "vpc-12345678",
            "SubnetIds": "subnet-12345678",
            "RedisUrlSecretArn": redis,
            **own,
        }
        if name == "email":
            parameters |= {"SmtpUrlSecretArn": smtp, "MailFrom": "Welcome <welcome@acme.example>"}
            if not before:
                parameters["ClusterName"] = "user-events"  # the others make their own
        if name == "crm":
            parameters["Program"] = "/crm_notifier"
        if name == "order-notify":
            parameters["WebhookUrl"] = "https://orders.internal:8443/hooks"
            parameters["WebhookSecretArn"] = account.secret("user-events/webhook", "whsec_bmV3")
            parameters["WebhookPreviousSecretArn"] = account.secret("user-events/webhook-old", "whsec_b2xk")
        stack = f"{before}user-events-{name}"
        stacks[stack] = account.deploy(stack, written("reaction.yaml"), {"ReactionName": name, **of_all})
        stacks[stack + "-worker"] = account.deploy(stack + "-worker", written("worker.yaml"), parameters)
        containers[name] = account.container(parameters)
    print(json.dumps({"stacks": stacks, "containers": containers}))


def names(reactions):
    reaction = templates.load(INFRA / "reaction.yaml")
    name = reaction["Outputs"]["VariablePrefix"]["Value"]
    template = {
        "Parameters": {"ReactionName": reaction["Parameters"]["ReactionName"]},
        "Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
        "Outputs": {"Name": {"Value": name}},
    }
    account, found = Account(), {}
    for reaction in reactions:
        made = account.deploy(f"name-{reaction}", json.dumps(template), {"ReactionName": reaction})
        found[reaction] = made["outputs"]["Name"]
    print(json.dumps(found))


def policies(stack):
    iam, account = client("iam"), Account()
    found = account.stack(stack)
    outputs = {o["OutputKey"]: o["OutputValue"] for o in found["Outputs"]}
    operator = outputs["OperatorPolicyArn"]
    resources = account.cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    (ecs,) = [r["PhysicalResourceId"] for r in resources if r["LogicalResourceId"] == "ExecutionRole"]
    assert not iam.list_attached_role_policies(RoleName=outputs["TaskRoleName"])["AttachedPolicies"]

    def inline(role):
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        return [statement for document in documents for statement in document["Statement"]]

    version = iam.get_policy(PolicyArn=operator)["Policy"]["DefaultVersionId"]
    managed = iam.get_policy_version(PolicyArn=operator, VersionId=version)["PolicyVersion"]["Document"]
    print(json.dumps({"worker": inline(outputs["TaskRoleName"]), "operator": managed["Statement"], "ecs": inline(ecs)}))


if sys.argv[1] == "policies":
    policies(sys.argv[2])
else:
    {"deploy": deploy, "names": names}[sys.argv[1]](sys.argv[2:])
