"""Reads a CloudFormation template, its short forms as their long ones, `!Ref X` as {"Ref": "X"}, and works out
what CloudFormation would."""

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


class Resolver:
    """What CloudFormation makes of a part of a template that names no resource.

    `parameters` count before the defaults; `exports` are what imports find. What is looked up and not there is a
    KeyError.
    """

    def __init__(self, template, parameters, exports=None, pseudo=None):
        defaults = {name: p["Default"] for name, p in template["Parameters"].items() if "Default" in p}
        self.values = {**(pseudo or {}), **defaults, **parameters}
        self.conditions, self.exports = template.get("Conditions", {}), exports or {}

    def holds(self, condition):
        ((kind, of),) = condition.items()
        if kind == "Condition":
            return self.holds(self.conditions[of])
        if kind == "Fn::Not":
            return not self.holds(of[0])
        if kind == "Fn::And":
            return all(map(self.holds, of))
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
                text, own = of if isinstance(of, list) else (of, {})
                for name, value in {**self.values, **self(own)}.items():
                    text = text.replace("${%s}" % name, str(value))
                if "${" in text:
                    raise KeyError(text)
                return text
            if kind == "Fn::ImportValue":
                return self.exports[self(of)]
            if kind == "Fn::If":
                return self(of[1] if self.holds(self.conditions[of[0]]) else of[2])
            if kind == "Fn::Split":
                return self(of[1]).split(of[0])
            if kind == "Fn::Join":
                return of[0].join(self(of[1]))
            if kind == "Fn::Select":
                return self(of[1])[of[0]]
        return {name: found for name, value in part.items() if (found := self(value)) is not None}
