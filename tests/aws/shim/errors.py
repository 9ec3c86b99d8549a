"""Refusals, with AWS's names of them."""


class AwsError(Exception):
    """An answer of AWS that isn't success. `code` is the exception's name in the service's API model."""

    def __init__(self, code, message, status=400, **fields):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.fields = code, message, status, fields


def not_found(kind, identity):
    return AwsError("ResourceNotFoundException", f"{kind} with ID '{identity}' does not exist", ResourceType=kind)


def invalid(message):
    return AwsError("InvalidRequestException", message)


def invalid_parameter(field, message):
    return AwsError("InvalidParameterException", message, FieldName=field)


def limit(kind, number):
    # Resolver API model: LimitExceededException carries the ResourceType.
    return AwsError("LimitExceededException", f"The limit of {number} for {kind} is reached", ResourceType=kind)


def exists(kind, message):
    return AwsError("ResourceExistsException", message, ResourceType=kind)


def validation(message):
    return AwsError("ValidationException", f"1 validation error detected: {message}")
