"""What must hold of infra/*.yaml and no linter looks at: numbers within numbers, who may do what, and
where templates, Dockerfile, code and CI have to say the same.

Enters: the files of this checkout. Leaves: nothing, or every breach at once and exit code 1.
Each function is one subject: it yields its breaches, and is run on every template it asks for.
"""

import json
import re
import sys
from pathlib import Path

import template

ROOT = Path(__file__).resolve().parents[2]
TOPIC, REACTION, WORKER = (template.load(ROOT / "infra" / f"{name}.yaml") for name in ("topic", "reaction", "worker"))
ALL = {"topic": TOPIC, "reaction": REACTION, "worker": WORKER}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VARIABLES = (ROOT / "src/config/variables.rs").read_text()
DOCTOR = (ROOT / "src/ops/doctor/reaction.rs").read_text()
DRAIN = (ROOT / "engine/src/worker/drain.rs").read_text()
TELEMETRY = (ROOT / "src/telemetry/mod.rs").read_text()
COMMANDS = (ROOT / "src/cli/mod.rs").read_text() + (ROOT / "src/cli/dlq.rs").read_text()

# What IAM cannot tie to a resource. All else names its own.
UNBOUND = {"sns:GetSubscriptionAttributes"} | {
    f"xray:{a}" for a in ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
}
# Which parameter names the secret of which variable.
SECRETS = {
    "REDIS_URL": "RedisUrlSecretArn",
    "SMTP_URL": "SmtpUrlSecretArn",
    "<NAME>_WEBHOOK_SECRET": "WebhookSecretArn",
    "<NAME>_WEBHOOK_SECRET_PREVIOUS": "WebhookPreviousSecretArn",
    "<NAME>_WEBHOOK_HEADERS": "WebhookHeadersSecretArn",
    "OTEL_EXPORTER_OTLP_HEADERS": "OtlpHeadersSecretArn",
}
METRICS = {
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage", "NumberOfMessagesDeleted"},
    "AWS/SNS": {"NumberOfNotificationsFailed", "NumberOfNotificationsFilteredOut-InvalidMessageBody"},
    "ECS/ContainerInsights": {"RunningTaskCount", "DesiredTaskCount"},
}
PINNED = r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}"
TRUSTED = {"StringEquals": "aws:SourceAccount", "ArnLike": "aws:SourceArn"}


def staged(name):
    """A name as each template writes it, with the stage before it if there is one."""
    before = {"Before": {"Fn::If": ["HasStage", {"Fn::Sub": "${Stage}-"}, ""]}}
    return {"Fn::Sub": [name.replace("user-events", "${Before}user-events"), before]}


TOPIC_ARN = staged("user-events")
TOPIC_ARN["Fn::Sub"][0] = "${Before}${TopicStack}-TopicArn"
TOPIC_ARN = {"Fn::If": ["HasTopicArn", {"Ref": "TopicArn"}, {"Fn::ImportValue": TOPIC_ARN}]}


def of_type(stack, kind):
    return {name: r for name, r in stack["Resources"].items() if r["Type"] == kind}


def listed(value):
    return value if isinstance(value, list) else [value]


