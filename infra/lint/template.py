"""Reads a CloudFormation template, its short forms as their long ones: `!Ref X` as {"Ref": "X"}."""

import yaml


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def long_form(loader, tag, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", long_form)


def load(path):
    return yaml.load(path.read_text(), Loader)
