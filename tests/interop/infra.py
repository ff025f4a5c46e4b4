"""Deploys infra/*.yaml as infra/README.md does, and tells what a worker and IAM would see of it.

    infra.py deploy REACTION...   topic.yaml, then reaction.yaml and worker.yaml of each; prints one
                                  JSON object: a stack's `outputs`, its `status` (created, updated or
                                  unchanged) and `resources`, by stack; `environment`, `command` and
                                  `health` (check) of each worker's container, resolved, by reaction;
                                  `crm` is a program of a team's own, `order-notify` calls a webhook
    infra.py names REACTION...    what CloudFormation makes of each for its variables to begin with
    infra.py policies REACTION    the policy documents in force: `worker` (all of the task role's) and
                                  `operator`, as lists of statements

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


class Resolver:
    """What CloudFormation would make of a part of a template that names no resource."""

    def __init__(self, template, parameters, exports):
        defaults = {name: p["Default"] for name, p in template["Parameters"].items() if "Default" in p}
        pseudo = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}
        self.values = {**pseudo, **defaults, **parameters}
        self.conditions, self.exports = template["Conditions"], exports

    def holds(self, condition):
        ((kind, of),) = condition.items()
        if kind == "Fn::Not":
            return not self.holds(of[0])
        if kind == "Fn::Equals":
            return str(self(of[0])) == str(self(of[1]))
        raise ValueError(kind)

    def __call__(self, part):
        if isinstance(part, list):
            return [found for found in map(self, part) if found is not None]
        if not isinstance(part, dict):
            return part
        if len(part) == 1:
            ((kind, of),) = part.items()
            if kind == "Ref":
                return None if of == "AWS::NoValue" else self.values[of]
            if kind == "Fn::Sub":
                for name, value in self.values.items():
                    of = of.replace("${%s}" % name, str(value))
                assert "${" not in of, of
                return of
            if kind == "Fn::ImportValue":
                return self.exports[self(of)]
            if kind == "Fn::If":
                return self(of[1] if self.holds(self.conditions[of[0]]) else of[2])
            if kind == "Fn::Split":
                return self(of[1]).split(of[0])
            if kind == "Fn::Join":
                return of[0].join(self(of[1]))
        return {name: self(value) for name, value in part.items()}


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
        resolve = Resolver(template, parameters, exports)
        environment = {e["Name"]: str(e["Value"]) for e in resolve(worker["Environment"])}
        for secret in resolve(worker["Secrets"]):
            stored = self.secrets.get_secret_value(SecretId=secret["ValueFrom"])
            environment[secret["Name"]] = stored["SecretString"]
        health = resolve(worker["HealthCheck"]["Command"])
        return {"environment": environment, "command": resolve(worker["Command"]), "health": health}


def deploy(reactions):
    account = Account()
    stacks = {"user-events-topic": account.deploy("user-events-topic", written("topic.yaml"), {})}
    redis = account.secret("user-events/redis", os.environ["REDIS_URL"])
    smtp = account.secret("user-events/smtp", os.environ["SMTP_URL"])
    containers = {}
    for name in reactions:
        parameters = {
            "ReactionName": name,
            "Image": "user-events",
            "VpcId": "vpc-12345678",
            "SubnetIds": "subnet-12345678",
            "RedisUrlSecretArn": redis,
        }
        if name == "email":
            parameters |= {"SmtpUrlSecretArn": smtp, "MailFrom": "Welcome <welcome@acme.example>"}
            parameters["ClusterName"] = "user-events"  # the others make their own
        if name == "crm":
            parameters["Program"] = "/crm_notifier"
        if name == "order-notify":
            parameters["WebhookUrl"] = "https://orders.internal:8443/hooks"
            parameters["WebhookSecretArn"] = account.secret("user-events/webhook", "whsec_bmV3")
            parameters["WebhookPreviousSecretArn"] = account.secret("user-events/webhook-old", "whsec_b2xk")
        stack = f"user-events-{name}"
        stacks[stack] = account.deploy(stack, written("reaction.yaml"), {"ReactionName": name})
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


def policies(reaction):
    iam, stack = client("iam"), Account().stack(f"user-events-{reaction}-worker")
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}
    role, operator = outputs["TaskRoleName"], outputs["OperatorPolicyArn"]
    assert not iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    inline = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
    version = iam.get_policy(PolicyArn=operator)["Policy"]["DefaultVersionId"]
    managed = iam.get_policy_version(PolicyArn=operator, VersionId=version)["PolicyVersion"]["Document"]
    worker = [statement for document in inline for statement in document["Statement"]]
    print(json.dumps({"worker": worker, "operator": managed["Statement"]}))


if sys.argv[1] == "policies":
    policies(sys.argv[2])
else:
    {"deploy": deploy, "names": names}[sys.argv[1]](sys.argv[2:])
