"""Would the AWS CLI take these commands, and the templates the parameters?

Enters: a file of words, each ended by NUL, a command by one more word that is a line feed. Leaves: how
many commands there are. What the CLI takes, it tries to send to where nobody listens; what it does not
know, it refuses before. `cloudformation deploy` is held to the template it names.
"""

import contextlib
import io
import os
import pathlib
import sys

from awscli.clidriver import create_clidriver

os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1", AWS_MAX_ATTEMPTS="1")
INFRA = pathlib.Path(__file__).resolve().parents[2] / "infra"
sys.path.insert(0, str(INFRA / "lint"))
import template  # noqa: E402 - it lies beside the templates


def deployed(words):
    """What is wrong with a deployment's parameters."""
    known = template.load(INFRA.parent / words[words.index("--template-file") + 1])["Parameters"]
    given = words[words.index("--parameter-overrides") + 1 :] if "--parameter-overrides" in words else []
    given = {word.split("=", 1)[0] for word in given}
    needed = {name for name, parameter in known.items() if "Default" not in parameter}
    return ", ".join(sorted((given - set(known)) | (needed - given)))


def refused(driver, words):
    if words[:2] == ["cloudformation", "deploy"]:
        return deployed(words)
    if words[:2] == ["logs", "tail"]:
        return ""  # version 2 alone has it
    with contextlib.redirect_stderr(io.StringIO()) as told, contextlib.redirect_stdout(io.StringIO()):
        try:
            driver.main([*words, "--endpoint-url", "http://127.0.0.1:9"])
        except SystemExit:
            pass  # so it ends on a word it does not know
    return "" if "Could not connect" in told.getvalue() else told.getvalue().strip()


words = pathlib.Path(sys.argv[1]).read_text().split("\0")
commands = [command.split("\0") for command in "\0".join(words).split("\n\0")]
commands = [[word for word in command if word] for command in commands]
commands = [command for command in commands if command]
faults = [f"aws {' '.join(c)}: {fault}" for c in commands if (fault := refused(create_clidriver(), c))]
if faults:
    sys.exit("\n".join(faults))
print(len(commands))
