"""What must hold of infra/kubernetes: the schemas of Kubernetes itself, and what they say nothing of: that a probe
asks what it should, that a stop has its time, that the files name each other and say what worker.yaml says.

Enters: the files of this checkout. Leaves: nothing, or every breach at once and exit code 1.
KEDA's kinds have no schema here: what its schema would say of them is said below, field by field.
"""

import json
import re
import sys

import yaml
from kubernetes_validate.utils import SchemaNotFoundError, ValidationError, all_versions, validate

import template
from checks import ROOT, VARIABLES, WORKER, default, equal, longest_stop, only

FOLDER = ROOT / "infra/kubernetes"
FILES = {path.name: [d for d in yaml.safe_load_all(path.read_text()) if d] for path in sorted(FOLDER.glob("*.yaml"))}
KUSTOMIZATION = FILES.pop("kustomization.yaml")[0]
KINDS = {document["kind"]: document for documents in FILES.values() for document in documents}
POD = KINDS["Deployment"]["spec"]["template"]
CONTAINER = POD["spec"]["containers"][0]
HEALTH = (ROOT / "src/telemetry/health.rs").read_text()
NAME, REACTION = "user-events-email", "email"
SETTINGS = dict(line.split("=", 1) for line in only(KUSTOMIZATION, "configMapGenerator", 0, "literals") or [])
# What KEDA's scaler for SQS reads (2.13 to 2.18).
SCALER = {"queueURL", "queueURLFromEnv", "queueLength", "activationQueueLength", "scaleOnInFlight", "scaleOnDelayed", "awsRegion", "awsEndpoint"}


def schemas():
    for file, documents in FILES.items():
        for document in documents:
            if document["apiVersion"].startswith("keda.sh/"):
                continue
            for version in sorted(set(all_versions())):
                try:
                    validate(document, version, strict=True)
                except (ValidationError, SchemaNotFoundError) as error:
                    yield f"{file}: {document['kind']} of Kubernetes {version}: {error.message}"
                    break


def files():
    yield from equal("the resources", sorted(KUSTOMIZATION["resources"]), sorted(FILES))
    yield from equal("the kinds", sorted(KINDS), ["Deployment", "PodDisruptionBudget", "ScaledObject", "ServiceAccount", "TriggerAuthentication"])
    for kind, document in KINDS.items():
        yield from equal(f"{kind}'s name", document["metadata"]["name"], NAME)
    yield from equal("the settings' name", only(KUSTOMIZATION, "configMapGenerator", 0, "name"), NAME)
    yield from equal("the image", [only(KUSTOMIZATION, "images", 0, "name")], [CONTAINER["image"]])
    labels = POD["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        yield from equal(f"whom the {kind} selects", KINDS[kind]["spec"]["selector"], {"matchLabels": labels})
    yield from equal("who the worker is", POD["spec"].get("serviceAccountName"), NAME)
    yield from equal("what it runs", CONTAINER.get("args"), ["run", REACTION])


def probes():
    routes = re.findall(r'\.route\("(/\w+)"', HEALTH)
    for path in ("/livez", "/readyz"):
        if path not in routes:
            yield f"the worker answers no {path}"
    for kind in ("readinessProbe", "startupProbe"):
        if kind in CONTAINER:
            yield f"there is a {kind}: a rollout would wait for what a worker need not have"
    get = only(CONTAINER, "livenessProbe", "httpGet") or {}
    yield from equal("what the liveness probe asks", get.get("path"), "/livez")
    (port,) = [port for port in CONTAINER["ports"] if port["name"] == get.get("port")] or [{}]
    yield from equal("whom it asks", port.get("containerPort"), int(default("HTTP_ADDR").rsplit(":", 1)[1]))
    probe = CONTAINER.get("livenessProbe", {})
    same = {"initialDelaySeconds": "StartPeriod", "periodSeconds": "Interval", "timeoutSeconds": "Timeout", "failureThreshold": "Retries"}
    for ours, ecs in same.items():
        health = WORKER["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]["HealthCheck"]
        yield from equal(f"the probe's {ours}, {ecs} on ECS,", probe.get(ours), health[ecs])


def stop():
    grace = POD["spec"].get("terminationGracePeriodSeconds", 30)
    if grace <= longest_stop():
        yield f"the grace of {grace} s is not above the longest stop, {longest_stop()} s"
    if "preStop" in CONTAINER.get("lifecycle", {}):
        yield "a preStop hook spends the time of the stop"
    update = KINDS["Deployment"]["spec"].get("strategy", {})
    yield from equal("how a rollout goes", update, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}})
    if KINDS["Deployment"]["spec"].get("minReadySeconds", 0) < 10:
        yield "minReadySeconds is too short for a worker to end on its settings"
    budget = {key: value for key, value in KINDS["PodDisruptionBudget"]["spec"].items() if key != "selector"}
    yield from equal("how many a node may stop at once", budget, {"maxUnavailable": 1})


