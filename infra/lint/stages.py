"""What must hold of names and settings: a stage's are its own, and without a stage they are what they always were;
each variable of the service can be set.

Enters: the files of this checkout. Leaves: nothing, or every breach at once and exit code 1.
"""

import re
import sys

import template
from checks import ALL, REACTION, SECRETS, TOPIC, VARIABLES, WORKER, equal, of_the_reaction, only, walk

# Without a stage, of the reaction email. Whoever has deployed it has these: a change of one makes it anew.
NAMES = {
    "topic": ["user-events"],
    "reaction": [
        "user-events-email", "user-events-email-delivery-failed", "user-events-email-dlq",
        "user-events-email-dlq-not-empty", "user-events-email-falling-behind", "user-events-email-stalled",
    ],
    "worker": ["user-events-email", "user-events-email", "user-events-email", "user-events-email-backlog-per-task", "user-events-email-tasks-missing"],
}  # fmt: skip
EXPORTS = {
    "topic": ["user-events-topic-TopicArn"],
    "reaction": [f"user-events-email-{what}" for what in ("DeadLetterQueueArn", "QueueArn", "QueueName", "QueueUrl", "VariablePrefix")],
    "worker": [],
}
# A name of these kinds is unique in an account and region; what has no name gets one by its stack.
NAMED = ("AlarmName", "ClusterName", "Family", "LogGroupName", "ManagedPolicyName", "GroupName", "QueueName", "RoleName", "ServiceName", "TopicName")
# The stacks decide these; all else is for parameters and ExtraEnvironment.
OF_THE_STACKS = {"AWS_REGION", "USER_EVENTS_TOPIC_ARN", "TOPIC_ARNS", "<NAME>_QUEUE_URL"}


def resolver(stack, exports=None, **parameters):
    pseudo = {"AWS::StackName": "user-events-topic", "AWS::Region": "eu-west-1", "AWS::AccountId": "111122223333", "AWS::Partition": "aws"}
    return template.Resolver(stack, {"ReactionName": "email", "RedisUrlSecretArn": "x", **parameters}, exports, pseudo)


def named(stack, **parameters):
    for resource in stack["Resources"].values():
        for key, value in resource["Properties"].items():
            if key in NAMED or (key == "PolicyName" and "Scaling" in resource["Type"]):
                yield resolver(stack, **parameters)(value)


def exported(stack, **parameters):
    return [resolver(stack, **parameters)(o["Export"]["Name"]) for o in stack["Outputs"].values() if "Export" in o]


def names():
    for file, stack in ALL.items():
        for stage, before in (("", ""), ("staging", "staging-")):
            wanted = [before + name for name in NAMES[file]]
            yield from equal(f"{file}: names of the stage {stage!r}", sorted(named(stack, Stage=stage)), wanted)
            wanted = [before + name for name in EXPORTS[file]]
            yield from equal(f"{file}: exports of the stage {stage!r}", sorted(exported(stack, Stage=stage)), wanted)


def imports():
    """What one stack imports another of the same stage exports, and with a TopicArn nothing of topic.yaml."""
    for stage in ("", "staging"):
        exports = {name: "found" for stack in (TOPIC, REACTION) for name in exported(stack, Stage=stage)}
        for file, stack in (("reaction", REACTION), ("worker", WORKER)):
            for part in walk(stack):
                if isinstance(part, dict) and "Fn::ImportValue" in part:
                    try:
                        resolver(stack, exports, Stage=stage)(part)
                    except KeyError as name:
                        yield f"{file} imports {name} in the stage {stage!r}, which nobody exports"
    alone = {name: "found" for name in exported(REACTION)}
    for file, stack in (("reaction", REACTION), ("worker", WORKER)):
        for part in walk(stack):
            if isinstance(part, dict) and only(part, "Fn::If", 0) == "HasTopicArn":
                yield from equal(f"{file}: the topic by its ARN", resolver(stack, alone, TopicArn="arn:t")(part), "arn:t")


