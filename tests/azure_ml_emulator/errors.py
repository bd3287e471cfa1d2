"""The error that a handler raises to answer with."""

from typing import Any


class ServiceError(Exception):
    """Answered as Azure answers: a status and {"error": {"code", "message", "details"}}."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message

    def body(self, path: str = "") -> dict[str, Any]:
        """As the service at the path writes it."""
        if "/modelmanagement/" in path:
            return model_error_body(self.status, self.code, self.message)
        return error_body(self.code, self.message)


def error_body(code: str, message: str) -> dict[str, Any]:
    """`details` must be a list: the SDK's own error text raises TypeError without it."""
    return {"error": {"code": code, "message": message, "details": []}}


def model_error_body(status: int, code: str, message: str) -> dict[str, Any]:
    """The form of the model management service alone."""
    return {"statusCode": status, "code": code, "message": message, "details": [], "correlation": {"RequestId": "0"}}
