#!/usr/bin/env python3
"""Breaks a template, a manifest, a workflow or the Dockerfile in one place at a time, and sees that `make lint-infra` notices.

    infra/lint/mutations.py [NAME...]    all, or those named

Needs:  what infra/lint/run left (infra/lint/.venv). Leaves: nothing; the checkout is not touched.
Ends 1 if a mutation went unnoticed, or no longer fits its file. Without checkov: that costs ten
seconds each time, and none of these needs it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CI, IMAGE = (f".github/workflows/{name}.yml" for name in ("ci", "image"))
COMPOSE = "localstack/compose.yaml"
CODE = [f"src/{name}.rs" for name in ("config/variables", "cli/mod", "cli/dlq", "ops/doctor/reaction", "telemetry/mod", "telemetry/health")]
READ = ["infra", "pgo", "Dockerfile", "Makefile", "rust-toolchain.toml", ".ci/run", CI, IMAGE, COMPOSE, "engine/src/worker/drain.rs", *CODE]
VENV = Path(os.environ.get("LINT_VENV", "infra/lint/.venv"))

TOPIC, REACTION, WORKER = (f"infra/{name}.yaml" for name in ("topic", "reaction", "worker"))
DEPLOYMENT, BUDGET, SCALED, ACCOUNT, KUSTOMIZATION = (
    f"infra/kubernetes/{name}.yaml" for name in ("deployment", "disruption-budget", "scaled-object", "service-account", "kustomization")
)
BEFORE = '{ Before: !If [HasStage, !Sub "${Stage}-", ""] }'
TOPIC_ARN = '!If [HasTopicArn, !Ref TopicArn, { Fn::ImportValue: !Sub ["${Before}${TopicStack}-TopicArn", %s] }]' % BEFORE
SOURCE_ARN = f"""
            Condition:
              ArnEquals:
                "aws:SourceArn": {TOPIC_ARN}"""


def bare(secret):
    """The secret's own ARN, without a key of it."""
    name = '!Select [0, !Split [":", !Select [1, !Split [":secret:", !Sub "${%s}:secret:"]]]]' % secret
    return f'!Join [":secret:", [!Select [0, !Split [":secret:", !Ref {secret}]], {name}]]'


def unread(condition, secret):
    """A secret that ECS may not read."""
    return (WORKER, f"                  - !If\n                    - {condition}\n                    - {bare(secret)}\n                    - !Ref AWS::NoValue\n", "")