def parameters():
    for file, stack in ALL.items():
        stage = stack["Parameters"]["Stage"]
        yield from equal(f"{file}: Stage, unless told,", stage["Default"], "")
        yield from equal(f"{file}: HasStage", stack["Conditions"]["HasStage"], {"Fn::Not": [{"Fn::Equals": [{"Ref": "Stage"}, ""]}]})
        # A hyphen would let a stage and a reaction make one name in two ways: a-user-events + b, a + user-events-b.
        for told, taken in (("", True), ("staging", True), ("pr123", True), ("pr-123", False), ("Staging", False), ("1st", False)):
            yield from equal(f"{file}: Stage may be {told!r}", bool(re.fullmatch(stage["AllowedPattern"], told)), taken)
    for file, stack in (("reaction", REACTION), ("worker", WORKER)):
        topic, arn = stack["Parameters"]["TopicArn"], "arn:aws:sns:eu-west-1:111122223333:signups"
        yield from equal(f"{file}: HasTopicArn", stack["Conditions"]["HasTopicArn"], {"Fn::Not": [{"Fn::Equals": [{"Ref": "TopicArn"}, ""]}]})
        for told, taken in (("", True), (arn, True), (arn + ".fifo", False), (arn.replace("sns", "sqs"), False), ("signups", False)):
            yield from equal(f"{file}: TopicArn may be {told!r}", bool(re.fullmatch(topic["AllowedPattern"], told)), taken)
        rule = stack["Rules"].get("StageHasItsOwnTopic", {})
        yield from equal(f"{file}: when a stage must have its own topic", rule.get("RuleCondition"), stack["Conditions"]["HasStage"])
        own = {"Fn::Equals": [{"Ref": "TopicStack"}, stack["Parameters"]["TopicStack"]["Default"]]}
        yield from equal(f"{file}: whose topic that is", only(rule, "Assertions", 0, "Assert"), own)
    file, arn = WORKER["Parameters"]["ExtraEnvironment"], "arn:aws:s3:::acme-settings/email-1.env"
    for told, taken in (("", True), (arn, True), (arn.removesuffix(".env"), False), ("s3://acme-settings/email-1.env", False), ("SMTP_RATE=10", False)):
        yield from equal(f"ExtraEnvironment may be {told!r}", bool(re.fullmatch(file["AllowedPattern"], told)), taken)


def variables():
    """Each variable of the service is a secret with its parameter, or free for a line of ExtraEnvironment."""
    worker = WORKER["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    rows = re.findall(r'(?:shared|engine)\(\s*"([^"]+)",\s*(?:None|Some\("[^"]*"\)),\s*"((?:[^"\\]|\\.)*)"', VARIABLES)
    if len(rows) < 60:
        yield f"only {len(rows)} rows of src/config/variables.rs were read"
    for name, meaning in rows:
        # `console` reads it, and no worker.
        if "secret," in meaning and name not in {*SECRETS, "CONSOLE_PASSWORD"}:
            yield f"{name} is a secret and no parameter of worker.yaml names it"
    given = {"ExtraEnvironment": "arn:aws:s3:::acme-settings/a/email-1.env"}
    yield from equal("the file of the other variables", resolver(WORKER, **given)(worker.get("EnvironmentFiles")), [{"Type": "s3", "Value": given["ExtraEnvironment"]}])
    yield from equal("that file, if there is none,", resolver(WORKER)(worker.get("EnvironmentFiles")), None)
    policies = WORKER["Resources"]["ExecutionRole"]["Properties"]["Policies"]
    statements = [s for policy in resolver(WORKER, **given)(policies[1:]) for s in policy["PolicyDocument"]["Statement"]]
    wanted = [("s3:GetObject", given["ExtraEnvironment"]), ("s3:GetBucketLocation", "arn:aws:s3:::acme-settings")]
    yield from equal("how ECS reads it", [(s["Action"], s["Resource"]) for s in statements], wanted)
    for entry in walk(worker["Environment"]):
        if isinstance(entry, dict) and "Value" in entry:
            name = of_the_reaction(entry["Name"]) or entry["Name"]
            asked = any(isinstance(part, dict) and ("Ref" in part) for part in walk(entry["Value"]))
            in_a_choice = any(isinstance(one, dict) and only(one, "Fn::If", 1) is entry for one in worker["Environment"])
            if name not in OF_THE_STACKS and not asked and not in_a_choice:
                yield f"{name} is always {entry['Value']!r}: no line of ExtraEnvironment counts before it"
    (prefix,) = [e["Value"] for e in worker["Environment"] if e.get("Name") == "REDIS_PREFIX"]
    for stage, told, wanted in (("", "", ""), ("staging", "", "staging:"), ("staging", "a-", "a-"), ("", "a-", "a-")):
        yield from equal(f"REDIS_PREFIX of the stage {stage!r} told {told!r}", resolver(WORKER, Stage=stage, RedisPrefix=told)(prefix), wanted)


SUBJECTS = [names, imports, parameters, variables]


if __name__ == "__main__":
    breaches = [f"{subject.__name__}: {breach}" for subject in SUBJECTS for breach in subject()]
    sys.exit("\n".join(breaches) or 0)
