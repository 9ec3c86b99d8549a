"""Arguments and answers by the service models that come with botocore: what AWS's front refuses before the service
sees it (ValidationException), and EC2's query protocol. It knows nothing of the services' meaning.
"""

import functools
import json
import re

from moto.core.parse import EC2QueryParser
from moto.core.serialize import EC2Serializer
from moto.core.utils import get_service_model

from .errors import AwsError, validation


@functools.lru_cache
def operation(service, name):
    """The operation's model, or nothing when the service has none of that name."""
    model = get_service_model(service)
    return model.operation_model(name) if name in model.operation_names else None


def json_arguments(service, name, body):
    arguments = json.loads(body or b"{}")
    shape = operation(service, name).input_shape
    check(shape, arguments, "")
    return arguments


def check(shape, value, path):
    """Refuses what breaks the model's constraints, in the words of AWS's front."""
    if shape.type_name == "structure":
        check_structure(shape, value, path)
    elif shape.type_name == "list":
        bounded(shape, len(value), "length", path, value)
        for number, item in enumerate(value, 1):
            check(shape.member, item, f"{path}.{number}.member")
    elif shape.type_name == "string":
        check_string(shape, value, path)
    elif shape.type_name in ("integer", "long"):
        must(isinstance(value, int) and not isinstance(value, bool), value, path, "be a number")
        bounded(shape, value, "value", path, value)
    elif shape.type_name == "boolean":
        must(isinstance(value, bool), value, path, "be a boolean")


def check_structure(shape, value, path):
    must(isinstance(value, dict), value, path, "be a structure")
    for name in shape.required_members:
        must(value.get(name) is not None, None, f"{path}.{name}", "not be null")
    for name, item in value.items():
        # AWS ignores members that it doesn't know. Here they are refused: in a test they are a slip of the pen.
        must(name in shape.members, item, f"{path}.{name}", "be a member of the request")
        if item is not None:
            check(shape.members[name], item, f"{path}.{name}")


def check_string(shape, value, path):
    must(isinstance(value, str), value, path, "be a string")
    bounded(shape, len(value), "length", path, value)
    pattern = shape.metadata.get("pattern")
    if pattern and value:
        must(re.fullmatch(pattern, value), value, path, f"satisfy regular expression pattern: {pattern}")
    if shape.enum:
        must(value in shape.enum, value, path, f"satisfy enum value set: [{', '.join(shape.enum)}]")


def bounded(shape, number, what, path, value):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    must(least is None or number >= least, value, path, f"have {what} greater than or equal to {least}")
    must(most is None or number <= most, value, path, f"have {what} less than or equal to {most}")


def must(holds, value, path, constraint):
    if not holds:
        field = ".".join(part[:1].lower() + part[1:] for part in path.split(".") if part)
        raise validation(f"Value '{value}' at '{field}' failed to satisfy constraint: Member must {constraint}")


def query_arguments(name, form):
    """An EC2 call's arguments, from the form in its body."""
    request = {"headers": {}, "body": None, "url_path": "/", "query_string": None, "values": form}
    arguments = EC2QueryParser(operation("ec2", name)).parse(request)
    for member in operation("ec2", name).input_shape.required_members:
        if not arguments.get(member):
            raise AwsError("MissingParameter", f"The request must contain the parameter {member}")
    return dict(arguments)


def query_answer(name, result):
    """An EC2 call's answer in XML."""
    return EC2Serializer(operation("ec2", name)).serialize(result)["body"]
