"""Messages to people: none of them may end the flow run that has something to tell."""

import socket
from collections.abc import Iterator

import pytest
from notification_services import SENDGRID_KEY, SLACK, TEAMS, NotificationServices, notification_services
from prefect.blocks.notifications import MicrosoftTeamsWebhook, SendgridEmail, SlackWebhook
from prefect.server.utilities.user_templates import render_user_template_sync
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.notification_blocks import body_template, send

# Apprise, with which Prefect's blocks send, imports it
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def test_an_api_that_is_away_is_told_and_not_raised():
    with socket.socket() as taken:  # bound and not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: away, PREFECT_CLIENT_MAX_RETRIES: 0}):
            [fault] = send(["slack-webhook/our-team"], "a champion", "it is better")
    assert fault.startswith("The block 'slack-webhook/our-team' cannot be read from Prefect: ")


def test_a_block_that_is_not_there_is_named(api):
    with temporary_settings({PREFECT_API_URL: api}):
        [fault] = send(["slack-webhook/nobody-made-it"], "a champion", "it is better")
    assert fault.startswith("There is no block 'slack-webhook/nobody-made-it': make it in the Prefect UI")


@pytest.fixture
def services(api, tmp_path, monkeypatch) -> Iterator[NotificationServices]:
    """With a block for each, as a person makes them in the UI."""
    blocks = {
        "slack-webhook": SlackWebhook(url=SLACK),
        "ms-teams-webhook": MicrosoftTeamsWebhook(url=TEAMS),
        "sendgrid-email": SendgridEmail(
            api_key=SENDGRID_KEY, sender_email="retuner@example.com", to_emails=["team@example.com"]
        ),
    }
    with notification_services(tmp_path) as services, temporary_settings({PREFECT_API_URL: api}):
        for name, value in services.environment.items():
            monkeypatch.setenv(name, value)
        for block in blocks.values():
            block.save("tests", overwrite=True)
        yield services


BLOCKS = ("slack-webhook/tests", "ms-teams-webhook/tests", "sendgrid-email/tests")
SLACKS_OWN = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;"})
SECRETS = ("aSecret", SLACK, TEAMS, SENDGRID_KEY)
BODY = "it is better:\n  File <module> & more"
HTML = "<pre>it is better:\n  File &lt;module&gt; &amp; more</pre>"


def test_slack_teams_and_e_mail_get_the_message_at_their_own_addresses(services):
    assert send(BLOCKS, "a champion", BODY) == []
    (slack, in_slack), (teams, in_teams), (mail, in_mail) = services.received
    assert [f"https://{slack}", f"https://{teams}"] == [SLACK, TEAMS.replace(":443", "")]
    assert mail == "api.sendgrid.com/v3/mail/send"
    [attachment] = in_slack["attachments"]
    assert (attachment["title"], attachment["text"]) == ("a champion", BODY.translate(SLACKS_OWN))
    card = in_teams["attachments"][0]["content"]["body"]
    assert {block["id"]: block["text"] for block in card if "id" in block} == {"title": "a champion", "body": BODY}
    assert (in_mail["subject"], in_mail["content"]) == ("a champion", [{"type": "text/html", "value": HTML}])
    assert in_mail["personalizations"] == [{"to": [{"email": "team@example.com"}]}]


def test_a_service_that_refuses_is_told_by_its_answer_and_without_its_secret(services, caplog):
    services.status = 403
    faults = send(BLOCKS, "a champion", BODY)
    assert [fault.partition(":")[0] for fault in faults] == [
        f"The notification through {name} did not arrive (it answered 403)" for name in BLOCKS
    ]
    assert not [secret for secret in SECRETS if secret in caplog.text or secret in str(faults)]


def test_the_server_fills_in_an_e_mail_that_can_be_read():
    template = body_template("sendgrid-email/tests", "it is better:\n  {{ where }}")
    assert render_user_template_sync(template, {"where": "File <module> & more"}) == HTML
    assert body_template("slack-webhook/tests", "{{ where }}") == "{{ where }}"