def rights():
    """The least: as on ECS, and nothing of Kubernetes."""
    user = int(WORKER["Resources"]["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]["User"].split(":")[0])
    wanted = {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": user, "seccompProfile": {"type": "RuntimeDefault"}}
    yield from equal("the pod's security", POD["spec"].get("securityContext"), wanted)
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    yield from equal("the container's security", CONTAINER.get("securityContext"), wanted)
    for name in ("automountServiceAccountToken", "enableServiceLinks"):
        yield from equal(name, POD["spec"].get(name), False)
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        yield from equal(name, POD["spec"].get(name), None)
    arch = {"X86_64": "amd64", "ARM64": "arm64"}[WORKER["Parameters"]["Architecture"]["Default"]]
    yield from equal("the machines it runs on", POD["spec"].get("nodeSelector"), {"kubernetes.io/arch": arch})
    resources = CONTAINER.get("resources", {})
    yield from equal("the memory it may use, in MiB,", only(resources, "limits", "memory"), WORKER["Parameters"]["Memory"]["Default"] + "Mi")
    yield from equal("a limit of the CPU, which would slow a burst,", only(resources, "limits", "cpu"), None)
    for name in ("cpu", "memory"):
        if not only(resources, "requests", name):
            yield f"no {name} is asked for"
    found = json.loads((FOLDER / "rights.json").read_text())["Statement"]
    task = WORKER["Resources"]["TaskRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    arn = "arn:aws:sqs:eu-central-1:111122223333:"
    exports = {f"{NAME}-QueueArn": arn + NAME, f"{NAME}-DeadLetterQueueArn": f"{arn}{NAME}-dlq"}
    resolve = template.Resolver(WORKER, {"ReactionName": REACTION, "Stage": ""}, exports)
    yield from equal("rights.json", found, [resolve(s) for s in task if s["Sid"] != "ItsProtectionFromScaleIn"])


def settings():
    """Variables by their names; secrets by reference only."""
    secrets = {}
    for entry in CONTAINER.get("env", []):
        secrets[entry["name"]] = only(entry, "valueFrom", "secretKeyRef")
        yield from equal(f"where {entry['name']} is", secrets[entry["name"]], {"name": NAME, "key": entry["name"]})
    yield from equal("the secrets", sorted(secrets), ["REDIS_URL", "SMTP_URL"])
    yield from equal("where the rest is", CONTAINER.get("envFrom"), [{"configMapRef": {"name": NAME}}])
    for name in SETTINGS:
        if f'"{name.replace(REACTION.upper() + "_QUEUE", "<NAME>_QUEUE")}"' not in VARIABLES:
            yield f"the worker reads no {name}"
    for name in ("AWS_REGION", "USER_EVENTS_TOPIC_ARN", "TOPIC_ARNS", "EMAIL_QUEUE_URL", "MAIL_FROM"):
        if not SETTINGS.get(name):
            yield f"{name} is not set"


def scaling():
    found = KINDS["ScaledObject"]["spec"]
    yield from equal("replicas, which each apply would reset,", KINDS["Deployment"]["spec"].get("replicas"), None)
    yield from equal("what is known of scaling", sorted(found), ["maxReplicaCount", "minReplicaCount", "scaleTargetRef", "triggers"])
    yield from equal("what is scaled", found.get("scaleTargetRef"), {"name": NAME})
    for ours, ecs in (("minReplicaCount", "MinTasks"), ("maxReplicaCount", "MaxTasks")):
        yield from equal(f"{ours}, {ecs} on ECS,", found.get(ours), WORKER["Parameters"][ecs]["Default"])
    (trigger,) = found["triggers"]
    yield from equal("what KEDA looks at", trigger.get("type"), "aws-sqs-queue")
    yield from equal("by whose right", trigger.get("authenticationRef"), {"name": NAME})
    yield from equal("whose right that is", KINDS["TriggerAuthentication"]["spec"], {"podIdentity": {"provider": "aws"}})
    metadata = trigger["metadata"]
    for name, value in metadata.items():
        if name not in SCALER or not isinstance(value, str):
            yield f"KEDA reads no {name} of {json.dumps(value)}"
    yield from equal("whose queue", metadata.get("queueURLFromEnv"), "EMAIL_QUEUE_URL")
    yield from equal("where it is", metadata.get("awsRegion"), SETTINGS.get("AWS_REGION"))
    yield from equal("waiting events per worker", metadata.get("queueLength"), str(WORKER["Parameters"]["BacklogPerTask"]["Default"]))
    yield from equal("events in flight count", metadata.get("scaleOnInFlight"), "false")


SUBJECTS = [schemas, files, probes, stop, rights, settings, scaling]


if __name__ == "__main__":
    breaches = [f"{subject.__name__}: {breach}" for subject in SUBJECTS for breach in subject()]
    sys.exit("\n".join(breaches) or 0)
