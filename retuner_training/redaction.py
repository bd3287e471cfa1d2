"""What looks like a secret, and stars in its place: for results on nodes as for the log."""

import re

HIDDEN = "********"
_SECRETS = (
    # the signature of a shared access signature, wherever the address appears
    re.compile(r"(?i)\b(sig=)[^&\s\"'<>]+"),
    re.compile(r"(?i)\b((?:account|shared ?access)[_ ]?(?:key|signature)=)[^;\s\"']+"),
    re.compile(r"(?i)((?:password|passwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+"),
    re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]+"),
    # the password in a URL: postgresql://user:password@host
    re.compile(r"(://[^/\s:@]+:)[^@\s/]+(?=@)"),
    # incoming webhooks: whoever knows the address may write
    re.compile(r"(https://(?:hooks\.slack\.com|[\w.-]+\.webhook\.office\.com|discord\.com/api/webhooks)/)\S+"),
)


def redact(text: str) -> str:
    """The text with everything that looks like a secret replaced by stars."""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text