# name: (file, what stands there, what stands there instead); the first place counts
MUTATIONS = {
    "templates_are_writable": (WORKER, "ContainerPath: /templates, ReadOnly: true", "ContainerPath: /templates, ReadOnly: false"),
    "templates_are_mounted_where_nobody_looks": (WORKER, "Value: /templates }", "Value: /mail }"),
    "templates_cross_the_net_in_the_clear": (WORKER, "TransitEncryption: ENABLED", "TransitEncryption: DISABLED"),
    "stop_timeout_over_fargates": (WORKER, "StopTimeout: 120 #", "StopTimeout: 200 #"),
    "stop_timeout_below_the_drain": (WORKER, "StopTimeout: 120 #", "StopTimeout: 60 #"),
    "filter_scope_typo": (REACTION, "FilterPolicyScope: MessageBody", "FilterPolicyScope: Body"),
    "filter_scope_of_attributes": (REACTION, "FilterPolicyScope: MessageBody", "FilterPolicyScope: MessageAttributes"),
    "raw_delivery": (REACTION, "RawMessageDelivery: false", "RawMessageDelivery: true"),
    "no_source_arn": (REACTION, SOURCE_ARN, ""),
    "sns_misspelt": (REACTION, "Service: sns.amazonaws.com", "Service: sns.amazonaws.co"),
    "plaintext_to_the_queue": (REACTION, '{ "aws:SecureTransport": "false" }', '{ "aws:SecureTransport": "true" }'),
    "dlq_forgets_before_its_queue": (REACTION, "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 345600"),
    "queue_may_keep_as_long_as_its_dlq": (REACTION, "MaxValue: 1123200", "MaxValue: 1209600"),
    "queue_unencrypted": (REACTION, "SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false"),
    "queue_deleted_with_its_stack": (REACTION, "DeletionPolicy: Retain", "DeletionPolicy: Delete"),
    "no_redrive": (REACTION, "        deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn\n        maxReceiveCount", "        maxReceiveCount"),
    "profile_has_the_receives_of_a_record": (REACTION, "[HasNoRecord, 5, 100]", "[HasNoRecord, 100, 100]"),
    "not_now_is_soon_over": (REACTION, "[HasNoRecord, 5, 100]", "[HasNoRecord, 5, 5]"),
    "a_count_of_ones_own_is_passed_over": (REACTION, "!If [HasOwnCount, !Ref MaxReceiveCount, !If [HasNoRecord, 5, 100]]", "!If [HasNoRecord, 5, 100]"),
    "dlq_is_its_own": (REACTION, "deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn", "deadLetterTargetArn: !GetAtt Queue.Arn"),
    "undeliverable_is_lost": (REACTION, "      RedrivePolicy:\n        deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn\n\n", "\n"),
    "alarm_on_no_metric": (REACTION, "MetricName: ApproximateAgeOfOldestMessage", "MetricName: AgeOfOldestMessage"),
    "alarm_without_a_command": (REACTION, "See why: ${Program} dlq list --by-reason", "Good luck."),
    "alarm_names_another_program": (REACTION, "${Program} doctor", "user-events doctor"),
    "alarm_tells_nobody": (REACTION, 'AlarmActions: !If [HasAlarmTopic, [!Ref AlarmTopicArn], !Ref "AWS::NoValue"]', "AlarmActions: []"),
    "metric_of_no_query": (REACTION, "FILL(deleted, 0) == 0", "FILL(removed, 0) == 0"),
    "import_of_nothing": (REACTION, "${ReactionName}-QueueArn", "${ReactionName}-Arn"),
    "topic_without_its_stage": (TOPIC, f'!Sub ["${{Before}}${{TopicName}}", {BEFORE}]', "!Ref TopicName"),
    "topics_export_without_its_stage": (TOPIC, '!If [HasStage, !Sub "${Stage}-user-events-topic-TopicArn", !Sub "${AWS::StackName}-TopicArn"]', '!Sub "${AWS::StackName}-TopicArn"'),
    "queue_without_its_stage": (REACTION, f'QueueName: !Sub ["${{Before}}user-events-${{ReactionName}}", {BEFORE}]', 'QueueName: !Sub "user-events-${ReactionName}"'),
    "dlq_without_its_stage": (REACTION, f'QueueName: !Sub ["${{Before}}user-events-${{ReactionName}}-dlq", {BEFORE}]', 'QueueName: !Sub "user-events-${ReactionName}-dlq"'),
    "dlq_of_another_stages_queue": (REACTION, "${AWS::AccountId}:${Before}user-events", "${AWS::AccountId}:user-events"),
    "alarm_without_its_stage": (REACTION, '"${Before}user-events-${ReactionName}-stalled"', '"user-events-${ReactionName}-stalled"'),
    "export_without_its_stage": (REACTION, 'Name: !Sub ["${Before}user-events-${ReactionName}-QueueName"', 'Name: !Sub ["user-events-${ReactionName}-QueueName"'),
    "import_of_another_stage": (WORKER, '!Sub ["${Before}user-events-${ReactionName}-QueueUrl"', '!Sub ["user-events-${ReactionName}-QueueUrl"'),
    "topic_of_another_stage": (WORKER, '!Sub ["${Before}${TopicStack}-TopicArn"', '!Sub ["${TopicStack}-TopicArn"'),
    "cluster_without_its_stage": (WORKER, 'ClusterName: !Sub ["${Before}user', 'ClusterName: !Sub ["user'),
    "service_without_its_stage": (WORKER, 'ServiceName: !Sub ["${Before}user', 'ServiceName: !Sub ["user'),
    "family_without_its_stage": (WORKER, 'Family: !Sub ["${Before}user', 'Family: !Sub ["user'),
    "role_without_its_stage": (WORKER, "  TaskRole: # the worker: its queue, sends to its dead-letter queue, its own protection\n    Type: AWS::IAM::Role\n    Properties:\n", '  TaskRole:\n    Type: AWS::IAM::Role\n    Properties:\n      RoleName: !Sub "user-events-${ReactionName}"\n'),
    "names_of_today_are_others": (REACTION, '!If [HasStage, !Sub "${Stage}-", ""]', '!If [HasStage, !Sub "${Stage}-", "production-"]'),
    "stage_by_default": (WORKER, 'Stage:\n    Type: String\n    Default: ""', 'Stage:\n    Type: String\n    Default: "production"'),
    "stage_with_a_hyphen": (REACTION, '"([a-z][a-z0-9]*)?"', '"([a-z][a-z0-9-]*)?"'),
    "stage_on_a_topic_of_another": (REACTION, "!Equals [!Ref TopicStack, user-events-topic]", '!Not [!Equals [!Ref TopicStack, ""]]'),
    "stage_that_shares_records": (WORKER, '!If [HasStage, !Sub "${Stage}:", ""]]', '""]'),
    "prefix_of_ones_own_is_passed_over": (WORKER, "!If [HasRedisPrefix, !Ref RedisPrefix, ", '!If [HasRedisPrefix, "", '),
    "topic_by_any_arn": (REACTION, "(arn:[a-z-]+:sns:", "(arn:[a-z-]+:[a-z]+:"),
    "topic_by_arn_is_passed_over": (WORKER, "!If [HasTopicArn, !Ref TopicArn, {", '!If [HasTopicArn, "", {'),
    "subscription_to_our_topic_alone": (REACTION, f"TopicArn: {TOPIC_ARN}", f'TopicArn: {{ Fn::ImportValue: !Sub ["${{Before}}${{TopicStack}}-TopicArn", {BEFORE}] }}'),
    "redis_port_is_fixed": (WORKER, "FromPort: !Ref RedisPort", "FromPort: 6379"),
    "redis_port_by_default": (WORKER, "Default: 6379", "Default: 6380"),
    "mail_port_is_passed_over": (WORKER, "FromPort: !If [HasSmtpPort, !Ref SmtpPort, 587]", "FromPort: 587"),
    "mail_port_beside_both": (WORKER, "Condition: HasBothSmtpPorts", "Condition: SendsMail"),
    "mail_ports_stay_shut": (WORKER, "!Not [!Equals [!Ref SmtpPort, 0]]", '!Not [!Equals [!Ref SmtpPort, ""]]'),
    "for_arm_by_default": (WORKER, "Default: X86_64", "Default: ARM64"),
    "no_arm": (WORKER, "AllowedValues: [X86_64, ARM64]", "AllowedValues: [X86_64]"),
    "extra_environment_is_not_read": (WORKER, "- - { Type: s3, Value: !Ref ExtraEnvironment }", "- []"),
    "extra_environment_that_ecs_may_not_read": (WORKER, "Resource: !Ref ExtraEnvironment", "Resource: !Select [0, !Split [\"/\", !Ref ExtraEnvironment]]"),
    "extra_environment_in_no_bucket": (WORKER, 'Resource: !Select [0, !Split ["/", !Ref ExtraEnvironment]]', "Resource: !Ref ExtraEnvironment"),
    "extra_environment_of_any_name": (WORKER, "\\S+[.]env)?", "\\S+)?"),
    "variable_that_no_line_changes": (WORKER, "            - Name: REDIS_PREFIX #", "            - { Name: LOG_FORMAT, Value: pretty }\n            - Name: REDIS_PREFIX #"),
    "headers_by_another_name": (WORKER, "WEBHOOK_HEADERS]]", "WEBHOOK_HEADER]]"),
    "headers_of_the_collector_in_no_secret": (WORKER, "- { Name: OTEL_EXPORTER_OTLP_HEADERS, ValueFrom: !Ref OtlpHeadersSecretArn }", "- !Ref AWS::NoValue"),
    "secret_without_a_key": (WORKER, "[A-Za-z0-9/_+=.@-]+(:[^:]*){0,3}", "[A-Za-z0-9/_+=.@-]+"),
    "key_in_the_right_to_a_secret": (WORKER, f"# each without the key that may follow it\n                  - {bare('RedisUrlSecretArn')}", "\n                  - !Ref RedisUrlSecretArn"),
    "anyone_may_publish": (TOPIC, 'AWS: !Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"', 'AWS: "*"'),
    "topic_unencrypted": (TOPIC, "KmsMasterKeyId: alias/aws/sns", "DisplayName: events"),
    "wildcard_action": (WORKER, "- sqs:ReceiveMessage", "- sqs:*"),
    "action_misspelt": (WORKER, "- sqs:ReceiveMessage", "- sqs:ReceiveMessages"),
    "wildcard_resource": (WORKER, 'Action: sqs:SendMessage\n                Resource:\n                  Fn::ImportValue: !Sub ["${Before}user-events-${ReactionName}-DeadLetterQueueArn", ' + BEFORE + "]", 'Action: sqs:SendMessage\n                Resource: "*"'),
    "no_change_message_visibility": (WORKER, "                  - sqs:ChangeMessageVisibility\n", ""),
    "worker_may_publish": (WORKER, "- sqs:ReceiveMessage", "- sqs:ReceiveMessage\n                  - sqs:PurgeQueue"),
    "subscription_by_arn": (WORKER, 'Action: sns:GetSubscriptionAttributes\n            Resource: "*"', 'Action: sns:GetSubscriptionAttributes\n            Resource: !Sub "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:user-events"'),
    "any_secret": (WORKER, f"                  - {bare('RedisUrlSecretArn')}\n", '                  - !Sub "${RedisUrlSecretArn}*"\n'),
    "secret_in_the_environment": (WORKER, "- { Name: REDIS_URL, ValueFrom: !Ref RedisUrlSecretArn }", "- { Name: REDIS, ValueFrom: !Ref RedisUrlSecretArn }"),
    "any_account_assumes": (WORKER, 'StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId }\n              ', ""),
    "root_user": (WORKER, 'User: "65532:65532"', 'User: "0:0"'),
    "writable_root": (WORKER, "ReadonlyRootFilesystem: true", "ReadonlyRootFilesystem: false"),
    "capabilities_kept": (WORKER, "Capabilities: { Drop: [ALL] }", "Capabilities: { Drop: [NET_RAW] }"),
    "health_check_too_often": (WORKER, "Interval: 10", "Interval: 1"),
    "health_check_by_shell": (WORKER, "[CMD, !Ref Program, healthcheck]", "[CMD-SHELL, /user-events healthcheck]"),
    "health_check_of_another_program": (WORKER, "[CMD, !Ref Program, healthcheck]", "[CMD, /user-events, healthcheck]"),
    "provider_misspelt": (WORKER, "CapacityProvider: FARGATE_SPOT", "CapacityProvider: FARGATE_SPOTS"),
    "desired_count": (WORKER, "PlatformVersion: LATEST", "PlatformVersion: LATEST\n      DesiredCount: 1"),
    "no_rollback": (WORKER, "Rollback: true", "Rollback: false"),
    "logs_that_block": (WORKER, "mode: non-blocking", "mode: blocking"),
    "division_by_no_task": (WORKER, "IF(FILL(running, 0) > 0, FILL(running, 1), 1)", "FILL(running, 0)"),
    "smtps_has_two_rules": (WORKER, "HasBothSmtpPorts: !And [!Condition SendsMail, !Not [!Condition HasSmtpPort]]", "HasBothSmtpPorts: !And [!Condition SendsMail, !Condition SendsMail]"),
    "webhook_of_the_usual_port_has_two_rules": (WORKER, "    Condition: CallsAnotherPort\n", "    Condition: CallsWebhook\n"),
    "open_to_the_world": (WORKER, "      SecurityGroupEgress:", "      SecurityGroupIngress:\n        - { Description: any, IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 0.0.0.0/0 }\n      SecurityGroupEgress:"),
    "unknown_variable": (WORKER, "Name: MAIL_FROM", "Name: MAIL_SENDER"),
    "name_of_other_letters": (REACTION, '!Join ["Q", !Split ["q",', '!Join ["O", !Split ["q",'),
    "webhook_by_another_name": (WORKER, "WEBHOOK_URL]]", "WEB_HOOK_URL]]"),
    "webhook_secret_that_no_code_reads": ("src/config/variables.rs", '"<NAME>_WEBHOOK_SECRET"', '"<NAME>_WEBHOOK_KEY"'),
    "webhook_in_the_clear": (WORKER, "(https://[A-Za-z0-9.-]+", "(https?://[A-Za-z0-9.-]+"),
    "webhook_unsigned": (WORKER, '- Assert: !Not [!Equals [!Ref WebhookSecretArn, ""]]', '- Assert: !Not [!Equals [!Ref WebhookUrl, ""]]'),
    "webhook_signed_by_no_secret": (WORKER, "ValueFrom: !Ref WebhookSecretArn", "ValueFrom: !Ref WebhookUrl"),
    "webhook_secret_in_the_environment": (WORKER, "Value: !Ref WebhookUrl", "Value: !Ref WebhookSecretArn"),
    "webhook_secret_that_ecs_may_not_read": unread("SignsWebhook", "WebhookSecretArn"),
    "previous_secret_that_ecs_may_not_read": unread("SignsTwice", "WebhookPreviousSecretArn"),
    "headers_that_ecs_may_not_read": unread("HasHeaders", "WebhookHeadersSecretArn"),
    "collectors_headers_that_ecs_may_not_read": unread("HasOtlpHeaders", "OtlpHeadersSecretArn"),
    "previous_secret_signs_alone": (WORKER, "ValueFrom: !Ref WebhookPreviousSecretArn", "ValueFrom: !Ref WebhookSecretArn"),
    "previous_secret_always": (WORKER, 'SignsTwice: !Not [!Equals [!Ref WebhookPreviousSecretArn, ""]]', 'SignsTwice: !Not [!Equals [!Ref WebhookSecretArn, ""]]'),
    "webhook_port_stays_shut": (WORKER, "    Condition: CallsAnotherPort\n", "    Condition: SendsMail\n"),
    "webhook_port_of_its_path": (WORKER, '!Select [2, !Split ["/", !Join ["", [!Ref WebhookUrl, "//:443"]]]]', "!Ref WebhookUrl"),
    "webhook_port_of_plain_http": (WORKER, '"//:443"]]]], "443"]', '"//:443"]]]], "80"]'),
    "any_topic_is_believed": (WORKER, "Name: TOPIC_ARNS #", "Name: USER_EVENTS_TOPICS #"),
    "another_topic_is_believed": (WORKER, f"""Name: TOPIC_ARNS # another topic's notifications are quarantined
              Value: {TOPIC_ARN}""", """Name: TOPIC_ARNS
              Value: arn:aws:sns:us-east-1:000000000000:another"""),
    "memory_that_does_not_fit": (WORKER, 'Default: "512"', 'Default: "256"'),
    "workflow_forgets_lint": (CI, "      - run: make lint-infra\n", ""),
    "workflow_by_a_tag": (CI, "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "actions/checkout@v7"),
    "workflow_keeps_its_token": (CI, "        with: { persist-credentials: false }\n", ""),
    "workflow_may_do_anything": (CI, "permissions: { contents: read }", "permissions: write-all"),
    "workflow_runs_what_others_named": (IMAGE, 'run: docker login ghcr.io', "run: echo ${{ github.ref_name }}; docker login ghcr.io"),
    "workflow_with_a_misspelt_key": (IMAGE, "    timeout-minutes: 15", "    timeout-minute: 15"),
    "toolchain_of_another_compiler": ("rust-toolchain.toml", 'channel = "1.95.0"', 'channel = "1.96.0"'),
    "server_without_a_digest": (COMPOSE, "@sha256:3ebc37595918b8accb852f8048fef2aff047d465167edd655528065b07bc364a", ""),
    "image_by_latest": ("Dockerfile", "FROM ${RUNTIME_IMAGE} AS", "FROM gcr.io/distroless/cc-debian13:latest AS"),
    "image_without_a_digest": ("Dockerfile", "cc-debian13:nonroot@sha256:54df941ed0d06a1bd95ef5e0ce391fd8d9f94b64782dc9a60062727849ee3f97", "cc-debian13:nonroot"),
    "entrypoint_by_shell": ("Dockerfile", 'ENTRYPOINT ["/user-events"]', "ENTRYPOINT /user-events"),
    "image_by_another_compiler": ("Dockerfile", "rust:1.95.0-slim-trixie@", "rust:1.96.0-slim-trixie@"),
    "image_without_the_profile": ("Dockerfile", 'RUSTFLAGS="$(pgo/flags)" RUSTC_WRAPPER', "RUSTC_WRAPPER"),
    "image_as_root": ("Dockerfile", "USER 65532:65532", "USER root"),
    "pod_asked_by_a_misspelt_path": (DEPLOYMENT, "path: /livez", "path: /livz"),
    "pod_killed_with_its_mail_server": (DEPLOYMENT, "path: /livez", "path: /readyz"),
    "pod_ready_by_its_mail_server": (DEPLOYMENT, "          livenessProbe:", "          readinessProbe:\n            httpGet: { path: /readyz, port: health }\n          livenessProbe:"),
    "pod_asked_on_a_shut_port": (DEPLOYMENT, "containerPort: 8080", "containerPort: 8081"),
    "pod_asked_on_no_port": (DEPLOYMENT, "port: health }", "port: http }"),
    "pod_unasked": (DEPLOYMENT, "          livenessProbe: #", "          lifecycle: #"),
    "pod_asked_too_often": (DEPLOYMENT, "periodSeconds: 10", "periodSeconds: 1"),
    "pod_has_the_usual_grace": (DEPLOYMENT, "      terminationGracePeriodSeconds: 130 # SHUTDOWN_TIMEOUT, 110s, ends before it\n", ""),
    "pods_grace_below_the_stop": (DEPLOYMENT, "terminationGracePeriodSeconds: 130", "terminationGracePeriodSeconds: 115"),
    "pods_field_misspelt": (DEPLOYMENT, "terminationGracePeriodSeconds:", "terminationGraceSeconds:"),
    "pod_of_root": (DEPLOYMENT, "runAsUser: 65532", "runAsUser: 0"),
    "pod_writes_its_root": (DEPLOYMENT, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    "pod_keeps_capabilities": (DEPLOYMENT, "drop: [ALL]", "drop: [NET_RAW]"),
    "pod_may_gain_rights": (DEPLOYMENT, "            allowPrivilegeEscalation: false\n", ""),
    "pod_without_a_profile": (DEPLOYMENT, "        seccompProfile: { type: RuntimeDefault }\n", ""),
    "pod_with_a_token": (DEPLOYMENT, "automountServiceAccountToken: false", "automountServiceAccountToken: true"),
    "pod_with_links": (DEPLOYMENT, "enableServiceLinks: false", "enableServiceLinks: true"),
    "pod_on_another_machine": (DEPLOYMENT, "kubernetes.io/arch: amd64", "kubernetes.io/arch: arm64"),
    "pod_of_any_memory": (DEPLOYMENT, "            limits: { memory: 512Mi }\n", ""),
    "pod_of_nobody": (DEPLOYMENT, "      serviceAccountName: user-events-email\n", ""),
    "pod_runs_another": (DEPLOYMENT, "args: [run, email]", "args: [run, profile]"),
    "pod_of_another_secret": (DEPLOYMENT, "secretKeyRef: { name: user-events-email, key: SMTP_URL }", "secretKeyRef: { name: user-events, key: SMTP_URL }"),
    "pod_of_other_settings": (DEPLOYMENT, "configMapRef: { name: user-events-email }", "configMapRef: { name: user-events }"),
    "pods_secret_in_the_settings": (DEPLOYMENT, "valueFrom: { secretKeyRef: { name: user-events-email, key: REDIS_URL } }", "value: redis://redis:6379/0"),
    "pods_replicas": (DEPLOYMENT, "spec: # no replicas", "spec:\n  replicas: 1 # no replicas"),
    "pods_all_at_once": (DEPLOYMENT, "maxUnavailable: 0", "maxUnavailable: 1"),
    "pods_rolled_out_unseen": (DEPLOYMENT, "minReadySeconds: 15", "minReadySeconds: 0"),
    "deployment_of_an_old_api": (DEPLOYMENT, "apiVersion: apps/v1", "apiVersion: extensions/v1beta1"),
    "budget_that_holds_a_node": (BUDGET, "maxUnavailable: 1", "minAvailable: 1"),
    "budget_of_others": (BUDGET, "component: email", "component: profile"),
    "account_by_another_name": (ACCOUNT, "name: user-events-email", "name: user-events"),
    "events_in_flight_count": (SCALED, 'scaleOnInFlight: "false"', 'scaleOnInFlight: "true"'),
    "scalers_word_misspelt": (SCALED, "queueURLFromEnv:", "queueUrlFromEnv:"),
    "scalers_number_is_no_text": (SCALED, 'queueLength: "100"', "queueLength: 100"),
    "scaler_of_another_reaction": (SCALED, "EMAIL_QUEUE_URL", "PROFILE_QUEUE_URL"),
    "scaler_in_another_region": (SCALED, "awsRegion: eu-central-1", "awsRegion: us-east-1"),
    "scaler_of_nothing": (SCALED, "scaleTargetRef:\n    name: user-events-email", "scaleTargetRef:\n    name: user-events"),
    "scaler_without_rights": (SCALED, "      authenticationRef:\n        name: user-events-email\n", ""),
    "scaler_of_old_rights": (SCALED, "provider: aws #", "provider: aws-kiam #"),
    "scaled_to_none": (SCALED, "minReplicaCount: 1", "minReplicaCount: 0"),
    "scaled_by_the_day": (SCALED, "  triggers:", "  cooldownPeriods: 60\n  triggers:"),
    "pods_variable_misspelt": (KUSTOMIZATION, "- MAIL_FROM=", "- MAIL_FORM="),
    "pods_topic_is_any": (KUSTOMIZATION, "      - TOPIC_ARNS=arn:aws:sns:eu-central-1:111122223333:user-events\n", ""),
    "manifest_left_out": (KUSTOMIZATION, "  - disruption-budget.yaml\n", ""),
    "image_of_another_name": (KUSTOMIZATION, "- name: user-events\n    newName", "- name: worker\n    newName"),
    "pod_may_not_hide_messages": ("infra/kubernetes/rights.json", '        "sqs:ChangeMessageVisibility",\n', ""),
    "pod_may_touch_any_queue": ("infra/kubernetes/rights.json", "user-events-email-dlq", "*"),
}  # fmt: skip


def notice(name):
    """What was said of the mutation, or why nothing can be said."""
    file, old, new = MUTATIONS[name]
    with tempfile.TemporaryDirectory() as folder:
        for path in READ:
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / path).is_dir():
                shutil.copytree(ROOT / path, target, ignore=shutil.ignore_patterns(".venv", "__pycache__"))
            else:
                shutil.copy(ROOT / path, target)
        if name != NONE:
            mutant = Path(folder) / file
            source = mutant.read_text()
            if old not in source:
                return None, f"no longer fits {file}"
            mutant.write_text(source.replace(old, new, 1))
        environment = dict(os.environ, LINT_VENV=str((ROOT / VENV).resolve()))
        ended = subprocess.run([f"{folder}/infra/lint/run", "--fast"], env=environment, capture_output=True, text=True)
        by = re.findall(r"lint-infra: (\S+): FAILED", ended.stderr)
        # A check that stumbles has noticed, but says nothing that helps.
        stumbled = " (stumbled)" if "Traceback" in ended.stderr else ""
        return ended.returncode != 0 and bool(by), ", ".join(by) + stumbled or ended.stdout + ended.stderr


NONE = "unchanged"


def main():
    names = sys.argv[1:] or list(MUTATIONS)
    unknown = [name for name in names if name not in MUTATIONS]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(MUTATIONS)}")
    started = time.monotonic()
    MUTATIONS[NONE] = (WORKER, "", "")
    noticed, said = notice(NONE)
    if noticed is not False:
        sys.exit(f"the templates as they are do not hold:\n{said}")
    failed = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for name, (noticed, said) in zip(names, pool.map(notice, names)):
            if noticed:
                print(f"{name:36} {said}", flush=True)
            else:
                failed.append(f"{name}: {'unnoticed' if noticed is False else said}")
    print(f"{len(names) - len(failed)} of {len(names)} noticed, {time.monotonic() - started:.0f} s")
    sys.exit("\n".join(failed) if failed else 0)


if __name__ == "__main__":
    main()