def only(value, *path):
    """The value at this path; a breach where there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def walk(part):
    yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from walk(inner)


def equal(what, found, wanted):
    if found != wanted:
        yield f"{what} is {json.dumps(found)}, not {json.dumps(wanted)}"


def chosen(part, **parameters):
    """What CloudFormation makes of a value of reaction.yaml."""
    return template.Resolver(REACTION, parameters)(part)


def default(variable):
    return re.search(rf'"{variable}",\s*Some\("([^"]+)"\)', VARIABLES).group(1)


def longest_stop():
    """How long a worker may take to stop: the time for what runs, for the queue to take back the rest, for traces to go out."""
    seconds = (re.search(rf"const {name}: Duration = Duration::from_secs\((\d+)\);", text) for name, text in (("ABANDONED", DRAIN), ("FLUSH", TELEMETRY)))
    return int(default("SHUTDOWN_TIMEOUT").removesuffix("s")) + sum(int(found.group(1)) for found in seconds)


def queues():
    queue, dead = (REACTION["Resources"][name]["Properties"] for name in ("Queue", "DeadLetterQueue"))
    longest = REACTION["Parameters"]["RetentionSeconds"]["MaxValue"]
    if not longest < dead["MessageRetentionPeriod"]:
        yield f"the DLQ keeps {dead['MessageRetentionPeriod']} s, its queue up to {longest} s: an event's age goes on counting"
    yield from equal("the DLQ's retention", dead["MessageRetentionPeriod"], 14 * 86400)
    yield from equal("the queue's wait", queue["ReceiveMessageWaitTimeSeconds"], 20)
    yield from equal("the redrive's target", only(queue, "RedrivePolicy", "deadLetterTargetArn"), {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
    yield from equal("the DLQ's redrivePermission", only(dead, "RedriveAllowPolicy", "redrivePermission"), "byQueue")
    arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:user-events-${ReactionName}"
    yield from equal("whose dead letters the DLQ takes", only(dead, "RedriveAllowPolicy", "sourceQueueArns"), [staged(arn)])
    if REACTION["Parameters"]["VisibilityTimeoutSeconds"]["Default"] < 30:
        yield "VisibilityTimeoutSeconds defaults to less than 30, of which doctor warns"
    receives = only(queue, "RedrivePolicy", "maxReceiveCount")
    # A record counts how often a message killed its worker; without one only the queue does.
    for reaction, wanted, least in (("email", 100, "FEW_RECORDED"), ("crm", 100, "FEW_RECORDED"), ("profile", 5, "FEW")):
        found = chosen(receives, ReactionName=reaction)
        yield from equal(f"the receives of {reaction}", found, wanted)
        if found < int(re.search(rf"const {least}: u32 = (\d+);", DOCTOR).group(1)):
            yield f"{reaction} gets {found} receives, of which doctor warns"
    yield from equal("the receives of profile, set to 7,", chosen(receives, ReactionName="profile", MaxReceiveCount=7), 7)


def what_is_kept():
    for file, stack in ALL.items():
        for name, resource in stack["Resources"].items():
            keeps = resource["Type"] in ("AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::Logs::LogGroup")
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                yield from equal(f"{file}: {name}'s {policy}", resource.get(policy), "Retain" if keeps else None)


def subscription():
    (found,) = of_type(REACTION, "AWS::SNS::Subscription").values()
    properties = found["Properties"]
    yield from equal("FilterPolicyScope", properties.get("FilterPolicyScope"), "MessageBody")
    yield from equal("FilterPolicy", properties.get("FilterPolicy"), {"type": {"Ref": "EventTypes"}})
    yield from equal("RawMessageDelivery", properties.get("RawMessageDelivery"), False)
    yield from equal("the topic", properties["TopicArn"], TOPIC_ARN)
    yield from equal("what SNS cannot deliver goes to", only(properties, "RedrivePolicy", "deadLetterTargetArn"), {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
    yield from equal("DependsOn", found.get("DependsOn"), ["QueuePolicy", "DeadLetterQueuePolicy"])
    yield from equal("EventTypes", REACTION["Parameters"]["EventTypes"]["Default"], "user.signed_up")


def queue_policies():
    policies = {p["Properties"]["Queues"][0]["Ref"]: p["Properties"] for p in of_type(REACTION, "AWS::SQS::QueuePolicy").values()}
    for queue in ("Queue", "DeadLetterQueue"):
        arn = {"Fn::GetAtt": [queue, "Arn"]}
        send = {
            "Sid": "TopicMaySend", "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": TOPIC_ARN}},
        }  # fmt: skip
        yield from equal(f"{queue}'s policy", only(policies, queue, "PolicyDocument", "Statement"), [send, tls_only("sqs:*", arn)])


def topic_policy():
    (found,) = of_type(TOPIC, "AWS::SNS::TopicPolicy").values()
    root = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    publish = {"Sid": "AccountMayPublish", "Effect": "Allow", "Principal": root, "Action": "sns:Publish", "Resource": {"Ref": "Topic"}}
    yield from equal("the topic's policy", found["Properties"]["PolicyDocument"]["Statement"], [publish, tls_only("sns:Publish", {"Ref": "Topic"})])
    yield from equal("the topic's key", TOPIC["Resources"]["Topic"]["Properties"].get("KmsMasterKeyId"), "alias/aws/sns")


def tls_only(action, arn):
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    return {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": action, "Resource": arn, "Condition": insecure}


def roles():
    for name, role in of_type(WORKER, "AWS::IAM::Role").items():
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        yield from equal(f"{name} trusts", trust.get("Principal"), {"Service": "ecs-tasks.amazonaws.com"})
        found = {operator: next(iter(of), None) for operator, of in trust.get("Condition", {}).items()}
        yield from equal(f"{name}'s trust is bound to", found, TRUSTED)
    for part in walk(WORKER["Resources"]):
        if isinstance(part, dict) and "Effect" in part and "Principal" not in part:
            yield from statement(part)
    properties = WORKER["Resources"]["TaskRole"]["Properties"]
    yield from equal("the task role's managed policies", properties.get("ManagedPolicyArns"), None)
    worker = properties["Policies"][0]["PolicyDocument"]["Statement"]
    asked = {a for s in worker for a in listed(s["Action"])}
    queue = {f"sqs:{a}" for a in ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes", "SendMessage")}
    yield from equal("the task role's actions", sorted(asked), sorted(queue | {"ecs:GetTaskProtection", "ecs:UpdateTaskProtection"}))
    yield from equal("what ECS may read beside the secrets", [p["Fn::If"][0] for p in WORKER["Resources"]["ExecutionRole"]["Properties"]["Policies"][1:]], ["HasExtraEnvironment"])
    granted = WORKER["Resources"]["ExecutionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:acme/%s-AbCdEf"
    for key in ("", ":url::", "::AWSPREVIOUS:"):
        given = {name: arn % name + key for name in SECRETS.values()}
        found = [template.Resolver(WORKER, given)(s["Resource"]) for s in granted]
        yield from equal(f"the secrets that ECS may read, named with {key!r},", found, [[arn % name for name in SECRETS.values()]])
    found = [template.Resolver(WORKER, {"RedisUrlSecretArn": arn % "redis"})(s["Resource"]) for s in granted]
    yield from equal("the secrets that ECS may read where there is one", found, [[arn % "redis"]])
    for name in SECRETS.values():
        pattern = WORKER["Parameters"][name]["AllowedPattern"]
        for told, taken in ((arn % "a", True), (arn % "a" + ":url::", True), (arn % "a" + ":url:::", False), ("acme/a", False)):
            yield from equal(f"{name} may be {told}", bool(re.fullmatch(pattern, told)), taken)


def statement(found):
    from policy_sentry.querying.actions import get_action_data  # a second's import: not for every use of this file

    for word in ("NotAction", "NotResource"):
        if word in found:
            yield f"{found.get('Sid')}: {word} allows what nobody named"
    for action in listed(found.get("Action", [])):
        service, _, name = action.partition(":")
        known = "*" not in action and get_action_data(service, name)
        if not known:
            yield f"{found.get('Sid')}: {action} is no one action of AWS"
            continue
        bindable = {r["resource_arn_format"] for r in known[service]} != {"*"}
        if bindable == (found["Resource"] == "*") or (not bindable and action not in UNBOUND):
            yield f"{found.get('Sid')}: {action} {'can be bound to a resource' if bindable else 'works on * alone'}"


def containers():
    definition = WORKER["Resources"]["TaskDefinition"]["Properties"]
    worker, collector = definition["ContainerDefinitions"][0], definition["ContainerDefinitions"][1]["Fn::If"][1]
    for of in (worker, collector):
        name = of["Name"]
        if not longest_stop() < of.get("StopTimeout", 30) <= 120:
            yield f"{name}: StopTimeout is not above the longest stop, {longest_stop()} s, and within Fargate's 120 s"
        yield from equal(f"{name}: ReadonlyRootFilesystem", of.get("ReadonlyRootFilesystem"), True)
        yield from equal(f"{name}: capabilities dropped", only(of, "LinuxParameters", "Capabilities"), {"Drop": ["ALL"]})
        yield from equal(f"{name}: log mode", only(of, "LogConfiguration", "Options", "mode"), "non-blocking")
    yield from equal("the worker is essential, the collector", [worker["Essential"], collector["Essential"]], [True, False])
    yield from equal("the user", worker.get("User"), re.search(r"^USER (\S+)", DOCKERFILE, re.M).group(1))
    entry = re.search(r'^ENTRYPOINT \["([^"]+)"\]$', DOCKERFILE, re.M)
    health = worker.get("HealthCheck", {})
    yield from equal("the health check", health.get("Command"), ["CMD", {"Ref": "Program"}, "healthcheck"])
    yield from equal("the program, unless told,", WORKER["Parameters"]["Program"]["Default"], entry and entry.group(1))
    for name, low, high in (("Interval", 5, 300), ("Timeout", 2, 60), ("Retries", 1, 10), ("StartPeriod", 0, 300)):
        if not low <= health.get(name, -1) <= high:
            yield f"HealthCheck.{name} is not between {low} and {high}"
    yield from equal("exit codes that restart nothing", only(worker, "RestartPolicy", "IgnoredExitCodes"), [0, 78])
    named = [of_the_reaction(e["Name"]) or e["Name"] for e in walk([worker["Environment"], worker["Secrets"]]) if isinstance(e, dict) and "Name" in e]
    for name in sorted({name for name in named if isinstance(name, str)}):
        if f'"{name}"' not in VARIABLES and not name.startswith(("AWS_", "OTEL_")):
            yield f"the worker reads no {name}"
    topics = [e["Value"] for e in worker["Environment"] if e.get("Name") in ("USER_EVENTS_TOPIC_ARN", "TOPIC_ARNS")]
    yield from equal("the topic it names, and those it reads", topics, [TOPIC_ARN, TOPIC_ARN])
    secret = {of_the_reaction(e["Name"]) or e["Name"]: e["ValueFrom"]["Ref"] for e in walk(worker["Secrets"]) if isinstance(e, dict) and "ValueFrom" in e}
    yield from equal("the secrets", secret, SECRETS)
    own = {of_the_reaction(e["Name"]): e["Value"] for e in walk(worker["Environment"]) if isinstance(e, dict) and "Name" in e}
    queue = {"Fn::ImportValue": staged("user-events-${ReactionName}-QueueUrl")}
    wanted = {"<NAME>_QUEUE_URL": queue, "<NAME>_WEBHOOK_URL": {"Ref": "WebhookUrl"}}
    yield from equal("the reaction's own variables", {name: value for name, value in own.items() if name}, wanted)


def templates():
    """The folder that MAIL_TEMPLATES names is the one that is mounted."""
    definition = WORKER["Resources"]["TaskDefinition"]["Properties"]
    worker = definition["ContainerDefinitions"][0]
    volume = only(definition, "Volumes", "Fn::If", 1, 0) or {}
    mount = only(worker, "MountPoints", "Fn::If", 1, 0) or {}
    told = [e["Value"] for e in walk(worker["Environment"]) if isinstance(e, dict) and e.get("Name") == "MAIL_TEMPLATES"]
    yield from equal("the templates' folder", told, [mount.get("ContainerPath")])
    yield from equal("the templates' volume", mount.get("SourceVolume"), volume.get("Name"))
    yield from equal("the templates' mount is read-only", mount.get("ReadOnly"), True)
    yield from equal("the templates' way", only(volume, "EFSVolumeConfiguration", "TransitEncryption"), "ENABLED")


def of_the_reaction(name):
    """`<NAME>_QUEUE_URL` of what joins QUEUE_URL to the prefix that reaction.yaml exports."""
    prefix = {"Fn::ImportValue": staged("user-events-${ReactionName}-VariablePrefix")}
    joined = only(name, "Fn::Join", 1) or [None]
    return f"<NAME>_{joined[-1]}" if name == {"Fn::Join": ["_", [prefix, joined[-1]]]} else None


def made(part, value):
    """What CloudFormation makes of a text of this one parameter."""
    if isinstance(part, list):
        return [made(inner, value) for inner in part]
    if not isinstance(part, dict):
        return part
    ((kind, of),) = part.items()
    if kind == "Ref":
        return value
    inner = made(of[1], value)
    return {"Fn::Split": lambda: inner.split(of[0]), "Fn::Join": lambda: of[0].join(inner), "Fn::Select": lambda: inner[of[0]]}[kind]()


def capitals():
    """As `prefix` in src/config/variables.rs."""
    for reaction in ("email", "order-notify", "abcdefghijklmnopqrstuvwxyz-0123456789"):
        wanted = re.sub(r"\W", "_", reaction).upper()
        yield from equal(f"the prefix of {reaction}", made(REACTION["Outputs"]["VariablePrefix"]["Value"], reaction), wanted)


def webhook():
    """Signed, under TLS, and let out on the port of its URL; but for 443, which is open."""
    url = WORKER["Parameters"]["WebhookUrl"]
    for told, taken in (("https://crm.internal/hooks/1?of=a:b", True), ("", True), ("http://crm.internal/", False), ("https://u:p@crm.internal", False)):
        yield from equal(f"WebhookUrl may be {told!r}", bool(re.fullmatch(url["AllowedPattern"], told)), taken)
    yield from equal("WebhookUrl, unless told,", url["Default"], "")
    for name, of in (("CallsWebhook", "WebhookUrl"), ("SignsWebhook", "WebhookSecretArn"), ("SignsTwice", "WebhookPreviousSecretArn")):
        yield from equal(name, WORKER["Conditions"][name], {"Fn::Not": [{"Fn::Equals": [{"Ref": of}, ""]}]})
    rule = WORKER["Rules"].get("WebhookIsSigned", {})
    yield from equal("when a webhook must be signed", rule.get("RuleCondition"), WORKER["Conditions"]["CallsWebhook"])
    yield from equal("what signs it", only(rule, "Assertions", 0, "Assert"), {"Fn::Not": [{"Fn::Equals": [{"Ref": "WebhookSecretArn"}, ""]}]})
    egress = WORKER["Resources"]["WebhookEgress"]
    yield from equal("when a port is opened for it", egress.get("Condition"), "CallsAnotherPort")
    port, usual = WORKER["Conditions"]["CallsAnotherPort"]["Fn::Not"][0]["Fn::Equals"]
    yield from equal("the port that is open", usual, "443")
    for end in ("FromPort", "ToPort"):
        yield from equal(f"the webhook's {end}", egress["Properties"][end], port)
    for told, wanted in (("", "443"), ("https://h", "443"), ("https://h/a:b//c", "443"), ("https://h:8443", "8443"), ("https://h:8443/a:b", "8443")):
        yield from equal(f"the port of {told!r}", made(port, told), wanted)


def ports(parameters):
    """From where to where the tasks are let out, a pair each rule."""
    resolver = template.Resolver(WORKER, parameters)
    rules = list(WORKER["Resources"]["SecurityGroup"]["Properties"]["SecurityGroupEgress"])
    for egress in of_type(WORKER, "AWS::EC2::SecurityGroupEgress").values():
        if resolver.holds(WORKER["Conditions"][egress["Condition"]]):
            rules.append(egress["Properties"])
    return sorted((int(resolver(rule["FromPort"])), int(resolver(rule["ToPort"]))) for rule in rules)


def security_group():
    """EC2 refuses the second rule of a port, and with it the whole stack."""
    mail = {"SmtpUrlSecretArn": "x", "TemplatesFileSystemId": "x"}
    told = [{}, mail, *({**mail, "SmtpPort": port} for port in (465, 587, 2465))]
    told += ({"WebhookUrl": f"https://h{port}/"} for port in ("", ":443", ":8443"))
    for parameters in told:
        opened = ports(parameters)
        yield from equal(f"ports that have two rules with {parameters}", sorted({p for p in opened if opened.count(p) > 1}), [])


def service():
    found = WORKER["Resources"]["Service"]["Properties"]
    yield from equal("DesiredCount, which would undo autoscaling at each deployment,", found.get("DesiredCount"), None)
    yield from equal("the circuit breaker", only(found, "DeploymentConfiguration", "DeploymentCircuitBreaker"), {"Enable": True, "Rollback": True})
    yield from equal("the least that stays up in a deployment", only(found, "DeploymentConfiguration", "MinimumHealthyPercent"), 100)
    strategy = [s for s in walk(found["CapacityProviderStrategy"]) if isinstance(s, dict) and "CapacityProvider" in s]
    yield from equal("capacity providers", [(s["CapacityProvider"], s.get("Base", 0)) for s in strategy], [("FARGATE", 1), ("FARGATE_SPOT", 0)])
    group = WORKER["Resources"]["SecurityGroup"]["Properties"]
    yield from equal("what comes in", [group.get("SecurityGroupIngress"), *of_type(WORKER, "AWS::EC2::SecurityGroupIngress")], [None])
    given = dict.fromkeys((*SECRETS.values(), "TemplatesFileSystemId"), "x")
    for told, wanted in (({}, (443, 465, 587, 2049, 6379)), ({"RedisPort": 6380, "SmtpPort": 2465}, (443, 2049, 2465, 6380))):
        yield from equal(f"ports that go out with {told}", ports({**given, **told}), [(p, p) for p in wanted])
    policy = WORKER["Resources"]["KeepBacklogPerTask"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
    backlog = policy["CustomizedMetricSpecification"]["Metrics"][0]["Expression"]
    yield from equal("backlog per task", backlog, "FILL(visible, 0) / IF(FILL(running, 0) > 0, FILL(running, 1), 1)")
    if not policy["ScaleOutCooldown"] < policy["ScaleInCooldown"]:
        yield "scaling in is not slower than scaling out"


def alarms():
    yield from equal("the alarms' program, unless told,", REACTION["Parameters"]["Program"]["Default"], re.search(r'name = "([\w-]+)", version', COMMANDS).group(1))
    commands = set(re.findall(r"^    ([A-Z]\w+)(?: \{|\(|,)", COMMANDS, re.M))
    commands = {re.sub(r"(?<!^)(?=[A-Z])", "-", c).lower() for c in commands}
    for file, stack in ALL.items():
        for name, alarm in of_type(stack, "AWS::CloudWatch::Alarm").items():
            properties = alarm["Properties"]
            text = " ".join(t for t in walk(properties["AlarmDescription"]) if isinstance(t, str))
            said = re.search(r": (?:\$\{Program\} (\w+)|aws ecs describe-services)", text)
            if not said or (said.group(1) or "run") not in commands:
                yield f"{file}: {name} names no command to run"
            yield from equal(f"{file}: {name}'s TreatMissingData", properties.get("TreatMissingData"), "notBreaching")
            told = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
            yield from equal(f"{file}: {name} tells", [properties.get("AlarmActions"), properties.get("OKActions")], [told, told])


def metrics():
    for file, stack in ALL.items():
        for part in walk(stack["Resources"]):
            if isinstance(part, dict) and "MetricName" in part and part["MetricName"] not in METRICS.get(part.get("Namespace"), ()):
                yield f"{file}: no metric {part.get('Namespace')} {part['MetricName']}"
            queries = part if isinstance(part, list) and part and isinstance(part[0], dict) and "Id" in part[0] else []
            ids = {query["Id"] for query in queries}
            for query in queries:
                for word in set(re.findall(r"\b[a-z]\w*", query.get("Expression", ""))) - ids:
                    yield f"{file}: {query['Id']} asks for {word}, which no query is"


def parameters():
    for file, stack in ALL.items():
        for name, parameter in stack["Parameters"].items():
            if not parameter.get("Description"):
                yield f"{file}: what is {name}?"
    architecture = WORKER["Parameters"]["Architecture"]
    yield from equal("Architecture, unless told, which is what we measured,", architecture["Default"], "X86_64")
    yield from equal("Architecture may be", sorted(architecture["AllowedValues"]), ["ARM64", "X86_64"])


def image():
    bases = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", DOCKERFILE, re.M))
    stages = re.findall(r"^FROM (\S+) AS (\w+)$", DOCKERFILE, re.M)
    yield from equal("stages with a name", len(stages), len(re.findall(r"^FROM ", DOCKERFILE, re.M)))
    for base, stage in stages:
        pinned = re.fullmatch(PINNED, bases.get(base.strip("${}"), ""))
        if not pinned and base not in {name for _, name in stages}:
            yield f"the stage {stage} is on {base}, which names no tag and digest"
    for name, server in template.load(ROOT / "localstack/compose.yaml")["services"].items():
        if "image" in server and not re.fullmatch(PINNED, server["image"]):
            yield f"localstack's {name} is {server['image']}, which names no tag and digest"
    taken_by = (ROOT / "pgo/x86_64.of").read_text().split()[1]
    yield from equal("the compiler", re.match(r"rust:([\d.]+)-", bases["BUILD_IMAGE"]).group(1), taken_by)
    toolchain = (ROOT / "rust-toolchain.toml").read_text()
    yield from equal("the toolchain", re.search(r'^channel = "(.*)"', toolchain, re.M).group(1), taken_by)
    for build in re.findall(r"^RUN (?:.*\\\n)*.*$", DOCKERFILE, re.M):
        if "--release" in build and '"$(pgo/flags)"' not in build:
            yield f"built without the profile: {build}"


def ci():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    here = set(re.findall(r"^(?:exec )?make ([a-z-]+)$", (ROOT / ".ci/run").read_text(), re.M))
    workflow = template.load(ROOT / ".github/workflows/ci.yml")
    there = {step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step}
    there = {run.removeprefix("make ") for run in there if run.startswith("make ")}
    # Docker is there and not here: each builds the image by what it has.
    yield from equal("what the workflow runs", sorted(there - {"image"}), sorted(here - {"image-buildah"}))
    for target in sorted((here | there) - targets):
        yield f"the Makefile has no {target}"


SUBJECTS = [queues, what_is_kept, subscription, queue_policies, topic_policy, roles, containers, templates, capitals, webhook, security_group, service, alarms, metrics, parameters, image, ci]


if __name__ == "__main__":
    breaches = [f"{subject.__name__}: {breach}" for subject in SUBJECTS for breach in subject()]
    sys.exit("\n".join(breaches) or 0)
